"""Tasks coming in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from taskyard.contracts.records import Entry, Found, Topic, Unique
from taskyard.domain.ids import floor_id
from taskyard.store.postgres.base import Base
from taskyard.store.postgres.carrier import carry
from taskyard.store.postgres.shapes import columns
from taskyard.store.postgres.statements import statement

_BESIDES = statement("enqueue_besides")
_ENQUEUE = statement("enqueue", entries="unnest($9::taskyard.entry[])", besides=_BESIDES)
_ENQUEUE_PLAIN = statement("enqueue", entries="unnest($2::taskyard.entry[])", besides="")
# Our types are unknown to the drivers of a connection that is not ours.
_CARRIED = statement(
    "enqueue",
    entries="""unnest(
    $9::bigint[], $10::int[], $11::int[], $12::int[], $13::smallint[], $14::bytea[], $15::bigint[], $16::bytea[],
    $17::text[], $18::text[], $19::text[], $20::text[], $21::bigint[], $22::bytea[], $23::text[],
    $24::text[])
  AS u (id, kind_id, policy_id, lane_id, priority, input, run_at, extra, workflow_id, correlation_id, cause_type,
    cause, parent_id, hash, key, fairness_key)""",
    besides=_BESIDES,
)
_TAKE_UNIQUES = statement("take_uniques")
_HELD_UNIQUES = statement("held_uniques")
_REPLACE_UNIQUES = statement("replace_uniques")

_BODY_WIDTH = Entry._fields.index("tags")
_ROW_WIDTH = _BODY_WIDTH + 2
_UNLIMITED = None, None

Then = Callable[[Any], Awaitable[None]]


class Submission(Base):
    """The facet of the same name."""

    async def enqueue(self, entries: Sequence[Entry]) -> None:
        """See the contract."""
        if entries:
            sql, parameters = _enqueueing(entries)
            await self.db.durable.fetch(sql, self.clock.moment, *parameters)
            await self._entered(entries)

    async def enqueue_unique(self, entry: Entry, uniques: Sequence[Unique]) -> Found | None:
        """See the contract."""
        return await self._enqueue_unique(entry, uniques)

    async def _enqueue_unique(self, entry: Entry, uniques: Sequence[Unique], then: Then | None = None) -> Found | None:
        """The same; `then` goes on in the transaction once the task is stored."""
        try:
            async with self.db.durable.transaction() as connection:
                if uniques:
                    await self._take(connection, entry.id, uniques)
                await self._enqueue_on(connection, [entry])
                if then is not None:
                    await then(connection)
        except _Held as held:
            return held.found
        await self._entered([entry])
        return None

    async def enqueue_with(self, connection: Any, entries: Sequence[Entry]) -> None:
        """See the contract. Nothing is told to others; tasks under a limit are admitted by the next `tidy`."""
        if entries:
            bodies = columns(_rows(entries), _ROW_WIDTH)
            parameters = [self.clock.moment, *_beside(entries), *bodies]
            await carry(connection, self.identity, _CARRIED, parameters)

    async def _enqueue_on(self, connection: Any, entries: Sequence[Entry]) -> None:
        """Store the tasks in a transaction of ours; `_entered` tells of them once it is committed."""
        sql, parameters = _enqueueing(entries)
        await connection.execute(sql, self.clock.moment, *parameters)

    async def _entered(self, entries: Sequence[Entry]) -> None:
        self.wake(Topic.READY)
        await self.admit({slot.key for entry in entries for slot in entry.slots})

    async def _take(self, connection: Any, task_id: int, uniques: Sequence[Unique]) -> None:
        """Take the keys. Raises `_Held` where one is somebody's who counts.

        An insert waits for whoever takes the same key at this moment; only the statement after it sees them.
        """
        wanted = {unique.key: (unique.key, unique.fingerprint, unique.expires_at) for unique in uniques}
        parameters = columns(list(wanted.values()), 3)
        taken = {row["key"] for row in await connection.fetch(_TAKE_UNIQUES, task_id, *parameters)}
        others = [key for key in wanted if key not in taken]
        if not others:
            return
        held = {row["key"]: row for row in await connection.fetch(_HELD_UNIQUES, self.clock.moment, others)}
        for unique in uniques:
            row = held.get(unique.key)
            if row is not None and _counts(unique, row):
                same = unique.fingerprint is None or unique.fingerprint == row["fingerprint"]
                raise _Held(Found(row["task_id"], same))
        await connection.execute(_REPLACE_UNIQUES, task_id, *columns([wanted[key] for key in others], 3))


class _Held(Exception):
    """Rolls the transaction back: somebody holds a key."""

    def __init__(self, found: Found) -> None:
        self.found = found


def _counts(unique: Unique, row: Any) -> bool:
    if row["expired"] or (unique.forgiving and row["failed"]):
        return False
    return unique.newer_than is None or row["task_id"] >= floor_id(unique.newer_than)


def _enqueueing(entries: Sequence[Entry]) -> tuple[str, list[Any]]:
    """The statement, and its parameters after the moment. Most tasks wait for nothing, and bring no tags or limits."""
    if any(entry.run_at is not None or entry.slots or entry.tags for entry in entries):
        return _ENQUEUE, [*_beside(entries), _rows(entries)]
    return _ENQUEUE_PLAIN, [_rows(entries)]


def _beside(entries: Sequence[Entry]) -> list[Sequence[Any]]:
    """The columns of tags and limits."""
    tags = [(tag, entry.id) for entry in entries if entry.tags for tag in entry.tags]
    slots = [(e.id, *slot, e.fairness_key) for e in entries if e.slots for slot in e.slots]
    return [*columns(tags, 2), *columns(slots, 5)]


def _rows(entries: Sequence[Entry]) -> list[tuple[Any, ...]]:
    return [(*e[:_BODY_WIDTH], *((e.slots[0].key, e.fairness_key) if e.slots else _UNLIMITED)) for e in entries]
