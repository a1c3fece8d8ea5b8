"""What people are told, what they have read, and how they want to be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from taskyard.contracts.notices import NoticeRow
from taskyard.contracts.records import Entry, FeedRow, Topic
from taskyard.domain.lifecycle import EventType
from taskyard.domain.people.notice import TOLD
from taskyard.domain.people.preferences import Preferences
from taskyard.store.sqlite.base import Base, Connection, as_array
from taskyard.store.sqlite.submission import insert

_ROW: Final = "SELECT id, person, task_id, kind, at, body, read_at, digest_at FROM notice"
# Written as in the index, which is used for nothing else.
_TOLD: Final = (
    f"SELECT pos, at, type, task_ids, sequences FROM feed WHERE type IN ({', '.join(str(int(t)) for t in TOLD)}) "
    "AND pos > ? ORDER BY pos LIMIT ?"
)
_MOVE: Final = "UPDATE reader SET pos = ? WHERE name = ? AND pos = ?"
_KEEP: Final = (
    "INSERT INTO notice (id, person, task_id, kind, at, body, read_at, digest_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_DUE: Final = "WHERE digest_at IS NOT NULL AND digest_at <= ? ORDER BY person, id LIMIT ?"
_AMONG: Final = "id IN (SELECT value FROM json_each(?))"
_SENT: Final = f"UPDATE notice SET digest_at = NULL WHERE {_AMONG} AND digest_at IS NOT NULL"
_SAVE: Final = (
    "INSERT INTO preference (person, spec) VALUES (?, ?) ON CONFLICT (person) DO UPDATE SET spec = excluded.spec"
)
_LARGEST: Final = (1 << 63) - 1


class Notices(Base):
    """The facet of the same name."""

    async def told_feed(self, after: int, limit: int) -> list[FeedRow]:
        """See the contract."""
        decode = msgspec.json.decode

        def run(connection: Connection) -> list[FeedRow]:
            rows = connection.execute(_TOLD, (after, limit))
            return [FeedRow(pos, at, EventType(type_), decode(ids), decode(seqs)) for pos, at, type_, ids, seqs in rows]

        return await self.db.read(run)

    async def plan_notices(
        self, notices: Sequence[NoticeRow], entries: Sequence[Entry], reader: str, before: int, pos: int
    ) -> bool:
        """See the contract."""
        now = self.clock.now()

        def run(connection: Connection) -> bool:
            if connection.execute(_MOVE, (pos, reader, before)).rowcount == 0:
                return False
            connection.executemany(_KEEP, notices)
            if entries:
                insert(connection, entries, now)
            return True

        planned = await self.db.write(run)
        if entries:
            self.wake(Topic.READY, Topic.FEED)
        return planned

    async def due_digests(self, until: int, limit: int) -> list[NoticeRow]:
        """See the contract."""
        return await self.db.read(_rows, _DUE, (until, limit))

    async def send_digest(self, notice_ids: Sequence[int], entries: Sequence[Entry]) -> bool:
        """See the contract."""
        now, ids = self.clock.now(), as_array(set(notice_ids))

        def run(connection: Connection) -> bool:
            waiting = f"SELECT count(*) FROM notice WHERE {_AMONG} AND digest_at IS NOT NULL"
            if connection.execute(waiting, (ids,)).fetchone()[0] != len(set(notice_ids)):
                return False
            connection.execute(_SENT, (ids,))
            insert(connection, entries, now)
            return True

        sent = await self.db.write(run)
        self.wake(Topic.READY, Topic.FEED)
        return sent

    async def notices(self, person: str, limit: int, after: int | None, *, unread: bool) -> list[NoticeRow]:
        """See the contract."""
        which = "AND read_at IS NULL" if unread else ""
        where = f"WHERE person = ? AND id < ? {which} ORDER BY id DESC LIMIT ?"
        return await self.db.read(_rows, where, (person, _LARGEST if after is None else after, limit))

    async def notices_by_id(self, notice_ids: Sequence[int]) -> list[NoticeRow]:
        """See the contract."""
        return await self.db.read(_rows, f"WHERE {_AMONG} ORDER BY id", (as_array(notice_ids),))

    async def unread(self, person: str) -> int:
        """See the contract."""
        query = "SELECT count(*) FROM notice WHERE person = ? AND read_at IS NULL"
        return await self.db.read(lambda c: int(c.execute(query, (person,)).fetchone()[0]))

    async def mark_notices(self, person: str, notice_ids: Sequence[int] | None, *, read: bool) -> int:
        """See the contract."""
        now = self.clock.now() if read else None
        which, ids = ("", ()) if notice_ids is None else (f"AND {_AMONG}", (as_array(notice_ids),))
        query = f"UPDATE notice SET read_at = ? WHERE person = ? AND (read_at IS NULL) = ? {which}"
        return await self.db.write(lambda c: int(c.execute(query, (now, person, read, *ids)).rowcount))

    async def preferences(self, persons: Sequence[str]) -> dict[str, Preferences]:
        """See the contract."""
        query = "SELECT person, spec FROM preference WHERE person IN (SELECT value FROM json_each(?))"

        def run(connection: Connection) -> dict[str, Preferences]:
            rows = connection.execute(query, (as_array(persons),))
            return {person: msgspec.json.decode(spec, type=Preferences) for person, spec in rows}

        return await self.db.read(run)

    async def save_preferences(self, person: str, preferences: Preferences) -> None:
        """See the contract."""
        row = (person, msgspec.json.encode(preferences))
        await self.db.write(lambda c: c.execute(_SAVE, row) and None)


def _rows(connection: Connection, where: str, values: Sequence[Any]) -> list[NoticeRow]:
    return [NoticeRow(*row) for row in connection.execute(f"{_ROW} {where}", values)]
