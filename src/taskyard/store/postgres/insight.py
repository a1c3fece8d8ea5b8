"""How attempts end, seen from afar."""

from __future__ import annotations

from taskyard.contracts.insight import Endings, Failure
from taskyard.domain.ids import LARGEST_ID, floor_id
from taskyard.domain.lifecycle import Outcome
from taskyard.store.postgres.base import Base
from taskyard.store.postgres.statements import statement

_FAILURES = statement("failures")
_DEAD_FAILURES = statement("dead_failures")
_ENDINGS = statement("endings")
_RUN_SPANS = statement("run_spans")


class Insight(Base):
    """The facet of the same name."""

    async def failures(self, since: int, limit: int, *, dead: bool = False, below: int = LARGEST_ID) -> list[Failure]:
        """See the contract."""
        rows = await self.db.reading.fetch(_DEAD_FAILURES if dead else _FAILURES, floor_id(since), limit, below)
        return [Failure(*row) for row in rows]

    async def endings(self, since: int, step_us: int) -> list[Endings]:
        """See the contract."""
        rows = await self.db.reading.fetch(_ENDINGS, since, step_us)
        return [Endings(row[0], Outcome(row[1]), row[2]) for row in rows]

    async def run_spans(self, since: int) -> list[tuple[int, int]]:
        """See the contract."""
        return [tuple(row) for row in await self.db.reading.fetch(_RUN_SPANS, since)]
