"""The five queues, and the lanes they are made of.

A lane holds the tasks of one definition at one priority in one queue, in order; those that ask for a target of their
own stand apart, and those whose versions go over different connections. A worker asks only for lanes it can run, so a
task that may not run now is never in anybody's way.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple


class TaskType(StrEnum):
    """Who or what does the work."""

    AUTOMATED = "AUTOMATED"
    INTEGRATION = "INTEGRATION"
    MANUAL = "MANUAL"


class Queue(IntEnum):
    """The numbers are part of the schema; `title` is the public name."""

    AUTOMATED = 1
    INTEGRATION = 2
    MANUAL = 3
    RETRY = 4
    DEADLETTER = 5

    @property
    def title(self) -> str:
        """The public name, such as `task-execution-automated`."""
        return f"task-execution-{self.name.lower()}"

    @classmethod
    def titled(cls, title: str) -> Queue | None:
        """The queue with this public name, or None."""
        return _BY_TITLE.get(title)

    @classmethod
    def of(cls, task_type: TaskType) -> Queue:
        """The standard queue of a task type."""
        return _BY_TYPE[task_type]


_BY_TITLE = {queue.title: queue for queue in Queue}
_BY_TYPE = {task_type: Queue[task_type.name] for task_type in TaskType}


class LaneKey(NamedTuple):
    """What makes a lane: the queue it waits in, the home queue of its type, `solo`, how suspect its tasks are (see
    `taskyard.domain.suspicion`), the `target` that they ask for, empty for their definition's, and the `connection`
    that they go over, empty for none.
    """

    queue: int
    home: int
    definition: str
    priority: int
    solo: int
    target: str = ""
    connection: str = ""
