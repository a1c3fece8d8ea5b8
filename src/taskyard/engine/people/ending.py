"""Ending: complete and reject, alone or as one of several who have to agree."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from taskyard.contracts.records import Settlement
from taskyard.domain.facts import AttemptDetail
from taskyard.domain.json import dumps
from taskyard.domain.lifecycle import EventType, Outcome
from taskyard.domain.outcome import TaskError
from taskyard.domain.people.approval import verdict
from taskyard.domain.people.sheet import Decision, Held, Sheet
from taskyard.domain.task import Task
from taskyard.engine.engine import Engine
from taskyard.engine.people.forms import check_output
from taskyard.engine.people.holding import Holding, apply, check_version, hold, permit, unchanged
from taskyard.engine.query import get_task
from taskyard.engine.settle import encode_detail, error_json
from taskyard.errors import Conflict
from taskyard.security.caller import Caller

_LOOKS = 20


async def complete(
    engine: Engine, caller: Caller, task_id: int, output: Any, *, outcome: str | None = None,
    comment: str | None = None, version: int | None = None,
) -> Task:  # fmt: skip
    """End a task with a result that fits its output schema; `outcome` names the decision.

    Where several have to agree it ends with the last of them. Raises NotFound, Forbidden, ValidationFailed,
    IllegalTransition, Conflict; then nothing has changed.
    """
    for _ in range(_LOOKS):
        holding = await hold(engine, task_id, "complete")
        check_version(holding, version)
        permit("complete", caller, holding)
        await check_output(engine, holding, output, outcome, caller)
        detail = _detail(holding, caller.subject, comment, outcome)
        settlement = Settlement(0, task_id, 0, Outcome.COMPLETED, None, dumps(output), encode_detail(detail))
        if await _decide(engine, holding, caller, settlement, comment, approved=True):
            return await get_task(engine, task_id)
    raise Conflict(f"task {task_id} moves too quickly; try again")


async def reject(engine: Engine, caller: Caller, task_id: int, error: TaskError, version: int | None = None) -> Task:
    """End a task as FAILED. Where several have to agree it ends when enough have refused. A repair that is given up
    fails with what it was to mend.

    Raises NotFound, Forbidden, IllegalTransition, Conflict; then nothing has changed.
    """
    for _ in range(_LOOKS):
        holding = await hold(engine, task_id, "fail")
        check_version(holding, version)
        permit("reject", caller, holding)
        detail = _detail(holding, caller.subject, error.message if holding.is_repair else None, None)
        detail = replace(detail, error=holding.failure if holding.is_repair else error_json(error))
        settlement = Settlement(0, task_id, 0, Outcome.FAILED, None, None, encode_detail(detail))
        if await _decide(engine, holding, caller, settlement, error.message, approved=False):
            return await get_task(engine, task_id)
    raise Conflict(f"task {task_id} moves too quickly; try again")


async def end(engine: Engine, holding: Holding, settlement: Settlement) -> bool:
    """End the task if it is still as it was seen."""
    try:
        return await engine.store.settle_open(holding.task_id, settlement, holding.version)
    except Conflict:
        return False


async def _decide(
    engine: Engine, holding: Holding, caller: Caller, settlement: Settlement, comment: str | None, *, approved: bool
) -> bool:
    """End it, or note the decision where others have to agree."""
    now = await engine.store.now()
    decision = Decision(caller.subject, approved, now, comment)
    approvals = holding.manual.approvals
    sheet = replace(holding.sheet, decisions=(*holding.sheet.decisions, decision))
    if approvals is None or verdict(approvals, sheet.decisions) is approved:
        return await end(engine, holding, settlement._replace(by=caller.subject))
    held = replace(holding.held, claimed_by=None)
    told = {"approved": approved, "comment": comment, "decisions": len(sheet.decisions), "required": approvals.required}
    changed = unchanged(holding, EventType.DECIDED)._replace(held=held, sheet=_without_draft(sheet), body=told)
    return await apply(engine, holding, changed, caller.subject, now)


def _without_draft(sheet: Sheet) -> Sheet:
    return replace(sheet, draft=None, drafted_by=None, drafted_at=None)


def _detail(holding: Holding, by: str, comment: str | None, outcome: str | None) -> AttemptDetail:
    held: Held = holding.held
    return AttemptDetail(
        by=by,
        reason=comment,
        decision=outcome,
        assignee_type=held.assignee_type,
        assignee_id=held.assignee_id,
        due_at=holding.place.due_at,
    )
