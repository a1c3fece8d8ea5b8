"""Events that come and go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from taskyard.contracts.bus import Direction, Letter, LetterFilter, LetterStatus
from taskyard.contracts.records import Entry, Found, Settlement, Topic, Unique
from taskyard.domain.facts import PlaceKind
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.mapping import Mapping
from taskyard.store.sqlite.base import Base, Connection, as_array
from taskyard.store.sqlite.execution import place, tell
from taskyard.store.sqlite.submission import insert_unique

_COLUMNS = "id, direction, event_id, status, at, key, reason, tries, body, facts"
_MOVE = "UPDATE reader SET pos = ?3 WHERE name = ?1 AND pos = ?2"
_BEGIN = "INSERT INTO reader (name, pos) VALUES (?1, ?3) ON CONFLICT DO NOTHING"
_KEEP = (
    f"INSERT INTO letter ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (direction, event_id) DO UPDATE SET status = excluded.status, at = excluded.at, "
    "key = excluded.key, reason = excluded.reason, tries = excluded.tries, body = excluded.body, facts = excluded.facts"
)
_MARK = "UPDATE letter SET status = ? WHERE status = ? AND id IN (SELECT value FROM json_each(?)) RETURNING id"
_WAITING = (
    "SELECT task_id FROM open WHERE correlation_id = ?1 AND place = ?2 UNION SELECT o.task_id FROM task t "
    "JOIN open o ON o.task_id = t.id WHERE t.correlation_id = ?1 AND o.correlation_id IS NULL AND o.place = ?2 "
    "ORDER BY task_id"
)


class Bus(Base):
    """The facet of the same name."""

    async def reader_position(self, name: str) -> int | None:
        """See the contract."""
        return await self.db.read(_one, "SELECT pos FROM reader WHERE name = ?", (name,))

    async def move_reader(self, name: str, before: int | None, pos: int) -> bool:
        """See the contract."""
        statement = _BEGIN if before is None else _MOVE
        return await self.db.write(lambda c: c.execute(statement, (name, before, pos)).rowcount > 0)

    async def keep_letters(self, letters: Sequence[Letter]) -> None:
        """See the contract."""
        rows = [(*letter[:-1], msgspec.json.encode(letter.facts)) for letter in letters]
        await self.db.write(lambda c: c.executemany(_KEEP, rows) and None)

    async def letters(
        self, wanted: LetterFilter, limit: int, after: int | None, *, oldest_first: bool = False
    ) -> list[Letter]:
        """See the contract."""
        return await self.db.read(_letters, wanted, limit, after, oldest_first)

    async def mark_letters(self, ids: Sequence[int], before: LetterStatus, status: LetterStatus) -> list[int]:
        """See the contract."""
        return await self.db.write(_ids, _MARK, (status, before, as_array(ids)))

    async def drop_letters(self, ids: Sequence[int]) -> list[int]:
        """See the contract."""
        statement = "DELETE FROM letter WHERE id IN (SELECT value FROM json_each(?)) RETURNING id"
        return await self.db.write(_ids, statement, (as_array(ids),))

    async def see(self, key: bytes) -> bool:
        """See the contract."""
        return await self.db.write(see, key, self.clock.now())

    async def has_seen(self, key: bytes) -> bool:
        """See the contract."""
        return await self.db.read(_one, "SELECT 1 FROM seen WHERE key = ?", (key,)) is not None

    async def save_mapping(self, mapping: Mapping) -> None:
        """See the contract."""
        statement = "INSERT INTO mapping (id, spec) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET spec = excluded.spec"
        row = (mapping.mapping_id, msgspec.json.encode(mapping))
        await self.db.write(lambda c: c.execute(statement, row) and None)

    async def mappings(self) -> list[Mapping]:
        """See the contract."""

        def run(connection: Connection) -> list[Mapping]:
            rows = connection.execute("SELECT spec FROM mapping ORDER BY id")
            return [msgspec.json.decode(row[0], type=Mapping) for row in rows]

        return await self.db.read(run)

    async def remove_mapping(self, mapping_id: str) -> bool:
        """See the contract."""
        return await self.db.write(lambda c: c.execute("DELETE FROM mapping WHERE id = ?", (mapping_id,)).rowcount > 0)

    async def enqueue_failed(self, entry: Entry, detail: bytes, uniques: Sequence[Unique]) -> Found | None:
        """See the contract."""
        found = await self.db.write(_insert_failed, entry, detail, uniques, self.clock.now())
        self.wake(Topic.FEED)
        return found

    async def waiting_for(self, correlation_id: str) -> list[int]:
        """See the contract."""
        return await self.db.read(_ids, _WAITING, (correlation_id, int(PlaceKind.WAITING)))

    async def maintain(self, by: str | None) -> None:
        """See the contract."""
        await self.db.write(_maintain, by, self.clock.now())
        self.wake(Topic.READY, Topic.REVOKED, Topic.FEED)

    async def maintenance(self) -> bool:
        """See the contract."""
        return await self.db.read(_one, "SELECT 1 FROM maintenance", ()) is not None


def see(connection: Connection, key: bytes, now: int) -> bool:
    """Note that an event was taken; False where that was known."""
    return (
        connection.execute("INSERT INTO seen (key, at) VALUES (?, ?) ON CONFLICT DO NOTHING", (key, now)).rowcount > 0
    )


def _one(connection: Connection, query: str, parameters: Sequence[Any]) -> Any:
    row = connection.execute(query, parameters).fetchone()
    return None if row is None else row[0]


def _ids(connection: Connection, statement: str, parameters: Sequence[Any]) -> list[int]:
    return [row[0] for row in connection.execute(statement, parameters).fetchall()]


def _letters(
    connection: Connection, wanted: LetterFilter, limit: int, after: int | None, oldest_first: bool
) -> list[Letter]:
    given = {
        "statuses": as_array(wanted.statuses), "direction": wanted.direction, "key": wanted.key,
        "ids": None if wanted.ids is None else as_array(wanted.ids), "after": after, "limit": limit,
    }  # fmt: skip
    beyond, order = (">", "ASC") if oldest_first else ("<", "DESC")
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM letter WHERE status IN (SELECT value FROM json_each(:statuses)) "
        "AND (:direction IS NULL OR direction = :direction) AND (:key IS NULL OR key = :key) "
        "AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids))) "
        f"AND (:after IS NULL OR id {beyond} :after) ORDER BY id {order} LIMIT :limit",
        given,
    )
    return [
        Letter._make((row[0], Direction(row[1]), row[2], LetterStatus(row[3]), *row[4:9], msgspec.json.decode(row[9])))
        for row in rows
    ]


def _insert_failed(
    connection: Connection, entry: Entry, detail: bytes, uniques: Sequence[Unique], now: int
) -> Found | None:
    found = insert_unique(connection, entry, uniques, now)
    if found is not None:
        return found
    connection.execute("DELETE FROM sched WHERE task_id = ?", (entry.id,))
    connection.execute(
        "INSERT INTO attempt (task_id, attempt, outcome, finished_at, detail) VALUES (?, 1, ?, ?, ?)",
        (entry.id, int(Outcome.FAILED), now, detail),
    )
    failed = Settlement(0, entry.id, 1, Outcome.FAILED)
    place(connection, failed, entry.lane_id, now, now)
    tell(connection, [failed], now)
    return None


def _maintain(connection: Connection, by: str | None, now: int) -> None:
    if by is None:
        connection.execute("DELETE FROM maintenance")
    else:
        connection.execute(
            "INSERT INTO maintenance (id, who, since) VALUES (1, ?, ?) ON CONFLICT DO NOTHING", (by, now)
        )
    connection.execute("UPDATE queue SET paused = asked OR EXISTS (SELECT 1 FROM maintenance)")
