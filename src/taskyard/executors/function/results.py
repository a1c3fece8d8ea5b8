"""What a handler's result becomes, and what a final task gives to those who waited for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskyard.domain.lifecycle import State
from taskyard.domain.outcome import Done, Failed, TaskError
from taskyard.domain.signature import Signature
from taskyard.domain.task import Task
from taskyard.errors import ValidationFailed
from taskyard.executors.function.errors import TaskFailed


def report_result(signature: Signature, value: Any, warnings: Sequence[dict[str, Any]]) -> Done | Failed:
    """What a handler returned, as JSON values."""
    try:
        return Done(signature.dump_output(value), tuple(warnings))
    except ValidationFailed as error:
        return Failed(TaskError("OUTPUT_VALIDATION_ERROR", error.message, error.details))


def output_of(task: Task) -> Any:
    """A final task's output. Raises TaskFailed when it FAILED or was CANCELED."""
    error = task.error or {}
    return _output(task, f"task {task.task_id}", error.get("details"), error.get("retryable"))


def output_of_subtask(task: Task) -> Any:
    """A final subtask's output. Raises TaskFailed, which ends the parent for good: the child had its own retries."""
    called = f"subtask {task.task_definition_id} ({task.task_id})"
    return _output(task, called, {"taskId": task.task_id}, retryable=False)


def _output(task: Task, called: str, details: Any, retryable: bool | None) -> Any:
    if task.status is State.COMPLETED:
        return task.output
    error = task.error or {}
    raise TaskFailed(
        f"{called} is {task.status}: {error.get('message', 'no reason was given')}",
        code=str(error.get("code", task.status)),
        details=details,
        retryable=retryable,
    )
