"""How handlers say that they failed, and how what they raise is told."""

from __future__ import annotations

import traceback
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from taskyard.domain.json import dumps, loads
from taskyard.domain.outcome import Failed, TaskError
from taskyard.domain.text import printable
from taskyard.errors import TaskyardError, ValidationFailed

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
    stack = printable("".join(traceback.format_exception(error))[-_STACK_LENGTH:])
    message = _told(error)
    if isinstance(error, TaskFailed):
        code = printable(str(error.code))
        return Failed(TaskError(code, message, plain(error.details), stack, error.retryable), error.delay)
    if isinstance(error, TaskyardError):
        return Failed(TaskError(error.code, message, plain(error.details), stack), error.retry_after)
    if isinstance(error, SystemExit):
        message = f"the handler called sys.exit({error.code!r})"
    elif type(error) is not Exception:
        message = f"{type(error).__name__}: {message}" if message != type(error).__name__ else message
    return Failed(TaskError("EXECUTION_ERROR", message, None, stack))


def plain(value: Any) -> Any:
    """The value as JSON values that can be stored; what in it has no such form, or all of it, as its text."""
    try:
        return loads(dumps(to_jsonable_python(value, fallback=str)))
    except (ValidationFailed, PydanticSerializationError, ValueError, TypeError, RecursionError):
        return printable(str(value))[:_MESSAGE_LENGTH]


def _told(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an error whose own text fails still has a name
        text = ""
    return printable(text[:_MESSAGE_LENGTH]) or type(error).__name__
