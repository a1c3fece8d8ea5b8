"""Handing over: whose a manual task becomes when its turn has come, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from taskyard.contracts.directory import Directory
from taskyard.contracts.records import Filter
from taskyard.domain.definition import Kind
from taskyard.domain.lifecycle import State
from taskyard.domain.outcome import Failed, Handed, TaskError
from taskyard.domain.people.assignment import Assigned, Ground, assign, needs_loads, needs_members
from taskyard.domain.people.document import Asked, askers_of, document, read_extra
from taskyard.domain.people.rights import candidates
from taskyard.domain.people.sheet import Held, Sheet
from taskyard.domain.people.spec import Assignment, Manual
from taskyard.domain.people.timeline import due_at, next_look, steps
from taskyard.domain.task import detail_of
from taskyard.engine.engine import Engine
from taskyard.engine.query import know
from taskyard.security.caller import RESERVED_SUBJECTS

_STEPS_AT_ONCE = 200


async def hand_over(
    engine: Engine, directory: Directory, kind: Kind, manual: Manual, asked: Asked, attempt: int
) -> Handed | Failed:
    """Decide whose the task is and until when; a rule that cannot be evaluated fails it for good.

    `attempt`: the one that ends with handing it over.
    """
    now, known = await engine.store.now(), document(asked)
    try:
        assigned = await _assigned(engine, directory, kind, manual, asked, known, attempt)
        due = asked.extra.due_at or due_at(manual.due, now, known)
    except ValueError as error:
        return Failed(TaskError("ASSIGNMENT_ERROR", f"it cannot be handed over: {error}", retryable=False))
    moments = steps(manual, now, due, None)
    offered = candidates(Held(assigned.type, assigned.id), manual)
    sheet = Sheet(since=now, excluded=assigned.excluded, able=assigned.able, candidates=offered, why=assigned.why)
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
    engine: Engine, directory: Directory, kind: Kind, manual: Manual, asked: Asked, known: dict[str, Any], attempt: int
) -> Assigned:
    rule, extra = manual.assignment, asked.extra
    if manual.approvals is not None and not manual.approvals.self_approval:
        rule = msgspec.structs.replace(rule or Assignment(), exclude_asker=True)
    ground = Ground(known, askers=frozenset(askers_of(extra)))
    if extra.assignee_type is not None:  # the request knows better than the definition
        rule = msgspec.structs.replace(
            rule or Assignment(), rule="fixed", type=extra.assignee_type, id=extra.assignee_id
        )
    elif rule is None or (rule.rule == "fixed" and rule.id is None):
        return assign(rule or Assignment(), ground)._replace(type=None, id=None)
    home = None if manual.assignment is None else manual.assignment.home
    if home is not None and needs_members(rule):
        members = await directory.members(home)
        turn = await engine.store.rota(f"{kind.definition.key} {rule.group}") if rule.rule == "roundRobin" else 0
        ground = ground._replace(members=members, turn=turn)
        if needs_loads(rule, members):
            return await _give(engine, asked.task_id, attempt, rule, ground)
    if rule.rule == "sameAs":
        ground = ground._replace(did_step=await _did_step(engine, asked.workflow_id, rule.step))
    return assign(rule, ground)


async def _give(engine: Engine, task_id: int, attempt: int, rule: Assignment, ground: Ground) -> Assigned:
    """Choose by what each has, which others who choose at the same time see."""
    found: list[Assigned] = []

    def choose(loads: Mapping[str, int]) -> str | None:
        found[:] = [assign(rule, ground._replace(loads=loads))]
        return found[0].id if found[0].type == "USER" else None

    await engine.store.give(task_id, attempt, [person.id for person in ground.members], choose)
    return found[0]


async def _did_step(engine: Engine, workflow_id: str | None, step: str | None) -> str | None:
    """Who has ended the latest task of this step in the same workflow; nobody where that was a program, or time."""
    wanted = Filter(status=frozenset({State.COMPLETED}), workflow_id=workflow_id)
    after: int | None = None
    while workflow_id is not None:
        page = await engine.store.find(wanted, _STEPS_AT_ONCE, after)
        for known in await know(engine, page.ids):
            if read_extra(known.facts.body.extra).step_id == step:
                by = detail_of(known.facts.last).by
                return None if by in RESERVED_SUBJECTS else by
        if page.next is None:
            break
        after = page.next
    return None
