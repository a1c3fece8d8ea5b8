"""Connections of ours that are all in use."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from taskyard.contracts.integration import OperationFailed

_AGAIN_SECONDS: Final = 2.0
_LONGEST_WAIT: Final = 10.0


class Room:
    """So many calls at once to a system. Who waits for too long is told so, before the time of the call is over."""

    def __init__(self, system: str, most: int) -> None:
        self._system = system
        self._free = asyncio.Semaphore(most)

    @contextlib.asynccontextmanager
    async def entered(self, seconds: float) -> AsyncIterator[None]:
        """One of them; waited for a third of the call's seconds at most. Raises OperationFailed."""
        try:
            async with asyncio.timeout(min(seconds / 3, _LONGEST_WAIT)):
                await self._free.acquire()
        except TimeoutError:
            raise in_use(self._system) from None
        try:
            yield
        finally:
            self._free.release()


def in_use(system: str) -> OperationFailed:
    """What is raised for it: the other side is not to blame, and the call is merely to come back."""
    return OperationFailed(
        f"all connections to {system} are in use here; `maxConcurrent` keeps its tasks to fewer",
        reason="busy",
        retry_after=_AGAIN_SECONDS,
        burns=False,
        counts=False,
    )
