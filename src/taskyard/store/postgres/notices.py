"""What people are told, what they have read, and how they want to be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from taskyard.contracts.notices import NoticeRow
from taskyard.contracts.records import Entry, FeedRow
from taskyard.domain.lifecycle import EventType
from taskyard.domain.people.notice import TOLD
from taskyard.domain.people.preferences import Preferences
from taskyard.store.postgres.shapes import columns, encode
from taskyard.store.postgres.statements import fill
from taskyard.store.postgres.submission import Submission

_COLUMNS: Final = "id, person, task_id, kind, at, body, read_at, digest_at"
# Written as in the index, which is used for nothing else.
_TOLD: Final = fill(
    "SELECT pos, at, type, task_ids, sequences FROM taskyard.feed WHERE type IN (@types) AND pos > $1 "
    "ORDER BY pos LIMIT $2",
    types=", ".join(str(int(each)) for each in TOLD),
)
_MOVE: Final = "UPDATE taskyard.reader SET pos = $2 WHERE name = $1 AND pos = $3 RETURNING true"
_KEEP: Final = (
    "INSERT INTO taskyard.notice (id, person, task_id, kind, at, body, read_at, digest_at) "
    "SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bytea[], $7::bigint[], "
    "$8::bigint[])"
)
_DUE: Final = fill(
    "SELECT @columns FROM taskyard.notice WHERE digest_at IS NOT NULL AND digest_at <= $1 ORDER BY person, id LIMIT $2",
    columns=_COLUMNS,
)
_SENT: Final = (
    "UPDATE taskyard.notice SET digest_at = NULL WHERE id = ANY ($1::bigint[]) AND digest_at IS NOT NULL RETURNING id"
)
_PAGE_OF: Final = (
    "SELECT @columns FROM taskyard.notice WHERE person = $1 AND ($3::bigint IS NULL OR id < $3) AND @which "
    "ORDER BY id DESC LIMIT $2"
)
_PAGE: Final = fill(_PAGE_OF, columns=_COLUMNS, which="true")
_UNREAD_PAGE: Final = fill(_PAGE_OF, columns=_COLUMNS, which="read_at IS NULL")
_BY_ID: Final = fill("SELECT @columns FROM taskyard.notice WHERE id = ANY ($1::bigint[]) ORDER BY id", columns=_COLUMNS)
_UNREAD: Final = "SELECT count(*) FROM taskyard.notice WHERE person = $1 AND read_at IS NULL"
_MARK: Final = fill(
    "UPDATE taskyard.notice SET read_at = CASE WHEN $4 THEN @now END WHERE person = $2 "
    "AND ($3::bigint[] IS NULL OR id = ANY ($3)) AND (read_at IS NULL) = $4 RETURNING id"
)
_PREFERENCES: Final = "SELECT person, spec FROM taskyard.preference WHERE person = ANY ($1::text[])"
_SAVE: Final = (
    "INSERT INTO taskyard.preference (person, spec) VALUES ($1, $2) "
    "ON CONFLICT (person) DO UPDATE SET spec = EXCLUDED.spec"
)


class Notices(Submission):
    """The facet of the same name; the tasks that carry notices come in as all others do."""

    async def told_feed(self, after: int, limit: int) -> list[FeedRow]:
        """See the contract."""
        rows: list[Any] = await self.db.relaxed.fetch(_TOLD, after, limit)
        return [FeedRow(pos, at, EventType(type_), ids, sequences) for pos, at, type_, ids, sequences in rows]

    async def plan_notices(
        self, notices: Sequence[NoticeRow], entries: Sequence[Entry], reader: str, before: int, pos: int
    ) -> bool:
        """See the contract."""
        async with self.db.durable.transaction() as connection:
            if not await connection.fetchval(_MOVE, reader, pos, before):
                return False
            await connection.fetch(_KEEP, *columns(notices, 8))
            if entries:
                await self._enqueue_on(connection, entries)
        if entries:
            await self._entered(entries)
        return True

    async def due_digests(self, until: int, limit: int) -> list[NoticeRow]:
        """See the contract."""
        return _rows(await self.db.relaxed.fetch(_DUE, until, limit))

    async def send_digest(self, notice_ids: Sequence[int], entries: Sequence[Entry]) -> bool:
        """See the contract."""
        try:
            async with self.db.durable.transaction() as connection:
                _check_all(notice_ids, await connection.fetch(_SENT, list(notice_ids)))
                await self._enqueue_on(connection, entries)
        except _SentBefore:
            return False
        await self._entered(entries)
        return True

    async def notices(self, person: str, limit: int, after: int | None, *, unread: bool) -> list[NoticeRow]:
        """See the contract."""
        return _rows(await self.db.relaxed.fetch(_UNREAD_PAGE if unread else _PAGE, person, limit, after))

    async def notices_by_id(self, notice_ids: Sequence[int]) -> list[NoticeRow]:
        """See the contract."""
        return _rows(await self.db.relaxed.fetch(_BY_ID, list(notice_ids)))

    async def unread(self, person: str) -> int:
        """See the contract."""
        return int(await self.db.relaxed.value(_UNREAD, person))

    async def mark_notices(self, person: str, notice_ids: Sequence[int] | None, *, read: bool) -> int:
        """See the contract."""
        ids = None if notice_ids is None else list(notice_ids)
        return len(await self.db.relaxed.fetch(_MARK, self.clock.moment, person, ids, read))

    async def preferences(self, persons: Sequence[str]) -> dict[str, Preferences]:
        """See the contract."""
        rows = await self.db.relaxed.fetch(_PREFERENCES, list(persons))
        return {row["person"]: msgspec.json.decode(row["spec"], type=Preferences) for row in rows}

    async def save_preferences(self, person: str, preferences: Preferences) -> None:
        """See the contract."""
        await self.db.durable.fetch(_SAVE, person, encode(preferences))


class _SentBefore(Exception):
    """Rolls the transaction back: some of it has gone out meanwhile."""


def _check_all(notice_ids: Sequence[int], sent: list[Any]) -> None:
    if len(sent) != len(set(notice_ids)):
        raise _SentBefore


def _rows(found: list[Any]) -> list[NoticeRow]:
    return [NoticeRow(*row) for row in found]
