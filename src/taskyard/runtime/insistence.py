"""What the loops do when the store refuses: repeat three times, five seconds apart, then go on reconnecting.

There is no breaker: whatever a queue operation is for has to be done in the end, and only the store can do it.
A store that says it is back is not kept waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain, repeat
from typing import Final, NamedTuple, TypeVar

import structlog

from taskyard.contracts.records import Topic
from taskyard.contracts.store import Store
from taskyard.errors import Overloaded

REPEATS: Final = 3
APART: Final = 5.0

T = TypeVar("T")
Wait = Callable[[float], Awaitable[None]]
"""Lets so many seconds pass."""

log = structlog.get_logger("taskyard.insistence")


class Pause(NamedTuple):
    """How many seconds to wait before the next try, and whether the repeats are used up."""

    seconds: float
    reconnecting: bool


def pauses() -> Iterator[Pause]:
    """The pause after each refusal in a row, without end."""
    return chain(repeat(Pause(APART, reconnecting=False), REPEATS), repeat(Pause(APART, reconnecting=True)))


def until_back(store: Store, wait: Wait = asyncio.sleep) -> Wait:
    """Pauses that `wait` lets pass, and that end early when the store says it is back."""

    async def wait_for_it(seconds: float) -> None:
        back = asyncio.Event()
        stop_listening = store.listen(Topic.BACK, back.set)
        ends = [asyncio.ensure_future(wait(seconds)), asyncio.ensure_future(back.wait())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop_listening()
            for end in ends:
                end.cancel()

    return wait_for_it


async def insist(operation: Callable[[], Awaitable[T]], waits: str, wait: Wait = asyncio.sleep) -> T:
    """What the operation gives, once the store does not refuse it; `waits` says in the log what has to wait."""
    for pause in pauses():
        try:
            return await operation()
        except Overloaded as error:
            tell = log.error if pause.reconnecting else log.warning
            tell(waits, reason=error.message, reconnecting=pause.reconnecting, again_in=pause.seconds)
            await wait(pause.seconds)
    raise AssertionError("the pauses have no end")
