"""Notices in the store: what people are told, what they have read, and how they want to be told.

Times are microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from taskyard.contracts.records import Entry, FeedRow
from taskyard.domain.people.preferences import Preferences


class NoticeRow(NamedTuple):
    """What one person is told of a task (0: of none); `body` is JSON. `digest_at`: when it goes out with others, if it
    has not.
    """

    id: int
    person: str
    task_id: int
    kind: str
    at: int
    body: bytes
    read_at: int | None = None
    digest_at: int | None = None


class Notices(Protocol):
    """What people are told."""

    async def told_feed(self, after: int, limit: int) -> list[FeedRow]:
        """Of `feed`, the batches of events that people are told of; costs nothing for all the others."""

    async def plan_notices(
        self, notices: Sequence[NoticeRow], entries: Sequence[Entry], reader: str, before: int, pos: int
    ) -> bool:
        """Keep the notices, store the tasks that carry them, and move the reader, all or nothing.

        False, with nothing done, when the reader does not stand at `before`.
        """

    async def due_digests(self, until: int, limit: int) -> list[NoticeRow]:
        """What is to go out with others by then, person by person."""

    async def send_digest(self, notice_ids: Sequence[int], entries: Sequence[Entry]) -> bool:
        """Store the tasks that carry these notices, which then wait no more; False, with nothing done, when one of
        them does not wait.
        """

    async def notices(self, person: str, limit: int, after: int | None, *, unread: bool) -> list[NoticeRow]:
        """What a person has been told, the latest first, before (below) the id `after`."""

    async def notices_by_id(self, notice_ids: Sequence[int]) -> list[NoticeRow]:
        """These notices, oldest first, as far as they are kept."""

    async def unread(self, person: str) -> int:
        """How much of it they have not read."""

    async def mark_notices(self, person: str, notice_ids: Sequence[int] | None, *, read: bool) -> int:
        """Have these notices of the person (None: all) read or unread; how many that changed."""

    async def preferences(self, persons: Sequence[str]) -> dict[str, Preferences]:
        """How these persons want to be told, as far as they have said so."""

    async def save_preferences(self, person: str, preferences: Preferences) -> None:
        """Keep how a person wants to be told."""
