"""How many tasks of the last 24 hours are in which state."""

from __future__ import annotations

import asyncio
import time

from taskyard.contracts.store import Store
from taskyard.domain.lifecycle import State

_WINDOW_US = 24 * 3600 * 1_000_000
_QUICK = 0.25
_SHARE = 0.05

Counts = list[tuple[int, State, int]]


class Tally:
    """Counts anew whenever it is asked, unless there are so many that this takes long: then no more of the time than
    a share goes into it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counts: Counts = []
        self._valid_until = 0.0
        self._counting = asyncio.Lock()

    async def counts(self) -> Counts:
        """(kind id, state, how many)."""
        async with self._counting:
            began = time.monotonic()
            if began >= self._valid_until:
                self._counts = await self._store.counts(await self._store.now() - _WINDOW_US)
                took = time.monotonic() - began
                self._valid_until = began + (took / _SHARE if took > _QUICK else 0)
            return self._counts
