"""The cap on how much may wait in a queue."""

from __future__ import annotations

import asyncio
import math
import time

from taskyard.contracts.store import Store
from taskyard.domain.queue import Queue
from taskyard.errors import Overloaded

_COUNT_PER_SECOND = 200_000
_LONGEST = 60.0
_SHARE = 20
_PATIENCE = 1.0
_RATE_SECONDS = 60
_RETRY_SOONEST, _RETRY_LATEST = 1.0, 300.0


class DepthGuard:
    """Refuses what a full queue cannot take, and says when there will be room.

    Counting a long queue is dear, so it is counted the more rarely the further it is from its cap. Before anything
    is refused it is counted anew, but not before twenty times as long as counting took has passed: those who would be
    refused wait for it together, or hear at once what is known where it takes too long. They must not slow down
    those who drain the queue.
    """

    def __init__(self, store: Store, cap: int) -> None:
        self._store = store
        self._cap = cap
        self._depths: dict[int, int] = {}
        self._accepted: dict[int, int] = {}
        self._counted_at = self._valid_until = self._again_from = -math.inf
        self._drains: dict[int, float] = {}
        self._drains_until = -math.inf
        self._asking = asyncio.Lock()

    async def admit(self, queue: Queue, count: int) -> None:
        """Let `count` more tasks into the queue. Raises Overloaded, naming depth and cap, with when to come back."""
        arrived = time.monotonic()
        if arrived >= self._valid_until or self._estimate(queue) + count > self._cap:
            await self._count_after(arrived, queue, count)
        depth = self._estimate(queue)
        if depth + count > self._cap:
            raise Overloaded(
                f"{queue.title} is full: {depth} tasks wait and {self._cap} may; come back when it has drained",
                details={"queue": queue.title, "depth": depth, "limit": self._cap},
                retry_after=drained_in(depth + count - self._cap, await self._drain(queue)),
            )
        self._accepted[queue] = self._accepted.get(queue, 0) + count

    def _estimate(self, queue: Queue) -> int:
        return self._depths.get(queue, 0) + self._accepted.get(queue, 0)

    async def _count_after(self, moment: float, queue: Queue, count: int) -> None:
        """See to it that the queues have been counted since that moment, unless it is known well enough as it is."""
        async with self._asking:
            pause = self._again_from - time.monotonic()
            was_full = self._depths.get(queue, 0) + count > self._cap
            if self._counted_at < moment and not (was_full and pause > _PATIENCE):
                await asyncio.sleep(min(_PATIENCE, max(0.0, pause)))
                await self._count()

    async def _count(self) -> None:
        self._counted_at = time.monotonic()
        self._depths = {row.queue: row.depth for row in await self._store.queues()}
        self._accepted = {}
        room = self._cap - max(self._depths.values(), default=0)
        now = time.monotonic()
        self._again_from = now + (now - self._counted_at) * _SHARE
        self._valid_until = max(self._again_from, now + min(_LONGEST, max(0.0, room / _COUNT_PER_SECOND)))

    async def _drain(self, queue: Queue) -> float:
        """How many tasks go from the queue in a second, as measured lately."""
        async with self._asking:
            began = time.monotonic()
            if began >= self._drains_until:
                rates = await self._store.rates(_RATE_SECONDS)
                self._drains = {id_: dispatched / _RATE_SECONDS for id_, (_, dispatched) in rates.items()}
                now = time.monotonic()
                self._drains_until = now + (now - began) * _SHARE
        return self._drains.get(queue, 0.0)


def drained_in(count: int, rate: float) -> float:
    """Seconds until `count` tasks have gone at `rate` per second, but not under 1 nor over 300."""
    return min(_RETRY_LATEST, max(_RETRY_SOONEST, count / rate)) if rate > 0 else _RETRY_LATEST
