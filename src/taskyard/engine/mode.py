"""Maintenance: running work ends, nothing is dequeued, no new tasks are taken, events wait."""

from __future__ import annotations

import math
import time

import structlog

from taskyard.contracts.store import Store
from taskyard.errors import Maintenance

_FRESH = 1.0
_RETRY_AFTER = 30.0

log = structlog.get_logger("taskyard.maintenance")


class Mode:
    """Whether there is maintenance, as the store said a second ago at the latest."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._on = False
        self._until = -math.inf

    async def is_on(self) -> bool:
        """Whether there is maintenance."""
        if time.monotonic() >= self._until:
            self._on = await self._store.maintenance()
            self._until = time.monotonic() + _FRESH
        return self._on

    async def check(self) -> None:
        """Raises Maintenance while there is."""
        if await self.is_on():
            raise Maintenance("no new tasks are taken during maintenance", retry_after=_RETRY_AFTER)

    async def set(self, *, enabled: bool, by: str) -> None:
        """Begin or end it, for everybody on the store."""
        await self._store.maintain(by if enabled else None)
        self._on, self._until = enabled, time.monotonic() + _FRESH
        log.warning("maintenance begins" if enabled else "maintenance ends", by=by)
