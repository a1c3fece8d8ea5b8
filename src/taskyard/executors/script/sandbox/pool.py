"""Jails that are started before they are asked for. Each is used once."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

_LOOK_SECONDS = 5.0
_SPARE_SECONDS = 10.0
_FORGET_SECONDS = 60.0


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
    """Keeps as many of each shape ready as were lately asked for at once, `most` at most."""

    def __init__(self, make: Callable[[S], Awaitable[W]], most: int) -> None:
        self._make = make
        self._most = most
        self._shelves: dict[S, _Shelf] = {}
        self._loop = asyncio.get_running_loop()
        self._keeper = asyncio.create_task(self._keep(), name="taskyard-jails")

    async def take(self, shape: S) -> W:
        """One of this shape, which is the caller's now. Raises what making it raises."""
        shelf = self._shelves.setdefault(shape, _Shelf(deque(), [0], set(), [0.0]))
        shelf.used_at[0] = self._loop.time()
        taken: W | None = None
        while shelf.waiting and taken is None:
            first: W = shelf.waiting.popleft()
            taken = first if first.usable else None
        if taken is None:
            shelf.wanted[0] = min(self._most, max(1, 2 * shelf.wanted[0]))
            taken = await self._make(shape)
        self._fill(shape, shelf)
        return taken

    async def close(self) -> None:
        """Let go of all that wait."""
        self._keeper.cancel()
        starting = [task for shelf in self._shelves.values() for task in shelf.starting]
        await asyncio.gather(self._keeper, *starting, return_exceptions=True)
        for shelf in self._shelves.values():
            await self._drop(shelf, 0)

    def _fill(self, shape: S, shelf: _Shelf) -> None:
        for _ in range(shelf.wanted[0] - len(shelf.waiting) - len(shelf.starting)):
            task = asyncio.create_task(self._start(shape, shelf))
            shelf.starting.add(task)
            task.add_done_callback(shelf.starting.discard)

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
            waiting: W = shelf.waiting.pop()
            await waiting.discard()
