"""What every run that was started over HTTP shows, whichever client started it."""

from __future__ import annotations

from typing import Any

from taskyard.domain.lifecycle import State
from taskyard.domain.task import Task


class RunView:
    """One task that was started. Its data is what was last read."""

    def __init__(self, task: Task, *, reused: bool = False) -> None:
        self.task = task
        self.reused = reused

    @property
    def id(self) -> str:
        """The task's id."""
        return self.task.task_id

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

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.task.task_definition_id} {self.status}>"
