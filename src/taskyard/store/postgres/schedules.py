"""Schedules, and the tasks they start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from taskyard.contracts.records import Entry, ScheduledEntry, ScheduleRow, ScheduleWrite
from taskyard.domain.due import Progress
from taskyard.domain.schedule import Schedule
from taskyard.store.postgres.shapes import columns, encode
from taskyard.store.postgres.statements import statement
from taskyard.store.postgres.submission import Submission

_WRITE = statement("write_schedules")
_TAKE_KEYS = (
    "INSERT INTO taskyard.uniq (key, task_id) SELECT * FROM unnest($1::bytea[], $2::bigint[]) AS u (key, task_id) "
    "ORDER BY key ON CONFLICT DO NOTHING RETURNING task_id"
)
_ROW = "SELECT spec, progress, due_at, revision FROM taskyard.schedule"
_ONE = f"{_ROW} WHERE id = $1"
_ALL = f"{_ROW} WHERE id > $2 ORDER BY id LIMIT $1"
_DUE = f"{_ROW} WHERE due_at <= $1 AND (due_at, id) > ($3::bigint, $4::text) ORDER BY due_at, id LIMIT $2"
_REMOVE = "DELETE FROM taskyard.schedule WHERE id = $1 RETURNING true"


class Schedules(Submission):
    """The facet of the same name; the tasks of schedules come in as all others do."""

    async def write_schedules(self, writes: Sequence[ScheduleWrite]) -> dict[str, list[int]]:
        """See the contract."""
        rows = [_columns_of(write.row) for write in writes]
        async with self.db.durable.transaction() as connection:
            ids = {row["id"] for row in await connection.fetch(_WRITE, *columns(rows, 5))}
            written = [write for write in writes if write.row.id in ids]
            free = await _take_keys(connection, [each for write in written for each in write.entries])
            if free:
                await self._enqueue_on(connection, free)
        if free:
            await self._entered(free)
        stored = {entry.id for entry in free}
        return {write.row.id: [each.entry.id for each in write.entries if each.entry.id in stored] for write in written}

    async def schedule(self, schedule_id: str) -> ScheduleRow | None:
        """See the contract."""
        row = await self.db.reading.row(_ONE, schedule_id)
        return None if row is None else _row(row)

    async def schedules(self, limit: int, after: str) -> list[ScheduleRow]:
        """See the contract."""
        return [_row(row) for row in await self.db.reading.fetch(_ALL, limit, after)]

    async def due_schedules(self, until: int, limit: int, after: tuple[int, str]) -> list[ScheduleRow]:
        """See the contract."""
        return [_row(row) for row in await self.db.reading.fetch(_DUE, until, limit, *after)]

    async def remove_schedule(self, schedule_id: str) -> bool:
        """See the contract."""
        return bool(await self.db.durable.value(_REMOVE, schedule_id))


async def _take_keys(connection: Any, scheduled: Sequence[ScheduledEntry]) -> list[Entry]:
    """The tasks that may be stored; their keys are then their own."""
    keys = [(each.key, each.entry.id) for each in scheduled if each.key is not None]
    taken = {row["task_id"] for row in await connection.fetch(_TAKE_KEYS, *columns(keys, 2))} if keys else set()
    return [each.entry for each in scheduled if each.key is None or each.entry.id in taken]


def _columns_of(row: ScheduleRow) -> tuple[str, bytes, bytes, int | None, int]:
    return row.id, encode(row.schedule), encode(row.progress), row.due_at, row.revision


def _row(row: Any) -> ScheduleRow:
    return ScheduleRow(
        msgspec.json.decode(row["spec"], type=Schedule),
        msgspec.json.decode(row["progress"], type=Progress),
        row["due_at"],
        row["revision"],
    )
