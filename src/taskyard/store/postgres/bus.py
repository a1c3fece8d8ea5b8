"""Events that come and go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from taskyard.contracts.bus import Direction, Letter, LetterFilter, LetterStatus
from taskyard.contracts.records import Entry, Found, Topic, Unique
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.mapping import Mapping
from taskyard.store.postgres.execution import events_of
from taskyard.store.postgres.shapes import columns, decode, encode
from taskyard.store.postgres.statements import fill, statement
from taskyard.store.postgres.submission import Submission

_POSITION = "SELECT pos FROM taskyard.reader WHERE name = $1"
_BEGIN = "INSERT INTO taskyard.reader (name, pos) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true"
_MOVE = "UPDATE taskyard.reader SET pos = $2 WHERE name = $1 AND pos = $3 RETURNING true"
_KEEP = (
    "INSERT INTO taskyard.letter (id, direction, event_id, status, at, key, reason, tries, body, facts) "
    "SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], "
    "$8::int[], $9::bytea[], $10::bytea[]) ON CONFLICT (direction, event_id) DO UPDATE SET "
    "status = EXCLUDED.status, at = EXCLUDED.at, key = EXCLUDED.key, reason = EXCLUDED.reason, "
    "tries = EXCLUDED.tries, body = EXCLUDED.body, facts = EXCLUDED.facts"
)
_NEWEST = statement("letters", beyond="<", order="DESC")
_OLDEST = statement("letters", beyond=">", order="ASC")
_MARK = "UPDATE taskyard.letter SET status = $3 WHERE id = ANY ($1::bigint[]) AND status = $2 RETURNING id"
_DROP = "DELETE FROM taskyard.letter WHERE id = ANY ($1::bigint[]) RETURNING id"
_SEE = fill("INSERT INTO taskyard.seen (key, at) VALUES ($2, @now) ON CONFLICT DO NOTHING RETURNING true")
_SEEN = "SELECT true FROM taskyard.seen WHERE key = $1"
_SAVE_MAPPING = (
    "INSERT INTO taskyard.mapping (id, spec) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET spec = EXCLUDED.spec"
)
_MAPPINGS = "SELECT spec FROM taskyard.mapping ORDER BY id"
_REMOVE_MAPPING = "DELETE FROM taskyard.mapping WHERE id = $1 RETURNING true"
_FAIL_NEW = statement("fail_new")
_WAITING = fill(
    "SELECT task_id FROM taskyard.open WHERE correlation_id = $1 AND place = @place_waiting "
    "UNION SELECT o.task_id FROM taskyard.task t JOIN taskyard.open o ON o.task_id = t.id "
    "WHERE t.correlation_id = $1 AND o.correlation_id IS NULL AND o.place = @place_waiting ORDER BY task_id"
)
_BEGIN_MAINTENANCE = fill(
    "INSERT INTO taskyard.maintenance (id, who, since) VALUES (1, $2, @now) ON CONFLICT DO NOTHING"
)
_END_MAINTENANCE = "DELETE FROM taskyard.maintenance"
_SET_QUEUES = "UPDATE taskyard.queue SET paused = asked OR EXISTS (SELECT FROM taskyard.maintenance)"
_MAINTENANCE = "SELECT EXISTS (SELECT FROM taskyard.maintenance)"


class Bus(Submission):
    """The facet of the same name; tasks that FAILED before they began come in as all others do."""

    async def reader_position(self, name: str) -> int | None:
        """See the contract."""
        position = await self.db.relaxed.value(_POSITION, name)
        return None if position is None else int(position)

    async def move_reader(self, name: str, before: int | None, pos: int) -> bool:
        """See the contract."""
        if before is None:
            return bool(await self.db.durable.value(_BEGIN, name, pos))
        return bool(await self.db.relaxed.value(_MOVE, name, pos, before))

    async def keep_letters(self, letters: Sequence[Letter]) -> None:
        """See the contract."""
        rows = [(*letter[:-1], encode(letter.facts)) for letter in letters]
        await self.db.durable.fetch(_KEEP, *columns(rows, 10))

    async def letters(
        self, wanted: LetterFilter, limit: int, after: int | None, *, oldest_first: bool = False
    ) -> list[Letter]:
        """See the contract."""
        ids = None if wanted.ids is None else list(wanted.ids)
        given = (list(wanted.statuses), wanted.direction, wanted.key, ids, after, limit)
        return [
            Letter._make((row[0], Direction(row[1]), row[2], LetterStatus(row[3]), *tuple(row)[4:9], decode(row[9])))
            for row in await self.db.relaxed.fetch(_OLDEST if oldest_first else _NEWEST, *given)
        ]

    async def mark_letters(self, ids: Sequence[int], before: LetterStatus, status: LetterStatus) -> list[int]:
        """See the contract."""
        return [row["id"] for row in await self.db.durable.fetch(_MARK, list(ids), before, status)]

    async def drop_letters(self, ids: Sequence[int]) -> list[int]:
        """See the contract."""
        return [row["id"] for row in await self.db.durable.fetch(_DROP, list(ids))]

    async def see(self, key: bytes) -> bool:
        """See the contract."""
        return bool(await self.db.durable.value(_SEE, self.clock.moment, key))

    async def has_seen(self, key: bytes) -> bool:
        """See the contract."""
        return bool(await self.db.relaxed.value(_SEEN, key))

    async def save_mapping(self, mapping: Mapping) -> None:
        """See the contract."""
        await self.db.durable.fetch(_SAVE_MAPPING, mapping.mapping_id, encode(mapping))

    async def mappings(self) -> list[Mapping]:
        """See the contract."""
        rows = await self.db.relaxed.fetch(_MAPPINGS)
        return [msgspec.json.decode(row["spec"], type=Mapping) for row in rows]

    async def remove_mapping(self, mapping_id: str) -> bool:
        """See the contract."""
        return bool(await self.db.durable.value(_REMOVE_MAPPING, mapping_id))

    async def enqueue_failed(self, entry: Entry, detail: bytes, uniques: Sequence[Unique]) -> Found | None:
        """See the contract."""
        events = columns(events_of(Outcome.FAILED), 2)

        async def fail(connection: Any) -> None:
            await connection.execute(_FAIL_NEW, self.clock.moment, entry.id, detail, *events)

        return await self._enqueue_unique(entry, uniques, fail)

    async def waiting_for(self, correlation_id: str) -> list[int]:
        """See the contract."""
        return [row["task_id"] for row in await self.db.relaxed.fetch(_WAITING, correlation_id)]

    async def maintain(self, by: str | None) -> None:
        """See the contract."""
        async with self.db.durable.transaction() as connection:
            if by is None:
                await connection.execute(_END_MAINTENANCE)
            else:
                await connection.execute(_BEGIN_MAINTENANCE, self.clock.moment, by)
            await connection.execute(_SET_QUEUES)
        self.wake(Topic.READY, Topic.REVOKED, Topic.FEED)

    async def maintenance(self) -> bool:
        """See the contract."""
        return bool(await self.db.relaxed.value(_MAINTENANCE))
