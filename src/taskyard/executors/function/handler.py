"""A handler: a Python function with all that was said about it when it was registered."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from taskyard.domain.definition import Definition
from taskyard.domain.signature import Signature
from taskyard.errors import ConfigurationError

Isolation = Literal["inline", "thread", "process"]


class Handler(NamedTuple):
    """`retry_delay` maps the retry's number (from 1) to seconds; `fallback` is called with the same input."""

    key: str
    function: Callable[..., Any]
    signature: Signature
    isolation: Isolation
    definition: Definition
    retry_delay: Callable[[int], float] | None = None
    fallback: Callable[..., Any] | None = None
    takes_uploads: bool = False


class Registry:
    """The functions this process can run, by the name their definitions give."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def add(self, handler: Handler) -> None:
        """Register a handler. Raises ConfigurationError when its key is taken by another function."""
        known = self._handlers.get(handler.key)
        if known is not None and known.function is not handler.function:
            raise ConfigurationError(
                f"the task key {handler.key!r} is taken by {_name(known.function)}; "
                f"give {_name(handler.function)} another"
            )
        self._handlers[handler.key] = handler

    def get(self, name: str) -> Handler | None:
        """The handler with this name, or None."""
        return self._handlers.get(name)

    def __iter__(self) -> Iterator[Handler]:
        return iter(self._handlers.values())

    def __len__(self) -> int:
        return len(self._handlers)


def isolation_of(function: Callable[..., Any], isolation: Isolation | None) -> Isolation:
    """Where a function runs: coroutines inline, others in a thread, unless told. Raises ConfigurationError."""
    asynchronous = inspect.iscoroutinefunction(function)
    if isolation is None:
        return "inline" if asynchronous else "thread"
    if isolation == "thread" and asynchronous:
        raise ConfigurationError(f"{_name(function)} is a coroutine function and runs inline; drop isolation='thread'")
    return isolation


def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"
