"""Taskyard executes tasks: it takes a request, runs it in the right place, keeps it safe, and tells whoever asked.

The names below are imported when they are first asked for, so that each program loads only what it uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskyard.client import AsyncTaskyardClient, TaskyardClient
    from taskyard.domain.event import TaskEvent
    from taskyard.domain.task import Task, UserTask, WorkflowTask
    from taskyard.domain.upload import UploadedFile
    from taskyard.errors import TaskyardError
    from taskyard.executors.function.context import BlockingContext, Context
    from taskyard.executors.function.errors import TaskCanceled, TaskFailed
    from taskyard.run import Run
    from taskyard.security.webhooks import verify_webhook
    from taskyard.yard import TaskHandle, Taskyard

__all__ = [
    "AsyncTaskyardClient",
    "BlockingContext",
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
    "verify_webhook",
]

_HOMES = {
    "AsyncTaskyardClient": "taskyard.client",
    "BlockingContext": "taskyard.executors.function.context",
    "Context": "taskyard.executors.function.context",
    "Run": "taskyard.run",
    "Task": "taskyard.domain.task",
    "TaskCanceled": "taskyard.executors.function.errors",
    "TaskEvent": "taskyard.domain.event",
    "TaskFailed": "taskyard.executors.function.errors",
    "TaskHandle": "taskyard.yard",
    "Taskyard": "taskyard.yard",
    "TaskyardClient": "taskyard.client",
    "TaskyardError": "taskyard.errors",
    "UploadedFile": "taskyard.domain.upload",
    "UserTask": "taskyard.domain.task",
    "WorkflowTask": "taskyard.domain.task",
    "verify_webhook": "taskyard.security.webhooks",
}


def __getattr__(name: str) -> Any:
    """The public name, from where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module 'taskyard' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
