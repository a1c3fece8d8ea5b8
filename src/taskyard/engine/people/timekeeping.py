"""Timekeeping: reminders, overdue marks, escalations, follow-ups and timeouts, each once, on whichever machine leads.

That a moment has passed and what follows from it are one write, which counts only if nobody else has changed the task
since it was read. So nothing is lost by a crash, and nothing happens twice.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from msgspec.structs import replace

from taskyard.contracts.records import InboxRow, Settlement
from taskyard.domain.facts import AttemptDetail
from taskyard.domain.json import dumps
from taskyard.domain.lifecycle import EventType, Outcome
from taskyard.domain.outcome import TaskError
from taskyard.domain.people.rights import target_refusal
from taskyard.domain.people.sheet import Held
from taskyard.domain.people.spec import Escalation
from taskyard.domain.people.timeline import Step, look, steps
from taskyard.domain.priority import Priority
from taskyard.domain.task import iso
from taskyard.engine.engine import Engine
from taskyard.engine.people.ending import end
from taskyard.engine.people.holding import Change, Holding, apply, holding_of, unchanged
from taskyard.engine.query import know
from taskyard.engine.settle import encode_detail, error_json
from taskyard.errors import Overloaded
from taskyard.security.caller import SYSTEM

_AT_ONCE = 200
_BESIDE = 8
_BEGIN = InboxRow(-1, -1)

log = structlog.get_logger("taskyard.people")


async def keep_time(engine: Engine) -> int:
    """Let happen what is due of all manual tasks; how many moments. Raises Overloaded when the store is away."""
    now = await engine.store.now()
    count, after = 0, _BEGIN
    while rows := await engine.store.due_open(now, _AT_ONCE, after):
        found = await know(engine, [row.task_id for row in rows])
        holdings = [holding for holding in map(holding_of, found) if holding is not None]
        for start in range(0, len(holdings), _BESIDE):
            some = holdings[start : start + _BESIDE]
            count += sum(await asyncio.gather(*(_pass(engine, holding, now) for holding in some)))
        after = rows[-1]
    return count


async def _pass(engine: Engine, holding: Holding, now: int) -> int:
    """Let one task's moments happen, at most one a turn: what follows is seen on the next."""
    sheet = holding.sheet
    seen = look(steps(holding.manual, sheet.since, holding.place.due_at, sheet.follow_up_at), sheet.done, now)
    if not seen.due:
        return 0
    step = seen.due[0]
    try:
        if step.kind == "timeout":
            return int(await end(engine, holding, _timeout(holding)))
        return int(await apply(engine, holding, _change(holding, step), SYSTEM.subject, now))
    except Overloaded:
        raise
    except Exception:  # one task must not keep the others waiting
        log.exception("a moment of a manual task could not happen; it is tried again", task=holding.task_id)
        return 0


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
        if escalation.to.type == "USER" and target_refusal(escalation.to.id, holding.sheet) is not None:
            return changed._replace(body={**body, "refused": f"{escalation.to.id} may not do this task"})
        sheet = replace(changed.sheet, owner=None, owned=None, candidates=())
        return changed._replace(held=Held(escalation.to.type, escalation.to.id), sheet=sheet, body=body)
    return changed._replace(body=body)


def _timeout(holding: Holding) -> Settlement:
    """The end that the definition declares, recorded as decided by the system."""
    declared = holding.manual.on_timeout
    completes = declared is not None and declared.outcome == "COMPLETED"
    error = TaskError("TIMEOUT", "nobody has ended it in time, and its definition says what then", retryable=False)
    detail = AttemptDetail(
        by=SYSTEM.subject,
        reason="ended by the system: nobody has ended it in time, and its definition says what then",
        decision="timeout",
        error=None if completes else error_json(error),
        assignee_type=holding.held.assignee_type,
        assignee_id=holding.held.assignee_id,
        due_at=holding.place.due_at,
    )
    outcome = Outcome.COMPLETED if completes else Outcome.FAILED
    output = dumps(declared.output) if declared is not None and completes else None
    return Settlement(0, holding.task_id, 0, outcome, None, output, encode_detail(detail), by=SYSTEM.subject)
