"""How many tasks of the last 24 hours are in which state."""

from __future__ import annotations

from taskyard.contracts.store import Store
from taskyard.domain.lifecycle import State
from taskyard.engine.sparing import Sparing

_WINDOW_US = 24 * 3600 * 1_000_000

Counts = list[tuple[int, State, int]]


class Tally:
    """Counted sparingly, for there may be very many."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counts = Sparing(self._count)

    async def counts(self) -> Counts:
        """(kind id, state, how many)."""
        return await self._counts.get()

    async def _count(self) -> Counts:
        return await self._store.counts(await self._store.now() - _WINDOW_US)
