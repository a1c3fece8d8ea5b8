"""Callers at the same time share one commit; each waits for the commit that holds its own task."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from taskyard.contracts.records import Entry
from taskyard.errors import Overloaded

_AT_ONCE = 1000

_Waiting: TypeAlias = "tuple[Entry, asyncio.Future[None]]"


class Batcher:
    """Collects entries while earlier ones are being stored. Belongs to one event loop."""

    def __init__(self, store: Callable[[Sequence[Entry]], Awaitable[None]], flights: int = 2) -> None:
        self._store = store
        self._waiting: list[_Waiting] = []
        self._free = flights
        self._flying: set[asyncio.Task[None]] = set()

    def put(self, entry: Entry) -> asyncio.Future[None]:
        """Store the entry; the future is done when it is committed, or has the store's error."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((entry, done))
        if len(self._waiting) == 1:
            loop.call_soon(self._launch)
        return done

    async def drain(self) -> None:
        """Wait until nothing is under way."""
        while self._flying or self._waiting:
            self._launch()
            await asyncio.gather(*self._flying)

    def _launch(self) -> None:
        if not self._waiting or not self._free:
            return
        self._free -= 1
        batch, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
        task = asyncio.get_running_loop().create_task(self._fly(batch))
        self._flying.add(task)
        task.add_done_callback(self._flying.discard)

    async def _fly(self, batch: list[_Waiting]) -> None:
        try:
            await self._land(batch)
        finally:
            self._free += 1
            self._launch()

    async def _land(self, batch: list[_Waiting]) -> None:
        """Store the batch; where one entry cannot be stored, each by itself, so that its error is nobody else's."""
        try:
            await self._store([entry for entry, _ in batch])
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait
            if len(batch) > 1 and not isinstance(error, Overloaded):
                for one in batch:
                    await self._land([one])
                return
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
        else:
            for _, done in batch:
                if not done.done():
                    done.set_result(None)
