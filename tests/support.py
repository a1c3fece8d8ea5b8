"""What tests of every kind need."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_LOOK_EVERY = 0.01


async def eventually(condition: Callable[[], T | Awaitable[T]], *, within: float = 10.0) -> T:
    """Look until `condition()` is true and return what it gave; fails after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        found = await answer if inspect.isawaitable(answer) else answer
        if found:
            return found
        assert time.monotonic() < deadline, f"not true within {within:g} s: {inspect.getsource(condition).strip()}"
        await asyncio.sleep(_LOOK_EVERY)
