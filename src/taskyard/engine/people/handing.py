"""Handing over: whose a manual task becomes when its turn has come, and until when."""

from __future__ import annotations

from typing import Any

import msgspec

from taskyard.contracts.directory import Directory
from taskyard.contracts.records import Filter
from taskyard.domain.definition import Kind
from taskyard.domain.facts import Extra
from taskyard.domain.lifecycle import State
from taskyard.domain.outcome import Failed, Handed, TaskError
from taskyard.domain.people.assignment import Assigned, Ground, assign, needs_members
from taskyard.domain.people.document import Asked, document
from taskyard.domain.people.sheet import Sheet
from taskyard.domain.people.spec import Assignment, Manual
from taskyard.domain.people.timeline import due_at, next_look, steps
from taskyard.domain.task import detail_of
from taskyard.engine.engine import Engine
from taskyard.engine.query import know

_STEPS_BACK = 200


async def hand_over(engine: Engine, directory: Directory, kind: Kind, manual: Manual, asked: Asked) -> Handed | Failed:
    """Decide whose the task is and until when; a rule that cannot be evaluated fails it for good."""
    now, known = await engine.store.now(), document(asked)
    try:
        assigned = await _assigned(engine, directory, kind, manual, asked, known)
        due = asked.extra.due_at or due_at(manual.due, now, known)
    except ValueError as error:
        return Failed(TaskError("ASSIGNMENT_ERROR", f"it cannot be handed over: {error}", retryable=False))
    moments = steps(manual, now, due, None)
    sheet = Sheet(since=now, excluded=assigned.excluded, candidates=assigned.candidates, why=assigned.why)
    return Handed(
        to_person=True,
        assignee_type=assigned.type,
        assignee_id=assigned.id,
        due_at=due,
        wake_at=next_look(moments, ()),
        sheet=msgspec.json.encode(sheet),
        urgency=asked.priority,
        reason=assigned.why,
    )


async def _assigned(
    engine: Engine, directory: Directory, kind: Kind, manual: Manual, asked: Asked, known: dict[str, Any]
) -> Assigned:
    rule, extra = manual.assignment, asked.extra
    if manual.approvals is not None and not manual.approvals.self_approval:
        rule = msgspec.structs.replace(rule or Assignment(), exclude_asker=True)
    ground = Ground(known, askers=_askers(extra))
    if extra.assignee_type is not None:  # the request knows better than the definition
        rule = msgspec.structs.replace(
            rule or Assignment(), rule="fixed", type=extra.assignee_type, id=extra.assignee_id
        )
    elif rule is None or (rule.rule == "fixed" and rule.id is None):
        return assign(rule or Assignment(), ground)._replace(type=None, id=None)
    if rule.group is not None and needs_members(rule):
        members = await directory.members(rule.group)
        loads = await engine.store.loads([person.id for person in members])
        turn = await engine.store.rota(f"{kind.definition.key} {rule.group}") if rule.rule == "roundRobin" else 0
        ground = ground._replace(members=members, loads=loads, turn=turn)
    if rule.rule == "sameAs":
        ground = ground._replace(did_step=await _did_step(engine, asked.workflow_id, rule.step))
    return assign(rule, ground)


async def _did_step(engine: Engine, workflow_id: str | None, step: str | None) -> str | None:
    """Who has ended the latest task of this step in the same workflow."""
    if workflow_id is None:
        return None
    wanted = Filter(status=frozenset({State.COMPLETED}), workflow_id=workflow_id)
    page = await engine.store.find(wanted, _STEPS_BACK, None)
    for known in await know(engine, page.ids):
        extra = known.facts.body.extra
        if extra is not None and msgspec.json.decode(extra, type=Extra).step_id == step:
            by = detail_of(known.facts.last).by
            if by is not None:
                return by
    return None


def _askers(extra: Extra) -> frozenset[str]:
    """Who asked for the task: its caller, and the user on whose behalf they say they called."""
    named = (extra.client or {}).get("user")
    return frozenset(name for name in (extra.caller, named) if isinstance(name, str))
