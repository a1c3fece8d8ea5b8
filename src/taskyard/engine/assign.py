"""Assign: whose a manual task is, and how its person ends it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from taskyard.contracts.records import Opened, Settlement
from taskyard.domain.facts import AttemptDetail, PlaceKind
from taskyard.domain.json import dumps
from taskyard.domain.lifecycle import EventType, Outcome, State, check_move
from taskyard.domain.outcome import TaskError
from taskyard.domain.task import Task, state_of
from taskyard.engine.engine import Engine
from taskyard.engine.query import Known, get_task, know_one
from taskyard.engine.settle import encode_detail, error_json
from taskyard.engine.upload import check_value
from taskyard.errors import Conflict, Forbidden
from taskyard.security.caller import Caller

_LOOKS = 5


class Reassignment(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """To whom a manual task goes; with `version` only if that is the task's present one."""

    assignee_type: Literal["USER", "GROUP"]
    assignee_id: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    reason: Annotated[str, msgspec.Meta(max_length=2000)] | None = None
    version: int | None = None


async def reassign(engine: Engine, caller: Caller, task_id: int, to: Reassignment) -> Task:
    """Give an ASSIGNED task to another USER or GROUP; a claim on it ends.

    Raises NotFound, IllegalTransition; Conflict when the version is not the present one.
    """
    for _ in range(_LOOKS):
        known = await know_one(engine, task_id)
        check_move("reassign", state_of(known.facts.place, known.facts.last))
        place = known.facts.place
        assert place is not None  # noqa: S101 - only open tasks may be reassigned
        opened = Opened(to.assignee_type, to.assignee_id, None, place.correlation_id, place.due_at)
        before = {"assigneeType": place.assignee_type, "assigneeId": place.assignee_id, "claimedBy": place.claimed_by}
        after = {"assigneeType": to.assignee_type, "assigneeId": to.assignee_id, "assigneeName": to.assignee_id}
        body = {"by": caller.subject, "reason": to.reason, "from": before, **after}
        if await engine.store.change_open(task_id, opened, EventType.ASSIGNED, body, to.version):
            return await get_task(engine, task_id)
    raise Conflict(f"task {task_id} moves too quickly to be reassigned; try again")


async def complete_open(engine: Engine, caller: Caller, task_id: int, output: Any, version: int | None = None) -> Task:
    """End an ASSIGNED or WAITING task as COMPLETED with a result that fits its output schema.

    Raises NotFound, Forbidden, ValidationFailed, IllegalTransition, Conflict.
    """
    known = await know_one(engine, task_id)
    check_move("complete", _open_state(known))
    check_mine(caller, known)
    versions = await engine.catalog.versions([known.kind.id])
    validator = versions[known.kind.id].output
    if validator is not None:
        await check_value(engine, validator, output, caller, "/output")
    detail = encode_detail(AttemptDetail(by=caller.subject))
    return await _end(engine, task_id, Outcome.COMPLETED, dumps(output), detail, version)


async def fail_open(engine: Engine, caller: Caller, task_id: int, error: TaskError, version: int | None = None) -> Task:
    """End an ASSIGNED or WAITING task as FAILED. Raises NotFound, Forbidden, IllegalTransition, Conflict."""
    known = await know_one(engine, task_id)
    check_move("fail", _open_state(known))
    check_mine(caller, known)
    detail = encode_detail(AttemptDetail(error=error_json(error), by=caller.subject))
    return await _end(engine, task_id, Outcome.FAILED, None, detail, version)


def check_mine(caller: Caller, known: Known) -> None:
    """A person ends only tasks assigned to them or to their groups. Raises Forbidden."""
    place = known.facts.place
    if place is None or place.kind is not PlaceKind.ASSIGNED or caller.is_admin or caller.allows("service"):
        return
    mine = (
        caller.subject == place.claimed_by
        or (place.assignee_type == "USER" and place.assignee_id == caller.subject)
        or (place.assignee_type == "GROUP" and place.assignee_id in caller.groups)
    )
    if not mine:
        raise Forbidden("this task is assigned to somebody else; ask them, or an administrator to reassign it")


def _open_state(known: Known) -> State:
    """The state; a running task is its worker's to end, so it counts as not open."""
    state = state_of(known.facts.place, known.facts.last)
    return State.PENDING if state is State.RUNNING else state


async def _end(
    engine: Engine, task_id: int, outcome: Outcome, result: bytes | None, detail: bytes | None, version: int | None
) -> Task:
    settlement = Settlement(0, task_id, 0, outcome, None, result, detail)
    if not await engine.store.settle_open(task_id, settlement, version):
        known = await know_one(engine, task_id)
        check_move("complete", _open_state(known))
        raise Conflict(f"task {task_id} has changed meanwhile; read it again")
    return await get_task(engine, task_id)
