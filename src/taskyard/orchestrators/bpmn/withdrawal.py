"""Taking back the tasks of steps that a process does not want any more."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from taskyard.engine.cancel import cancel
from taskyard.engine.engine import Engine
from taskyard.errors import IllegalTransition, NotFound
from taskyard.security.caller import SYSTEM


def task_ids(state: bytes) -> list[int]:
    """The tasks of an instance as it was kept; none where that cannot be read, and so nothing goes on."""
    if not state:
        return []
    from taskyard.orchestrators.bpmn.machine import tasks_in

    try:
        return tasks_in(state)
    except msgspec.MsgspecError:
        return []


async def withdraw(engine: Engine, tasks: Iterable[int]) -> None:
    """Cancel those that have not ended."""
    for task_id in tasks:
        try:
            await cancel(engine, task_id, SYSTEM.subject, "its process does not want it any more")
        except (IllegalTransition, NotFound):
            continue
