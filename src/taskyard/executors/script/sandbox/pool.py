"""Jails that are started before they are asked for. Each is used once."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import structlog

log = structlog.get_logger("taskyard.sandbox")

_LOOK_SECONDS = 5.0
_SPARE_SECONDS = 10.0
_BUSY_SECONDS = 1.0
_FORGET_SECONDS = 60.0
_PAUSE_SECONDS = 0.02
"""Until the next is made: a tiny program that runs meanwhile has the processor to itself."""


class Waits(Protocol):
    """What can be kept waiting."""

    @property
    def usable(self) -> bool:
        """Whether it still can be used."""

    async def discard(self) -> None:
        """Let go of it, unused."""


S = TypeVar("S")
W = TypeVar("W", bound=Waits)


class _Shelf(NamedTuple):
    waiting: deque[Any]
    wanted: list[int]
    starting: set[asyncio.Task[None]]
    used_at: list[float]


class Pool(Generic[S, W]):
    """Keeps as many of each shape ready as were lately asked for at once, `most` at most; of all `most_in_all`, where
    those make room that nobody has asked for of late.
    """

    def __init__(self, make: Callable[[S], Awaitable[W]], most: int, most_in_all: int) -> None:
        self._make = make
        self._most = most
        self._most_in_all = most_in_all
        self._going: set[asyncio.Task[None]] = set()
        self._shelves: dict[S, _Shelf] = {}
        self._is_closed = False
        self._loop = asyncio.get_running_loop()
        self._keeper = asyncio.create_task(self._keep(), name="taskyard-jails")

    async def take(self, shape: S) -> W:
        """One of this shape, which is the caller's now. Raises what making it raises."""
        shelf = self._shelves.setdefault(shape, _Shelf(deque(), [0], set(), [0.0]))
        shelf.used_at[0] = self._loop.time()
        taken: W | None = None
        while shelf.waiting and taken is None:
            first: W = shelf.waiting.popleft()
            if first.usable:
                taken = first
            else:
                self._send_away(first)
        if taken is not None:
            self._loop.call_later(_PAUSE_SECONDS, self._fill, shape, shelf)
            return taken
        shelf.wanted[0] = min(self._most, max(1, 2 * shelf.wanted[0]))
        taken = await self._make(shape)
        self._fill(shape, shelf)
        return taken

    async def close(self) -> None:
        """Let go of all that wait."""
        self._is_closed = True
        self._keeper.cancel()
        starting = [task for shelf in self._shelves.values() for task in shelf.starting]
        await asyncio.gather(self._keeper, *starting, *self._going, return_exceptions=True)
        for shelf in self._shelves.values():
            await self._drop(shelf, 0)

    def _fill(self, shape: S, shelf: _Shelf) -> None:
        if self._is_closed:
            return
        for _ in range(shelf.wanted[0] - len(shelf.waiting) - len(shelf.starting)):
            if self._is_full() and not self._give_up_one():
                return
            task = asyncio.create_task(self._start(shape, shelf))
            shelf.starting.add(task)
            task.add_done_callback(shelf.starting.discard)

    def _is_full(self) -> bool:
        return sum(len(each.waiting) + len(each.starting) for each in self._shelves.values()) >= self._most_in_all

    def _give_up_one(self) -> bool:
        """Let go of one of the shape that nobody has asked for the longest time; False where all were just now."""
        idle = [each for each in self._shelves.values() if each.waiting]
        oldest = min(idle, key=lambda each: each.used_at[0], default=None)
        if oldest is None or self._loop.time() - oldest.used_at[0] < _BUSY_SECONDS:
            return False
        self._send_away(oldest.waiting.popleft())
        return True

    def _send_away(self, waiting: Waits) -> None:
        task = asyncio.create_task(_let_go(waiting))
        self._going.add(task)
        task.add_done_callback(self._going.discard)

    async def _start(self, shape: S, shelf: _Shelf) -> None:
        with contextlib.suppress(OSError):  # whoever needs one next is told
            shelf.waiting.append(await self._make(shape))

    async def _keep(self) -> None:
        """Let go of what nobody asks for any more."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for shape, shelf in tuple(self._shelves.items()):
                idle = self._loop.time() - shelf.used_at[0]
                if idle > _FORGET_SECONDS and not shelf.starting:
                    del self._shelves[shape]
                    await self._drop(shelf, 0)
                elif idle > _SPARE_SECONDS:
                    shelf.wanted[0] = 1
                    await self._drop(shelf, 1)

    async def _drop(self, shelf: _Shelf, keep: int) -> None:
        while len(shelf.waiting) > keep:
            await _let_go(shelf.waiting.pop())


async def _let_go(waiting: Waits) -> None:
    try:
        await waiting.discard()
    except OSError as error:
        log.warning("a sandbox that was kept ready cannot be let go", error=str(error))
