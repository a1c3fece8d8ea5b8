"""Every error Taskyard raises on purpose: one root and a handful of codes.

`code` is what a program switches on, `message` tells a stranger what happened and what to do,
`details` is JSON for those who want to know more. The HTTP status of a code lives in `taskyard.api.errors`.
"""

from __future__ import annotations

from typing import Any, ClassVar


class TaskyardError(Exception):
    """The root of all Taskyard errors.

    `details` is any JSON value; `retry_after` is in seconds, for codes that ask a caller to come back.
    """

    code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, *, details: Any = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.retry_after = retry_after


class ValidationFailed(TaskyardError):
    """A value does not fit its schema; `details` is `[{path, message, keyword}]`, `path` a JSON Pointer."""

    code = "VALIDATION_ERROR"


class EgressRefused(ValidationFailed):
    """An address that may not be reached from here, or no usable address at all."""


class CallFailed(TaskyardError):
    """Another system could not be reached, or did not give a usable answer.

    `reason` is `connect` (nothing was sent), `broken` (the connection was, on the way), `timeout`, `too-large`, `body`,
    `redirect` or a caller's own; `retryable` tells whether the same call may succeed later.
    """

    code = "INTEGRATION_ERROR"

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        retryable: bool = True,
        details: Any = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, details=details, retry_after=retry_after)
        self.reason = reason
        self.retryable = retryable


class CircuitOpen(TaskyardError):
    """Calls to another system, named by `circuit`, fail too often and are not made now; `retry_after` says when they
    may be again.
    """

    code = "CIRCUIT_OPEN"

    def __init__(self, message: str, *, circuit: str, retry_after: float) -> None:
        super().__init__(message, retry_after=retry_after)
        self.circuit = circuit


class Malformed(TaskyardError):
    """The request cannot be read at all (not JSON, wrong media type)."""

    code = "MALFORMED"


class Unauthorized(TaskyardError):
    """No credential, or one that is not valid."""

    code = "UNAUTHORIZED"


class Forbidden(TaskyardError):
    """A valid credential that may not do this."""

    code = "FORBIDDEN"


class NotFound(TaskyardError):
    """There is no such thing, or it is not the caller's to see."""

    code = "NOT_FOUND"


class Conflict(TaskyardError):
    """The thing has changed since the caller looked, or a key is taken by another request."""

    code = "CONFLICT"


class Full(Conflict):
    """A person has as many open tasks as they may have."""


class IllegalTransition(TaskyardError):
    """The lifecycle does not allow this move from the task's present state."""

    code = "ILLEGAL_TRANSITION"


class StaleLease(TaskyardError):
    """The lease token is no longer the one that holds the task; nothing was changed."""

    code = "STALE_LEASE"


class PayloadTooLarge(TaskyardError):
    """A body, input or output is over its limit."""

    code = "PAYLOAD_TOO_LARGE"


class RateLimited(TaskyardError):
    """The caller asks too often; `retry_after` says when to come back."""

    code = "RATE_LIMITED"


class Overloaded(TaskyardError):
    """The queue is full or the store is away; `retry_after` says when to come back."""

    code = "OVERLOADED"


class Maintenance(TaskyardError):
    """Taskyard is in maintenance mode and takes no new work."""

    code = "MAINTENANCE"


class ConfigurationError(TaskyardError):
    """A setting is missing or wrong; the message names it and the mend."""

    code = "CONFIGURATION"
