"""Ending: complete and reject, alone or as one of several who have to agree."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec.structs import replace

from taskyard.contracts.records import Settlement
from taskyard.domain.facts import AttemptDetail
from taskyard.domain.json import dumps
from taskyard.domain.lifecycle import EventType, Outcome
from taskyard.domain.outcome import TaskError
from taskyard.domain.people.approval import verdict
from taskyard.domain.people.sheet import Decision, Held
from taskyard.domain.task import Task
from taskyard.engine.engine import Engine
from taskyard.engine.people.forms import check_output, result_files
from taskyard.engine.people.holding import Holding, Which, apply, check_version, hold, id_of, permit, unchanged
from taskyard.engine.query import get_task
from taskyard.engine.settle import encode_detail, error_json
from taskyard.errors import Conflict
from taskyard.security.caller import Caller

_LOOKS = 20


class _Said(NamedTuple):
    """What one person has decided, and how its end is recorded if it ends with that."""

    approved: bool
    detail: AttemptDetail
    comment: str | None
    output: Any = None


async def complete(
    engine: Engine, caller: Caller, task: Which, output: Any, *, outcome: str | None = None,
    comment: str | None = None, version: int | None = None,
) -> Task:  # fmt: skip
    """End a task with a result that fits its output schema; `outcome` names the decision.

    Where several have to agree it ends with the last of them. Raises NotFound, Forbidden, ValidationFailed,
    IllegalTransition, Conflict; then nothing has changed.
    """
    for _ in range(_LOOKS):
        holding = await hold(engine, task, "complete")
        task = task_id = holding.task_id
        check_version(holding, version)
        permit("complete", caller, holding)
        await check_output(engine, holding, output, outcome, caller)
        detail = _detail(holding, caller.subject, comment, outcome)
        if await _decide(engine, holding, caller, _Said(True, detail, comment, output)):
            return await get_task(engine, task_id)
    raise Conflict(f"task {id_of(task)} moves too quickly; try again")


async def reject(engine: Engine, caller: Caller, task: Which, error: TaskError, version: int | None = None) -> Task:
    """End a task as FAILED. Where several have to agree it ends when enough have refused. A repair that is given up
    fails with what it was to mend.

    Raises NotFound, Forbidden, IllegalTransition, Conflict; then nothing has changed.
    """
    for _ in range(_LOOKS):
        holding = await hold(engine, task, "fail")
        task = task_id = holding.task_id
        check_version(holding, version)
        permit("reject", caller, holding)
        detail = _detail(holding, caller.subject, error.message if holding.is_repair else None, None)
        detail = replace(detail, error=holding.failure if holding.is_repair else error_json(error))
        if await _decide(engine, holding, caller, _Said(False, detail, error.message)):
            return await get_task(engine, task_id)
    raise Conflict(f"task {id_of(task)} moves too quickly; try again")


async def end(engine: Engine, holding: Holding, settlement: Settlement) -> bool:
    """End the task if it is still as it was seen."""
    try:
        return await engine.store.settle_open(holding.task_id, settlement, holding.version)
    except Conflict:
        return False


async def _decide(engine: Engine, holding: Holding, caller: Caller, said: _Said) -> bool:
    """End it, or note the decision where others have to agree."""
    now = await engine.store.now()
    decision = Decision(caller.subject, said.approved, now, said.comment, said.detail.decision)
    decisions, approvals = (*holding.sheet.decisions, decision), holding.manual.approvals
    if approvals is None:
        return await end(engine, holding, _settlement(holding, caller, said, said.detail))
    if verdict(approvals, decisions) is said.approved:
        detail = replace(said.detail, decisions=list(decisions))
        return await end(engine, holding, _settlement(holding, caller, said, detail))
    sent = {*holding.sheet.sent, *result_files(holding.known.kind.definition, said.output)}
    sheet = replace(
        holding.sheet, decisions=decisions, draft=None, drafted_by=None, drafted_at=None, files=(),
        sent=tuple(sorted(sent)),
    )  # fmt: skip
    told = {
        "approved": said.approved, "outcome": decision.outcome, "comment": said.comment, "output": said.output,
        "decisions": len(decisions), "required": approvals.required,
    }  # fmt: skip
    held = replace(holding.held, claimed_by=None)
    changed = unchanged(holding, EventType.DECIDED)._replace(held=held, sheet=sheet, body=told)
    return await apply(engine, holding, changed, caller.subject, now) is not None


def _settlement(holding: Holding, caller: Caller, said: _Said, detail: AttemptDetail) -> Settlement:
    outcome, result = (Outcome.COMPLETED, dumps(said.output)) if said.approved else (Outcome.FAILED, None)
    return Settlement(0, holding.task_id, 0, outcome, None, result, encode_detail(detail), by=caller.subject)


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
