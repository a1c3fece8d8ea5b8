"""The cap on how much may wait in a queue."""

from __future__ import annotations

import time

from taskyard.contracts.store import Store
from taskyard.domain.queue import Queue
from taskyard.errors import Overloaded

_COUNT_PER_SECOND = 200_000
_LONGEST = 60.0
_RETRY_AFTER = 5.0


class DepthGuard:
    """Refuses what a full queue cannot take.

    Counting a long queue is dear, so it is counted the more rarely the further it is from its cap,
    and always before anything is refused.
    """

    def __init__(self, store: Store, cap: int) -> None:
        self._store = store
        self._cap = cap
        self._depths: dict[int, int] = {}
        self._accepted: dict[int, int] = {}
        self._valid_until = 0.0

    async def admit(self, queue: Queue, count: int) -> None:
        """Let `count` more tasks into the queue. Raises Overloaded, naming depth and cap."""
        if time.monotonic() >= self._valid_until or self._estimate(queue) + count > self._cap:
            await self._count()
        depth = self._estimate(queue)
        if depth + count > self._cap:
            raise Overloaded(
                f"{queue.title} is full: {depth} tasks wait and {self._cap} may; come back when it has drained",
                details={"queue": queue.title, "depth": depth, "limit": self._cap},
                retry_after=_RETRY_AFTER,
            )
        self._accepted[queue] = self._accepted.get(queue, 0) + count

    def _estimate(self, queue: Queue) -> int:
        return self._depths.get(queue, 0) + self._accepted.get(queue, 0)

    async def _count(self) -> None:
        self._depths = {row.queue: row.depth for row in await self._store.queues()}
        self._accepted = {}
        room = self._cap - max(self._depths.values(), default=0)
        self._valid_until = time.monotonic() + min(_LONGEST, max(0.0, room / _COUNT_PER_SECOND))
