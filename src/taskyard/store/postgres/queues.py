"""The five queues."""

from __future__ import annotations

from taskyard.contracts.records import QueueRow, Topic
from taskyard.store.postgres.base import Base
from taskyard.store.postgres.statements import statement

_QUEUES = statement("queues")
_PAUSE = "UPDATE taskyard.queue SET paused = $2 WHERE id = $1"
_RATES = statement("rates")
_AHEAD_OF = statement("ahead_of")
_SLOT_HOLDERS = statement("slot_holders")


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
        self.wake(Topic.READY)

    async def ahead_of(self, task_id: int) -> int | None:
        """See the contract."""
        count: int | None = await self.db.reading.value(_AHEAD_OF, task_id)
        return count

    async def slot_holders(self, task_id: int) -> list[tuple[str, int, list[int]]]:
        """See the contract."""
        rows = await self.db.reading.fetch(_SLOT_HOLDERS, task_id)
        return [(row["key"], row["size"], row["holders"]) for row in rows]
