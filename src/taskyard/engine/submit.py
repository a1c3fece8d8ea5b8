"""Submit: from a request to a stored task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from taskyard.contracts.records import Entry, Found, Unique
from taskyard.domain.definition import Definition, Kind
from taskyard.domain.facts import Body, Extra, Facts, Place, PlaceKind
from taskyard.domain.json import MAX_DETAILS, Detail, canonical, digest, dumps, refusal
from taskyard.domain.policy import ExecutionConfig, Policy, invalid
from taskyard.domain.priority import Priority
from taskyard.domain.queue import LaneKey, Queue
from taskyard.domain.reuse import idempotency_key, request_hash, reuse_key
from taskyard.domain.task import Task, tell
from taskyard.engine.catalog import Known, Route
from taskyard.engine.engine import Engine
from taskyard.engine.freeze import freeze
from taskyard.engine.limits import concurrency_key, limits_of, short
from taskyard.engine.query import get_task
from taskyard.engine.request import TaskRequest
from taskyard.engine.upload import check_uploads
from taskyard.errors import Conflict, PayloadTooLarge, ValidationFailed
from taskyard.security.caller import LOCAL, Caller

_CARRIED = attrgetter(
    "step_id", "workflow_context", "client", "severity", "tags", "metadata", "callback_url", "due_date", "assignee",
    "concurrency_key", "fairness_key",
)  # fmt: skip
_IDEMPOTENT_FOR_US = 24 * 3600 * 1_000_000


class Draft(NamedTuple):
    """A request resolved: ready to be stored, or to find its like."""

    entry: Entry
    kind: Kind
    policy: Policy
    uniques: tuple[Unique, ...]


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
    engine: Engine, request: TaskRequest, caller: Caller, parent_id: int | None = None, *, once: bytes | None = None
) -> Submitted:
    """Store the task, or find the one the request may reuse.

    `parent_id`: the task on whose behalf it runs; then its equal under the same parent is reused.
    `once`: a key under which there is one task only, as long as it is kept.
    Raises NotFound, ValidationFailed, Conflict, Overloaded, Maintenance, PayloadTooLarge; then nothing is stored.
    """
    draft = (await draft_all(engine, [request], caller, parent_id=parent_id))[0]
    if once is not None:
        draft = draft._replace(uniques=(*draft.uniques, only_one(once)))
    if not draft.uniques:
        await engine.batcher.put(draft.entry)
        return Submitted(draft.entry.id, draft)
    return await _submit_unique(engine, draft)


def only_one(key: bytes) -> Unique:
    """That there is one task only under this key, as long as it is kept."""
    return Unique(key, None, None, forgiving=False)


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


async def draft_all(
    engine: Engine,
    requests: Sequence[TaskRequest],
    caller: Caller,
    *,
    parent_id: int | None = None,
    bulk: bool = False,
    checked: bool = True,
) -> list[Draft]:
    """Resolve all requests, or raise with what is wrong with any of them; nothing is stored.

    Not `checked`: whatever their inputs are.
    """
    await engine.mode.check()
    now = await engine.store.now()
    ids = engine.store.new_ids(len(requests))
    drafts: list[Draft] = []
    wrong: list[Detail] = []
    counts: Counter[Queue] = Counter()
    current: dict[str, Known] = {}
    for index, (id_, request) in enumerate(zip(ids, requests, strict=True)):
        key = request.task_definition_id
        known = current.get(key) or current.setdefault(key, await engine.catalog.current(key))
        path = f"/tasks/{index}" if bulk else ""
        try:
            drafts.append(await _draft(engine, id_, request, known, caller, parent_id, now, path, checked))
        except ValidationFailed as error:
            wrong += error.details
        counts[Queue.of(known.kind.definition.task_type)] += 1
    if wrong:
        raise refusal(wrong[:MAX_DETAILS])
    for queue, count in counts.items():
        await engine.depth.admit(queue, count)
    return drafts


async def _draft(
    engine: Engine,
    id_: int,
    request: TaskRequest,
    known: Known,
    caller: Caller,
    parent_id: int | None,
    now: int,
    path: str,
    checked: bool,
) -> Draft:
    kind, definition = known.kind, known.kind.definition
    value, stored = await read_input(engine, known if checked else _schemaless(known), request, caller, path)
    if len(stored) > engine.limits.max_input:
        raise PayloadTooLarge(
            f"the input has {len(stored)} bytes and may have {engine.limits.max_input}; upload large content as a file"
        )
    named = request.priority or (request.workflow_context.importance if request.workflow_context else None)
    plain = engine.catalog.routes.get((kind.id, named)) if request.execution_config is None else None
    route = plain or await _route(engine, kind, named, request.execution_config)
    if request.callback_url is not None:
        await engine.callbacks.admit(request.callback_url, f"{path}/callbackUrl")
    run_at = _run_at(request, now, path)
    expire = request.expire if request.expire is not None else definition.expire
    fairness_key = short(request.fairness_key) if request.fairness_key else None
    seen = _hash(request, value, caller) if expire is not None or parent_id or request.cause else None
    entry = Entry(
        id_,
        kind.id,
        route.policy_id,
        route.lane_id,
        route.priority,
        stored,
        run_at,
        _extra(request, caller, run_at),
        request.workflow_id,
        request.correlation_id,
        *_cause(request, parent_id),
        parent_id,
        seen,
        tuple(request.tags),
        limits_of(definition, _concurrency_key(definition, request, stored, path), fairness_key),
        fairness_key or "",
    )
    return Draft(entry, kind, route.policy, tuple(_uniques(request, entry, expire, caller, now)))


def _schemaless(known: Known) -> Known:
    return known._replace(input=None)


async def _route(engine: Engine, kind: Kind, named: str | None, config: ExecutionConfig | None) -> Route:
    """Where the task goes; kept for those that bring no policy of their own. Raises ValidationFailed."""
    definition = kind.definition
    policy, policy_id = await freeze(engine, kind, config)
    priority = Priority.parse(named) if named else definition.default_priority
    queue = Queue.of(definition.task_type)
    lane_id = await engine.catalog.lane_id(LaneKey(queue, queue, definition.key, priority, solo=False))
    route = Route(priority, lane_id, policy, policy_id)
    if config is None:
        engine.catalog.routes[kind.id, named] = route
    return route


async def read_input(
    engine: Engine, known: Known, request: TaskRequest, caller: Caller, path: str
) -> tuple[Any, bytes]:
    """The input, checked, and as JSON. A definition without a schema takes anything; with one, nothing means `{}`."""
    validator = known.input
    value = {} if request.input is None and validator is not None else request.input
    try:
        stored = dumps(value)
    except ValidationFailed as error:
        raise refusal([{**each, "path": f"{path}/input{each['path']}"} for each in error.details]) from None
    if validator is not None:
        validator.check(value, f"{path}/input")
        if validator.takes_uploads:
            await check_uploads(engine, validator, value, caller, f"{path}/input")
    return value, stored


def _run_at(request: TaskRequest, now: int, path: str) -> int | None:
    """When the task may run, in microseconds; None for now."""
    if request.delay is not None and request.available_at is not None:
        raise invalid(f"{path}/delay", "cannot be given together with availableAt", "oneOf")
    if request.delay is not None and request.delay > 0:
        return now + int(request.delay * 1_000_000)
    if request.available_at is not None:
        at = _us(request.available_at)
        return at if at > now else None
    return None


def _us(when: datetime) -> int:
    return int(when.timestamp() * 1_000_000)


def _extra(request: TaskRequest, caller: Caller, run_at: int | None) -> bytes | None:
    """What the task carries besides what it is found and run by; None for nothing, which most carry."""
    if caller is LOCAL and run_at is None and not any(_CARRIED(request)):
        return None
    plain = msgspec.to_builtins
    extra = Extra(
        step_id=request.step_id,
        workflow_context=plain(request.workflow_context) if request.workflow_context else None,
        client=plain(request.client) if request.client else None,
        caller=None if caller is LOCAL else caller.subject,
        severity=request.severity,
        tags=request.tags,
        metadata=request.metadata,
        callback_url=request.callback_url,
        available_at=run_at,
        due_at=None if request.due_date is None else _us(request.due_date),
        assignee_type=request.assignee.type if request.assignee else None,
        assignee_id=request.assignee.id if request.assignee else None,
        concurrency_key=request.concurrency_key,
        fairness_key=request.fairness_key,
    )
    return msgspec.json.encode(extra)


def _cause(request: TaskRequest, parent_id: int | None) -> tuple[str | None, str | None]:
    if parent_id is not None:
        return "task_Task", str(parent_id)
    if request.cause is None and request.workflow_id is not None:
        return "workflow_Instance", request.workflow_id
    return request.cause_type, request.cause


def _hash(request: TaskRequest, value: Any, caller: Caller) -> bytes:
    subject = msgspec.to_builtins(request.client) if request.client else caller.subject
    return request_hash(request.task_definition_id, value, subject)


def _concurrency_key(definition: Definition, request: TaskRequest, stored: bytes, path: str) -> str | None:
    try:
        return concurrency_key(definition, request.concurrency_key, stored)
    except ValueError as error:
        raise invalid(f"{path}/input", f"its concurrency key cannot be told: {error}", "concurrencyKey") from None


def _uniques(request: TaskRequest, entry: Entry, expire: float | None, caller: Caller, now: int) -> list[Unique]:
    uniques = []
    if request.idempotency_key is not None:
        key = idempotency_key(caller.subject, request.task_definition_id, request.idempotency_key)
        same = digest(canonical(msgspec.to_builtins(request)))
        uniques.append(Unique(key, same, now + _IDEMPOTENT_FOR_US, forgiving=False))
    if entry.hash is not None and (expire is not None or entry.parent_id is not None):
        newer_than = None if entry.parent_id is not None else now - int((expire or 0) * 1_000_000)
        key = reuse_key(entry.cause_type, entry.cause, entry.hash)
        uniques.append(Unique(key, None, None, forgiving=True, newer_than=newer_than))
    return uniques


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
