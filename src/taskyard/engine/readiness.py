"""Whether requests make sense now."""

from __future__ import annotations

import asyncio
import time

from taskyard.contracts.store import Store

_HOLDS = 1.0


class Readiness:
    """Whether the store keeps what it is given. That is tried once a second at most, for anybody may ask."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._trying = asyncio.Lock()
        self._good_until = 0.0

    async def check(self) -> None:
        """Raise Overloaded where it does not."""
        async with self._trying:
            if time.monotonic() >= self._good_until:
                await self._store.try_writing()
                self._good_until = time.monotonic() + _HOLDS
