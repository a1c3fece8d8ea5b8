"""Submit: from a request to a stored task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from taskyard.contracts.records import Found
from taskyard.domain.facts import Body, Facts, Place, PlaceKind
from taskyard.domain.task import Task, tell
from taskyard.engine.draft import Draft, draft_all, only_one
from taskyard.engine.engine import Engine
from taskyard.engine.query import get_task
from taskyard.engine.request import TaskRequest
from taskyard.errors import Conflict
from taskyard.security.caller import Caller


class Submitted(NamedTuple):
    """A task that was asked for; `found` when it had been there before and is reused."""

    id: int
    draft: Draft
    found: Task | None = None

    @property
    def reused(self) -> bool:
        """Whether the task had been there before."""
        return self.found is not None

    @property
    def task(self) -> Task:
        """The task as it is the moment it is stored, told without reading it back; or as it was found."""
        return self.found or _told(self.draft)


async def submit(
    engine: Engine, request: TaskRequest, caller: Caller, parent_id: int | None = None, *, once: bytes | None = None,
    askers: Sequence[str] | None = None,
) -> Submitted:  # fmt: skip
    """Store the task, or find the one the request may reuse.

    `parent_id`: the task on whose behalf it runs; then its equal under the same parent is reused. `askers`: as in
    `draft_all`.
    `once`: a key under which there is one task only, as long as it is kept.
    Raises NotFound, ValidationFailed, Conflict, Overloaded, Maintenance, PayloadTooLarge; then nothing is stored.
    """
    draft = (await draft_all(engine, [request], caller, parent_id=parent_id, askers=askers))[0]
    if once is not None:
        draft = draft._replace(uniques=(*draft.uniques, only_one(once)))
    if not draft.uniques:
        await engine.batcher.put(draft.entry)
        return Submitted(draft.entry.id, draft)
    return await _submit_unique(engine, draft)


async def submit_many(engine: Engine, requests: Sequence[TaskRequest], caller: Caller) -> list[Submitted]:
    """Store the tasks in one transaction, all or none. Requests that may reuse a task are looked up one by one."""
    drafts = await draft_all(engine, requests, caller, bulk=True)
    plain = [draft for draft in drafts if not draft.uniques]
    if plain:
        await engine.store.enqueue([draft.entry for draft in plain])
    return [
        await _submit_unique(engine, draft) if draft.uniques else Submitted(draft.entry.id, draft) for draft in drafts
    ]


async def submit_with(
    engine: Engine, requests: Sequence[TaskRequest], caller: Caller, transaction: Any
) -> list[Submitted]:
    """Store the tasks in the caller's own transaction: they are there when, and if, it commits.

    Raises what `submit` raises; Conflict for requests that would have to look for their like.
    """
    drafts = await draft_all(engine, requests, caller, bulk=len(requests) > 1)
    if any(draft.uniques for draft in drafts):
        raise Conflict("an idempotency key or `expire` cannot be kept in your own transaction; leave them out")
    await engine.store.enqueue_with(transaction, [draft.entry for draft in drafts])
    return [Submitted(draft.entry.id, draft) for draft in drafts]


async def _submit_unique(engine: Engine, draft: Draft) -> Submitted:
    """Store the task unless another holds one of its keys. Raises Conflict for another request under its key."""
    found: Found | None = await engine.store.enqueue_unique(draft.entry, draft.uniques)
    if found is None:
        return Submitted(draft.entry.id, draft)
    if not found.same:
        raise Conflict(
            f"the idempotency key was used for another request, task {found.task_id}; use a new key",
            details={"taskId": str(found.task_id)},
        )
    return Submitted(found.task_id, draft, await get_task(engine, found.task_id))


def _told(draft: Draft) -> Task:
    e = draft.entry
    body = Body(
        e.id, e.kind_id, e.policy_id, e.priority, e.workflow_id, e.correlation_id, e.cause_type, e.cause,
        e.parent_id, e.hash, e.input, e.extra,
    )  # fmt: skip
    place = Place(PlaceKind.READY if e.run_at is None else PlaceKind.DELAYED, e.run_at or 0, 1, 0, 0)
    return tell(Facts(body, place, None), draft.kind, draft.policy)
