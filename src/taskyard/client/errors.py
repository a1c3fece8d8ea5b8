"""Errors: what the server answers as the error of its code, and what goes wrong on the way to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from taskyard.errors import (
    Forbidden,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    RateLimited,
    TaskyardError,
    Unauthorized,
)


class NotTaskyard(TaskyardError):
    """Something answers at the address, but it is not Taskyard."""

    code = "NOT_TASKYARD"


class SocketLost(Exception):
    """The socket broke, or could not be opened just now."""


class SocketRefused(Exception):
    """The server gives no socket; asking again will not change that."""


class _Error(msgspec.Struct):
    code: str
    message: str
    details: Any = None


class _Body(msgspec.Struct):
    error: _Error


_BY_CODE = {kind.code: kind for kind in TaskyardError.__subclasses__()}

_BY_STATUS: dict[int, type[TaskyardError]] = {
    401: Unauthorized, 403: Forbidden, 404: NotFound, 413: PayloadTooLarge, 429: RateLimited,
    502: Overloaded, 503: Overloaded, 504: Overloaded,
}  # fmt: skip


def read_error(status: int, headers: Mapping[str, str], content: bytes) -> TaskyardError:
    """The error that an answer stands for; what stands between us and the server is told by its status."""
    retry_after = _seconds(headers.get("retry-after"))
    try:
        error = msgspec.json.decode(content, type=_Body).error
    except msgspec.DecodeError:
        kind = _BY_STATUS.get(status, NotTaskyard)
        message = f"the address answers {status} without Taskyard's error; check TASKYARD_URL and what lies before it"
        return kind(message, retry_after=retry_after)
    if error.code in _BY_CODE:
        return _BY_CODE[error.code](error.message, details=error.details, retry_after=retry_after)
    message = error.message if error.code == TaskyardError.code else f"{error.code}: {error.message}"
    return TaskyardError(message, details=error.details, retry_after=retry_after)


def unreachable(url: str, error: Exception) -> Overloaded:
    """The error for a server that cannot be spoken to now."""
    reason = str(error) or type(error).__name__
    return Overloaded(
        f"{url} cannot be reached ({reason}); start the server there with `taskyard serve`, "
        "or set TASKYARD_URL to where it runs"
    )


def _seconds(text: str | None) -> float | None:
    """A Retry-After in seconds; dates are for browsers."""
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None
