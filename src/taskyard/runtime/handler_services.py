"""What handlers can ask of the process they run in."""

from __future__ import annotations

import asyncio
from typing import Any

from taskyard.contracts.executor import Job
from taskyard.domain.people.document import askers_of, read_extra
from taskyard.engine.engine import Engine
from taskyard.engine.query import get_task
from taskyard.engine.request import TaskRequest
from taskyard.engine.submit import submit
from taskyard.engine.trigger import fire
from taskyard.executors.function.context import OnProgress
from taskyard.executors.function.results import output_of_subtask
from taskyard.runtime.follow import wait_final
from taskyard.runtime.triggers import Listeners
from taskyard.runtime.watcher import Watcher
from taskyard.security.caller import SYSTEM


class HandlerServices:
    """What handlers can ask of the process they run in."""

    def __init__(self, engine: Engine, watcher: Watcher, listeners: Listeners) -> None:
        self._engine = engine
        self._watcher = watcher
        self._listeners = listeners

    async def run_child(self, job: Job, key: str, input_: dict[str, Any], on_progress: OnProgress) -> Any:
        """A subtask's output. Its failure fails the parent without a retry, for the child had its own."""
        engine = self._engine
        claimed = job.claimed
        request = TaskRequest(task_definition_id=key, input=input_, workflow_id=claimed.workflow_id)
        askers = askers_of(read_extra(claimed.extra))
        child = (await submit(engine, request, SYSTEM, parent_id=claimed.task_id, askers=askers)).task
        telling = asyncio.create_task(self._tell_progress(int(child.task_id), on_progress))
        try:
            child = await wait_final(engine, self._watcher, int(child.task_id))
        finally:
            telling.cancel()
        if child.progress is not None:  # its last word may have come with its end
            on_progress(int(child.task_id), child.progress["current"], child.progress["total"])
        return output_of_subtask(child)

    async def trigger(self, name: str, properties: Any, cause: tuple[str, str]) -> list[str]:
        """Start what declared the trigger."""
        return [task.task_id for task in await fire(self._engine, name, properties, SYSTEM, cause)]

    async def trigger_service(self, service: str, name: str, properties: Any, cause: tuple[str, str]) -> list[str]:
        """Start what one service declared under the trigger."""
        return [task.task_id for task in await fire(self._engine, name, properties, SYSTEM, cause, service)]

    async def emit(self, name: str, data: Any, task_id: str) -> None:
        """Call who listens in this process."""
        await self._listeners.call([name], {"name": name, "data": data, "taskId": task_id})

    async def _tell_progress(self, child_id: int, on_progress: OnProgress) -> None:
        async with self._watcher.following(child_id) as changed:
            while True:
                await changed.wait()
                changed.clear()
                progress = (await get_task(self._engine, child_id)).progress
                if progress is not None:
                    on_progress(child_id, progress["current"], progress["total"])
