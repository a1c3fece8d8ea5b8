"""Cancel: CANCELED at once, wherever the task is."""

from __future__ import annotations

from taskyard.domain.lifecycle import check_move
from taskyard.domain.task import Task, state_of
from taskyard.engine.engine import Engine
from taskyard.engine.query import get_task, know_one
from taskyard.errors import Conflict

_LOOKS = 5


async def cancel(engine: Engine, task_id: int, by: str, reason: str | None = None, version: int | None = None) -> Task:
    """The canceled task. A running handler is told at once, and a late completion of it changes nothing.

    Raises NotFound; IllegalTransition when it is final; Conflict when `version` is not the present one.
    """
    for _ in range(_LOOKS):
        if await engine.store.cancel(task_id, by, reason, version):
            return await get_task(engine, task_id)
        known = await know_one(engine, task_id)
        check_move("cancel", state_of(known.facts.place, known.facts.last))
    raise Conflict(f"task {task_id} moves too quickly to be canceled; try again")
