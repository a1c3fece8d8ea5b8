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
        self._flights = flights
        self._free = flights
        self._flying: set[asyncio.Task[None]] = set()
        self._landed = asyncio.Event()

    async def put(self, entry: Entry) -> None:
        """Store the entry; returns when it is committed. Raises the store's error."""
        if self._free == self._flights and not self._waiting:  # nobody to share with, so nobody to hand it to
            self._free -= 1
            try:
                await self._store([entry])
            finally:
                self._land()
            return
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((entry, done))
        if len(self._waiting) == 1:
            loop.call_soon(self._launch)
        await done

    async def drain(self) -> None:
        """Wait until nothing is under way."""
        while self._free < self._flights or self._waiting:
            self._launch()
            self._landed.clear()
            await self._landed.wait()

    def _launch(self) -> None:
        if not self._waiting or not self._free:
            return
        self._free -= 1
        batch, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
        task = asyncio.get_running_loop().create_task(self._fly(batch))
        self._flying.add(task)
        task.add_done_callback(self._flying.discard)

    def _land(self) -> None:
        self._free += 1
        self._landed.set()
        self._launch()

    async def _fly(self, batch: list[_Waiting]) -> None:
        try:
            await self._store_batch(batch)
        finally:
            self._land()

    async def _store_batch(self, batch: list[_Waiting]) -> None:
        """Store the batch; where one entry cannot be stored, each by itself, so that its error is nobody else's."""
        try:
            await self._store([entry for entry, _ in batch])
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait
            if len(batch) > 1 and not isinstance(error, Overloaded):
                for one in batch:
                    await self._store_batch([one])
                return
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
        else:
            for _, done in batch:
                if not done.done():
                    done.set_result(None)
