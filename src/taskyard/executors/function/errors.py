"""How handlers say that they failed, and how what they raise is told."""

from __future__ import annotations

import traceback
from typing import Any

import msgspec

from taskyard.domain.outcome import Failed, TaskError
from taskyard.errors import TaskyardError

_STACK_LENGTH = 16_384
_MESSAGE_LENGTH = 4_096


class TaskFailed(Exception):
    """Raise it in a handler to fail with a code of your own.

    `retryable` False ends it at once; `delay` (seconds) says when to try again; `details` is any JSON value.
    """

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
        self.code = code
        self.details = details
        self.retryable = retryable
        self.delay = delay


class TaskCanceled(Exception):
    """Raised by `ctx.raise_if_canceled()` when the attempt should stop."""


def report_failure(error: BaseException) -> Failed:
    """What a handler raised, as a report with its stack trace."""
    stack = "".join(traceback.format_exception(error))[-_STACK_LENGTH:]
    message = str(error)[:_MESSAGE_LENGTH] or type(error).__name__
    if isinstance(error, TaskFailed):
        return Failed(TaskError(error.code, message, _json_or_none(error.details), stack, error.retryable), error.delay)
    if isinstance(error, TaskyardError):
        return Failed(TaskError(error.code, error.message, error.details, stack), error.retry_after)
    if isinstance(error, SystemExit):
        message = f"the handler called sys.exit({error.code!r})"
    elif type(error) is not Exception:
        message = f"{type(error).__name__}: {message}" if message != type(error).__name__ else message
    return Failed(TaskError("EXECUTION_ERROR", message, None, stack))


def _json_or_none(details: Any) -> Any:
    try:
        return msgspec.to_builtins(details)
    except TypeError:
        return str(details)
