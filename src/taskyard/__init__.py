"""Taskyard executes tasks: it takes a request, runs it in the right place, keeps it safe, and tells whoever asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from taskyard.domain.event import TaskEvent
from taskyard.domain.task import Task, UserTask, WorkflowTask
from taskyard.domain.upload import UploadedFile
from taskyard.errors import TaskyardError
from taskyard.executors.function.context import Context
from taskyard.executors.function.errors import TaskCanceled, TaskFailed
from taskyard.run import Run
from taskyard.yard import TaskHandle, Taskyard

if TYPE_CHECKING:
    from taskyard.client import AsyncTaskyardClient, TaskyardClient

__all__ = [
    "AsyncTaskyardClient",
    "Context",
    "Run",
    "Task",
    "TaskCanceled",
    "TaskEvent",
    "TaskFailed",
    "TaskHandle",
    "Taskyard",
    "TaskyardClient",
    "TaskyardError",
    "UploadedFile",
    "UserTask",
    "WorkflowTask",
]


def __getattr__(name: str) -> Any:
    """The clients are imported when they are first asked for: a worker needs no HTTP client."""
    if name not in ("AsyncTaskyardClient", "TaskyardClient"):
        raise AttributeError(f"module 'taskyard' has no attribute {name!r}")
    from taskyard import client

    return getattr(client, name)
