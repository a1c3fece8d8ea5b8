"""How commands end: exit codes, and errors in one line."""

from __future__ import annotations

from enum import IntEnum

from taskyard.errors import TaskyardError

_SHOWN_DETAILS = 5


class Exit(IntEnum):
    """The exit codes of every command."""

    DONE = 0
    FAILED = 1
    """The task failed or was canceled; `doctor` found something wrong."""
    REFUSED = 2
    """Bad usage, or an input or request that was refused; the caller has to change something."""
    UNAVAILABLE = 3
    """Taskyard could not answer; another try may succeed."""
    INTERRUPTED = 130
    """Stopped by a signal before there was a result."""


_UNAVAILABLE_CODES = frozenset({"INTERNAL", "OVERLOADED", "MAINTENANCE", "RATE_LIMITED"})


def exit_code_of(error: TaskyardError) -> Exit:
    """The exit code an error stands for."""
    return Exit.UNAVAILABLE if error.code in _UNAVAILABLE_CODES else Exit.REFUSED


def one_line(error: TaskyardError) -> str:
    """The error as a person reads it: its message, or every finding where there are several."""
    details = error.details
    if error.code != "VALIDATION_ERROR" or not isinstance(details, list) or len(details) < 2:
        return error.message
    shown = "; ".join(f"{one.get('path') or 'the value'} {one.get('message')}" for one in details[:_SHOWN_DETAILS])
    more = len(details) - _SHOWN_DETAILS
    return f"{shown}; and {more} more" if more > 0 else shown
