"""How system functions fail, and how that is told."""

from __future__ import annotations

from typing import Any

from taskyard.domain.outcome import Failed, TaskError
from taskyard.domain.text import printable
from taskyard.errors import CallFailed, Forbidden, TaskyardError
from taskyard.executors.system.files import told

_LONGEST = 4096


class FunctionFailed(Exception):
    """The function did what it was asked to, and it did not succeed. `delay` in seconds, before another attempt."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "EXECUTION_ERROR",
        details: Any = None,
        retryable: bool | None = None,
        delay: float | None = None,
    ) -> None:
        super().__init__(message)
        self.error = TaskError(code, printable(message[:_LONGEST]), details, retryable=retryable)
        self.delay = delay


def report(error: Exception) -> Failed:
    """What a function raised, as a report."""
    match error:
        case FunctionFailed():
            return Failed(error.error, error.delay)
        case Forbidden():
            return Failed(TaskError(error.code, error.message, retryable=False))
        case CallFailed():
            details = {"reason": error.reason}
            return Failed(TaskError(error.code, error.message, details, retryable=error.retryable), error.retry_after)
        case TaskyardError():
            return Failed(TaskError(error.code, error.message, error.details), error.retry_after)
        case OSError():
            retryable = not isinstance(error, (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError))
            return Failed(TaskError("EXECUTION_ERROR", printable(told(error)), retryable=retryable))
    return Failed(TaskError("EXECUTION_ERROR", printable(f"{type(error).__name__}: {error}"[:_LONGEST])))
