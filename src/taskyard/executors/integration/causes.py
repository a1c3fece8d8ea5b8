"""What the guard has said, where a library has made something else of it."""

from __future__ import annotations

from taskyard.errors import CallFailed, EgressRefused

_DEEPEST = 8


def guard_said(error: BaseException | None) -> EgressRefused | CallFailed | None:
    """The guard's own error, the given one or somewhere among its causes; None for none."""
    for _ in range(_DEEPEST):
        if error is None or isinstance(error, EgressRefused | CallFailed):
            return error
        error = error.__cause__ or error.__context__
    return None
