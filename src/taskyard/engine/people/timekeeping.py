"""Timekeeping: reminders, overdue marks, escalations, follow-ups and timeouts, each once, on whichever machine leads.

That a moment has passed and what follows from it are one write, which counts only if nobody else has changed the task
since it was read. So nothing is lost by a crash, and nothing happens twice.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from msgspec.structs import replace

from taskyard.contracts.inbox import InboxRow
from taskyard.contracts.records import Settlement
from taskyard.domain.facts import AttemptDetail, PlaceKind
from taskyard.domain.forms.judge import judge
from taskyard.domain.forms.make import make_form
from taskyard.domain.forms.sources import output_source
from taskyard.domain.json import dumps, refusal
from taskyard.domain.lifecycle import EventType, Outcome
from taskyard.domain.outcome import TaskError
from taskyard.domain.people.document import asked_of, document
from taskyard.domain.people.sheet import Held
from taskyard.domain.people.spec import Escalation, Manual, OnTimeout
from taskyard.domain.people.timeline import Step, look, steps
from taskyard.domain.priority import Priority
from taskyard.domain.task import iso
from taskyard.engine.answers import end_waiting
from taskyard.engine.engine import Engine
from taskyard.engine.people.ending import end
from taskyard.engine.people.holding import Change, Holding, apply, holding_of, unchanged
from taskyard.engine.query import Known, know
from taskyard.engine.settle import encode_detail, error_json
from taskyard.errors import Conflict, Overloaded
from taskyard.security.caller import SYSTEM

_AT_ONCE = 200
_BESIDE = 8
_BEGIN = InboxRow(-1, -1)

_NO_ANSWER = TaskError("TIMEOUT", "the other system has taken the task, and has not answered in time")

log = structlog.get_logger("taskyard.people")


async def keep_time(engine: Engine) -> int:
    """Let happen what is due of all manual tasks, and end the wait for answers that have not come in time; how many
    moments. Raises Overloaded when the store is away.
    """
    now = await engine.store.now()
    count, after = 0, _BEGIN
    while rows := await engine.store.due_open(now, _AT_ONCE, after):
        found = await know(engine, [row.task_id for row in rows])
        for start in range(0, len(found), _BESIDE):
            some = found[start : start + _BESIDE]
            count += sum(await asyncio.gather(*(_turn(engine, known, now) for known in some)))
        after = rows[-1]
    return count


def _waits(known: Known) -> bool:
    place = known.facts.place
    return place is not None and place.kind is PlaceKind.WAITING


async def _turn(engine: Engine, known: Known, now: int) -> int:
    """Let what is due of one task happen; whether anything did."""
    holding = holding_of(known)
    try:
        if _waits(known):
            return int(await end_waiting(engine, known, _NO_ANSWER))
        return int(holding is not None and await _pass(engine, holding, now))
    except Overloaded:
        raise
    except Conflict:  # somebody was quicker
        return 0
    except Exception:  # one task must not keep the others waiting
        log.exception("a moment of a task could not happen; it is tried again", task=known.facts.body.id)
        return 0


async def _pass(engine: Engine, holding: Holding, now: int) -> bool:
    """Let one task's moments happen, at most one a turn: what follows is seen on the next."""
    sheet = holding.sheet
    seen = look(steps(holding.manual, sheet.since, holding.place.due_at, sheet.follow_up_at), sheet.done, now)
    if not seen.due:
        return False
    step = seen.due[0]
    declared = _declared(holding.manual, step)
    if declared is not None:
        return await end(engine, holding, _ended(holding, declared))
    return await apply(engine, holding, _change(holding, step), SYSTEM.subject, now) is not None


def _change(holding: Holding, step: Step) -> Change:
    done = (*holding.sheet.done, step.name)
    body: dict[str, Any] = {"dueDate": iso(holding.place.due_at), "reason": step.name}
    changed = unchanged(holding, _EVENTS[step.kind])._replace(sheet=replace(holding.sheet, done=done), body=body)
    if step.kind == "followUp":
        return changed._replace(sheet=replace(changed.sheet, follow_up_at=None), body={**body, "reason": "follow-up"})
    if step.kind == "escalation":
        return _escalated(holding, changed, holding.manual.escalation[step.number])
    return changed


_EVENTS = {
    "reminder": EventType.REMINDER,
    "followUp": EventType.REMINDER,
    "overdue": EventType.OVERDUE,
    "escalation": EventType.ESCALATED,
}


def _escalated(holding: Holding, changed: Change, escalation: Escalation) -> Change:
    body = {**changed.body, "action": escalation.action}
    if escalation.to is not None:
        body["to"] = {"type": escalation.to.type, "id": escalation.to.id}
    if escalation.action == "raisePriority" and escalation.priority is not None:
        urgency = max(holding.urgency, int(Priority.parse(escalation.priority)))
        return changed._replace(urgency=urgency, body={**body, "priority": Priority(urgency).name})
    if escalation.action == "reassign" and escalation.to is not None:
        if escalation.to.type == "USER" and escalation.to.id in holding.sheet.excluded:
            return changed._replace(body={**body, "refused": f"{escalation.to.id} may not do this task"})
        held = Held(escalation.to.type, escalation.to.id)
        sheet = replace(changed.sheet, owner=None, owned=None)
        return changed._replace(held=held, sheet=sheet, body=body)
    return changed._replace(body=body)


def _declared(manual: Manual, step: Step) -> OnTimeout | Escalation | None:
    """How the task is to end at this moment; None where it goes on."""
    if step.kind == "timeout":
        return manual.on_timeout
    escalation = manual.escalation[step.number] if step.kind == "escalation" else None
    return escalation if escalation is not None and escalation.action == "complete" else None


def _failure(holding: Holding, declared: OnTimeout | Escalation) -> TaskError | None:
    """What the task fails with: as is declared, or since what is declared does not fit this one's form."""
    if declared.outcome == "FAILED":
        return TaskError("TIMEOUT", "nobody has ended it in time, and its definition says what then", retryable=False)
    form = make_form(output_source(holding.known.kind.definition))
    wrong = judge(form, declared.output, document(asked_of(holding.known.facts.body)), "/output")
    if not wrong:
        return None
    told = refusal(wrong)
    message = f"nobody has ended it in time, and what its definition says then does not fit: {told.message}"
    return TaskError("OUTPUT_VALIDATION_ERROR", message, told.details, retryable=False)


def _ended(holding: Holding, declared: OnTimeout | Escalation) -> Settlement:
    """The end that the definition declares, recorded as decided by the system."""
    error = _failure(holding, declared)
    completes = error is None
    detail = AttemptDetail(
        by=SYSTEM.subject,
        reason="ended by the system: nobody has ended it in time, and its definition says what then",
        decision="timeout",
        decisions=list(holding.sheet.decisions),
        error=error_json(error),
        assignee_type=holding.held.assignee_type,
        assignee_id=holding.held.assignee_id,
        due_at=holding.place.due_at,
    )
    outcome = Outcome.COMPLETED if completes else Outcome.FAILED
    output = dumps(declared.output) if completes else None
    return Settlement(0, holding.task_id, 0, outcome, None, output, encode_detail(detail), by=SYSTEM.subject)
