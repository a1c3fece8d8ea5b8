"""What has to be done now and then."""

from __future__ import annotations

import time

from taskyard.contracts.records import LEADER_GAP_US, Topic
from taskyard.store.postgres.admission import sweep
from taskyard.store.postgres.base import Base
from taskyard.store.postgres.compaction import prune
from taskyard.store.postgres.partitions import look_ahead, width_for
from taskyard.store.postgres.statements import fill, statement

_LEAD = statement("lead")
_PROMOTE = statement("promote")
_FLOORS = statement("floors")
_CLOSE_CLAIMS = statement("close_claims")
_SEQUENCE = statement("sequence")
_NOW = fill("SELECT @now")

_FULL_LOOK_SHARE = 0.05


class Upkeep(Base):
    """The facet of the same name."""

    _full_look_at = 0.0

    async def lead(self, role: str, holder: str, ttl_us: int) -> bool:
        """See the contract."""
        return bool(await self.db.relaxed.value(_LEAD, self.clock.moment, role, holder, ttl_us, LEADER_GAP_US))

    async def promote(self, limit: int) -> int:
        """See the contract."""
        row = await self.db.relaxed.only(_PROMOTE, self.clock.moment, limit)
        if row["count"]:
            self.wake(Topic.READY)
            await self.admit(row["keys"])
        return int(row["count"])

    async def tidy(self) -> None:
        """See the contract."""
        await self._raise_floors()
        await self.db.relaxed.fetch(_CLOSE_CLAIMS, self.clock.moment)
        if await sweep(self.db.relaxed, self.clock.moment):
            self.wake(Topic.READY)

    async def sequence(self, limit: int) -> int:
        """See the contract. Durable, or a crash could give a position out twice."""
        count = int(await self.db.durable.value(_SEQUENCE, limit))
        if count:
            self.wake(Topic.FEED)
        return count

    async def make_room(self, retention_us: int) -> None:
        """See the contract."""
        await look_ahead(self.db.relaxed, await self.db.relaxed.value(_NOW, self.clock.moment), width_for(retention_us))

    async def prune(self, before: int) -> int:
        """See the contract."""
        return await prune(self.db.relaxed, before)

    async def _raise_floors(self) -> None:
        """A look from the beginning walks the dead rows that floors are there to skip: it gets its share of time."""
        begin = time.monotonic()
        full = begin >= self._full_look_at
        await self.db.relaxed.fetch(_FLOORS, self.clock.moment, full)
        if full:
            end = time.monotonic()
            self._full_look_at = end + (end - begin) / _FULL_LOOK_SHARE
