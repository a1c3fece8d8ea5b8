"""Which tasks a caller may see: with `tasks:read` all, else the people's tasks that are theirs."""

from __future__ import annotations

from taskyard.api.access import READ
from taskyard.domain.lifecycle import State
from taskyard.domain.people import rights
from taskyard.domain.people.rights import Who
from taskyard.domain.people.sheet import Held, read_sheet
from taskyard.domain.task import Task, detail_of, tell
from taskyard.engine.engine import Engine
from taskyard.engine.query import Known, know_one
from taskyard.errors import NotFound
from taskyard.security.caller import Caller


def sees_all(caller: Caller) -> bool:
    """Whether the caller sees every task."""
    return caller.allows(READ)


async def see(engine: Engine, caller: Caller, task_id: int) -> Known:
    """The task's facts. Raises NotFound where there is none, and just so where it is not theirs to see."""
    known = await know_one(engine, task_id)
    if sees_all(caller) or is_theirs(caller, tell(*known)) or _was_theirs(caller, known):
        return known
    if not await engine.store.has_worked(caller.subject, task_id):  # such as who has repaired it
        raise NotFound(f"there is no task {task_id}")
    return known


def is_theirs(caller: Caller, task: Task) -> bool:
    """Whether a person's task is assigned to the caller or one of their groups, or claimed by them."""
    held = Held(task.assignee_type, task.assignee_id, task.claimed_by)
    is_persons = task.task_type == "MANUAL" or task.status is State.ASSIGNED
    return is_persons and rights.is_theirs(Who(caller.subject, caller.groups), held)


def _was_theirs(caller: Caller, known: Known) -> bool:
    """Whether the caller has ended a person's task, was one of those who decided it, or has delegated it."""
    place, detail = known.facts.place, detail_of(known.facts.last)
    owner = None if place is None else read_sheet(place.sheet).owner
    is_persons = known.kind.definition.task_type == "MANUAL" or detail.assignee_id is not None
    return is_persons and caller.subject in (owner, detail.by, *(each.by for each in detail.decisions))
