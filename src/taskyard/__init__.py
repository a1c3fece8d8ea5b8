"""Taskyard executes tasks: it takes a request, runs it in the right place, keeps it safe, and tells whoever asked."""

from taskyard.client import AsyncTaskyardClient, TaskyardClient
from taskyard.domain.event import TaskEvent
from taskyard.domain.task import Task, UserTask, WorkflowTask
from taskyard.domain.upload import UploadedFile
from taskyard.errors import TaskyardError
from taskyard.executors.function.context import Context
from taskyard.executors.function.errors import TaskCanceled, TaskFailed
from taskyard.run import Run
from taskyard.yard import TaskHandle, Taskyard

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
