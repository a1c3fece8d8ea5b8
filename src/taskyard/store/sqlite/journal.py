"""What was done beside tasks."""

from __future__ import annotations

from typing import Final

from taskyard.contracts.journal import JournalEntry
from taskyard.store.sqlite.base import Base

_LAST: Final = (1 << 63) - 1
_ADD: Final = "INSERT INTO journal (at, who, action, facts) VALUES (?, ?, ?, ?)"
_LATEST: Final = (
    "SELECT id, at, who, action, facts FROM journal WHERE id < ? AND (? IS NULL OR who = ?) ORDER BY id DESC LIMIT ?"
)


class Journal(Base):
    """The facet of the same name."""

    async def write_journal(self, who: str, action: str, facts: bytes) -> None:
        """See the contract."""
        row = (self.clock.now(), who, action, facts)
        await self.db.write(lambda c: c.execute(_ADD, row).rowcount)

    async def journal(self, limit: int, before: int | None = None, who: str | None = None) -> list[JournalEntry]:
        """See the contract."""
        given = (_LAST if before is None else before, who, who, limit)
        return [JournalEntry(*row) for row in await self.db.read(lambda c: c.execute(_LATEST, given).fetchall())]
