"""Which tasks a caller may see: with `tasks:read` all, else the manual tasks that are theirs."""

from __future__ import annotations

from taskyard.api.access import READ
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
    if not sees_all(caller) and not is_theirs(caller, tell(*known)) and not _ended_it(caller, known):
        raise NotFound(f"there is no task {task_id}")
    return known


def is_theirs(caller: Caller, task: Task) -> bool:
    """Whether a manual task is assigned to the caller or one of their groups, or claimed by them."""
    if task.task_type != "MANUAL":
        return False
    if task.claimed_by == caller.subject:
        return True
    if task.assignee_type == "USER":
        return task.assignee_id == caller.subject
    return task.assignee_type == "GROUP" and task.assignee_id in caller.groups


def _ended_it(caller: Caller, known: Known) -> bool:
    return known.kind.definition.task_type == "MANUAL" and detail_of(known.facts.last).by == caller.subject
