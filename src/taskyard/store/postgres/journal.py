"""What was done beside tasks."""

from __future__ import annotations

from typing import Final

from taskyard.contracts.journal import JournalEntry
from taskyard.store.postgres.base import Base

_LAST: Final = (1 << 63) - 1
_ADD: Final = "INSERT INTO taskyard.journal (at, who, action, facts) VALUES ($1, $2, $3, $4)"
_LATEST: Final = (
    "SELECT id, at, who, action, facts FROM taskyard.journal "
    "WHERE id < $1::bigint AND ($2::text IS NULL OR who = $2) ORDER BY id DESC LIMIT $3::int"
)


class Journal(Base):
    """The facet of the same name."""

    async def write_journal(self, who: str, action: str, facts: bytes) -> None:
        """See the contract."""
        await self.db.durable.fetch(_ADD, self.clock.now(), who, action, facts)

    async def journal(self, limit: int, before: int | None = None, who: str | None = None) -> list[JournalEntry]:
        """See the contract."""
        rows = await self.db.relaxed.fetch(_LATEST, _LAST if before is None else before, who, limit)
        return [JournalEntry(*row) for row in rows]
