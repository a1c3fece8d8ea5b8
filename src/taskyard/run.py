"""A run: one task that was started, as the program that started it sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar

from taskyard.app import App
from taskyard.domain.lifecycle import State
from taskyard.domain.task import Task
from taskyard.engine.cancel import cancel
from taskyard.engine.query import get_task
from taskyard.engine.submit import Submitted
from taskyard.executors.function.results import output_of
from taskyard.runtime.follow import Message, follow, wait_final
from taskyard.security.caller import LOCAL

R = TypeVar("R")


class Run(Generic[R]):
    """One task that was started. Its data is what was last read: `refresh` reads it again."""

    def __init__(self, app: App, seen: Task | Submitted, load_output: Callable[[Any], R]) -> None:
        self._app = app
        self._load = load_output
        self._seen = seen
        self.id = seen.task_id if isinstance(seen, Task) else str(seen.id)

    @property
    def task(self) -> Task:
        """The task, as last read."""
        return self._seen if isinstance(self._seen, Task) else self._seen.task

    @property
    def reused(self) -> bool:
        """Whether the task had been there before it was asked for."""
        return isinstance(self._seen, Submitted) and self._seen.reused

    @property
    def status(self) -> State:
        """The state, as last read."""
        return self.task.status

    @property
    def progress(self) -> dict[str, Any] | None:
        """`{current, total, action, percent}`, as last read."""
        return self.task.progress

    @property
    def cause(self) -> tuple[str | None, str | None]:
        """`(causeType, cause)`: why the task exists."""
        return self.task.cause_type, self.task.cause

    async def refresh(self) -> Task:
        """Read the task again."""
        self._seen = await get_task(self._app.engine, int(self.id))
        return self._seen

    async def result(self) -> R:
        """The handler's result, once the task is final. Raises TaskFailed when it FAILED or was CANCELED."""
        task = await wait_final(self._app.engine, self._app.watcher, int(self.id))
        self._seen = task
        return self._load(output_of(task))

    async def cancel(self, reason: str | None = None) -> Task:
        """Cancel the task. Raises IllegalTransition when it is final."""
        self._seen = await cancel(self._app.engine, int(self.id), LOCAL.subject, reason)
        return self._seen

    async def follow(self, after: int = 0) -> AsyncIterator[Message]:
        """The live messages: what happened after the sequence `after`, then what happens, until the end."""
        async for message in follow(self._app.engine, self._app.watcher, int(self.id), after):
            yield message

    def __repr__(self) -> str:
        return f"<Run {self.id} {self.task.task_definition_id} {self.status}>"
