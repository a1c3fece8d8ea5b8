"""Making a method of a talk's function: its name, its documentation and its parameters stay what they are."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_SELF = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)


def named_after(build: Callable[..., Any], method: F) -> F:
    """`method`, introducing itself as `build` with a `self` before its parameters."""
    parameters = inspect.signature(build).parameters.values()
    method.__name__ = build.__name__
    method.__doc__ = build.__doc__
    method.__signature__ = inspect.Signature([_SELF, *parameters])  # type: ignore[attr-defined]  # for `inspect`
    return method
