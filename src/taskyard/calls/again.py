"""Calling a service again when it fails: 5 times, with back-off from 200 ms to 60 s."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from taskyard.calls.breakers import is_outage
from taskyard.domain.retry import RetryPolicy
from taskyard.errors import CircuitOpen, TaskyardError

SERVICE_CALLS: Final = RetryPolicy(max_retries=5, initial_delay=0.2, max_delay=60.0)

T = TypeVar("T")
Wait = Callable[[float], Awaitable[None]]
"""Lets so many seconds pass."""


async def call_again(
    call: Callable[[], Awaitable[T]],
    policy: RetryPolicy = SERVICE_CALLS,
    *,
    is_failure: Callable[[Exception], bool] = is_outage,
    wait: Wait = asyncio.sleep,
) -> T:
    """What the call gives, tried again while it fails as an outage does. Raises the last failure.

    An open circuit is not waited for: the caller has a fallback. A failure's `retry_after` is heeded.
    """
    for retry in range(1, policy.max_retries + 1):
        try:
            return await call()
        except Exception as error:  # whether it is tried again is the caller's to say
            if isinstance(error, CircuitOpen) or not is_failure(error):
                raise
            asked_for = error.retry_after if isinstance(error, TaskyardError) else None
            pause = policy.delay(retry, random.random())  # noqa: S311 - jitter is no secret
        await wait(min(max(pause, asked_for or 0.0), policy.max_delay))
    return await call()
