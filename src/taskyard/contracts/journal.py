"""The journal: what operators and programs did that no task's own trail records. Times are microseconds."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class JournalEntry(NamedTuple):
    """Who did what and when; `facts` is a JSON object. Ids grow with time."""

    id: int
    at: int
    who: str
    action: str
    facts: bytes


class Journal(Protocol):
    """The journal, kept for as long as tasks are."""

    async def write_journal(self, who: str, action: str, facts: bytes) -> None:
        """Add an entry, now."""

    async def journal(self, limit: int, before: int | None = None, who: str | None = None) -> list[JournalEntry]:
        """Entries with ids below `before`, the latest first, of everybody or of `who`."""
