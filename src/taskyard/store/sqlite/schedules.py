"""Schedules, and the tasks they start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from taskyard.contracts.records import Entry, ScheduledEntry, ScheduleRow, ScheduleWrite, Topic
from taskyard.domain.due import Progress
from taskyard.domain.schedule import Schedule
from taskyard.store.sqlite.base import Base, Connection
from taskyard.store.sqlite.submission import insert

_ROW = "SELECT spec, progress, due_at, revision FROM schedule"


class Schedules(Base):
    """The facet of the same name."""

    async def write_schedules(self, writes: Sequence[ScheduleWrite]) -> dict[str, list[int]]:
        """See the contract."""
        written = await self.db.write(_write_all, writes, self.clock.now())
        if any(written.values()):
            self.wake(Topic.READY, Topic.FEED)
        return written

    async def schedule(self, schedule_id: str) -> ScheduleRow | None:
        """See the contract."""
        rows = await self.db.read(_rows, "WHERE id = ?", (schedule_id,))
        return rows[0] if rows else None

    async def schedules(self, limit: int, after: str) -> list[ScheduleRow]:
        """See the contract."""
        return await self.db.read(_rows, "WHERE id > ? ORDER BY id LIMIT ?", (after, limit))

    async def due_schedules(self, until: int, limit: int, after: tuple[int, str]) -> list[ScheduleRow]:
        """See the contract."""
        where = "WHERE due_at <= ? AND (due_at, id) > (?, ?) ORDER BY due_at, id LIMIT ?"
        return await self.db.read(_rows, where, (until, *after, limit))

    async def remove_schedule(self, schedule_id: str) -> bool:
        """See the contract."""

        def run(connection: Connection) -> bool:
            return connection.execute("DELETE FROM schedule WHERE id = ?", (schedule_id,)).rowcount > 0

        return await self.db.write(run)


def _rows(connection: Connection, where: str, parameters: Sequence[Any]) -> list[ScheduleRow]:
    return [
        ScheduleRow(
            msgspec.json.decode(spec, type=Schedule), msgspec.json.decode(progress, type=Progress), due_at, revision
        )
        for spec, progress, due_at, revision in connection.execute(f"{_ROW} {where}", parameters)
    ]


def _write_all(connection: Connection, writes: Sequence[ScheduleWrite], now: int) -> dict[str, list[int]]:
    written: dict[str, list[int]] = {}
    entries: list[Entry] = []
    for row, scheduled in writes:
        if _write(connection, row):
            free = [each.entry for each in scheduled if _is_free(connection, each)]
            written[row.id] = [entry.id for entry in free]
            entries += free
    if entries:
        insert(connection, entries, now)
    return written


def _write(connection: Connection, row: ScheduleRow) -> bool:
    content = (row.due_at, msgspec.json.encode(row.schedule), msgspec.json.encode(row.progress), row.id)
    if row.revision == 0:
        statement = (
            "INSERT INTO schedule (due_at, spec, progress, id, revision) VALUES (?, ?, ?, ?, 1) ON CONFLICT DO NOTHING"
        )
        return connection.execute(statement, content).rowcount > 0
    statement = (
        "UPDATE schedule SET due_at = ?, spec = ?, progress = ?, revision = revision + 1 WHERE id = ? AND revision = ?"
    )
    return connection.execute(statement, (*content, row.revision)).rowcount > 0


def _is_free(connection: Connection, scheduled: ScheduledEntry) -> bool:
    """Whether the task may be stored; its key, if it has one, is then its own."""
    if scheduled.key is None:
        return True
    statement = "INSERT INTO uniq (key, task_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
    return connection.execute(statement, (scheduled.key, scheduled.entry.id)).rowcount > 0
