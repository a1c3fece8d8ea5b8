"""The five queues."""

from __future__ import annotations

from taskyard.contracts.records import Contention, QueueRow, Taken, Topic, Turn
from taskyard.store.postgres.base import Base
from taskyard.store.postgres.statements import statement

_QUEUES = statement("queues")
_PAUSE = "UPDATE taskyard.queue SET asked = $2, paused = $2 OR EXISTS (SELECT FROM taskyard.maintenance) WHERE id = $1"
_RATES = statement("rates")
_PAUSED = "SELECT id FROM taskyard.queue WHERE paused"
_TURN = statement("turn")
_CONTENTION = statement("contention")


class Queues(Base):
    """The facet of the same name."""

    async def queues(self) -> list[QueueRow]:
        """See the contract."""
        return [QueueRow(*row) for row in await self.db.reading.fetch(_QUEUES, self.clock.moment)]

    async def rates(self, seconds: int) -> dict[int, tuple[int, int]]:
        """See the contract."""
        rows = await self.db.reading.fetch(_RATES, self.clock.moment, seconds)
        return {row[0]: (row[1], row[2]) for row in rows}

    async def pause(self, queue: int, paused: bool) -> None:
        """See the contract."""
        await self.db.durable.fetch(_PAUSE, queue, paused)
        self.wake(Topic.READY, Topic.REVOKED)

    async def paused(self) -> set[int]:
        """See the contract."""
        return {row["id"] for row in await self.db.reading.fetch(_PAUSED)}

    async def turn(self, task_id: int) -> Turn | None:
        """See the contract."""
        row = await self.db.reading.row(_TURN, task_id)
        return None if row is None else Turn(*row)

    async def contention(self, task_id: int, holders: int) -> Contention | None:
        """See the contract."""
        rows = await self.db.reading.fetch(_CONTENTION, task_id, holders)
        if not rows:
            return None
        return Contention._make((*tuple(rows[0])[:4], [Taken._make(tuple(row)[4:]) for row in rows]))
