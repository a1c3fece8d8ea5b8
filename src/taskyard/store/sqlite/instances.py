"""Workflows under way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskyard.contracts.instances import Instance, InstanceWrite
from taskyard.contracts.records import Topic
from taskyard.store.sqlite.base import Base, Connection, as_array
from taskyard.store.sqlite.submission import insert

_ROW = "SELECT task_id, state, due_at, revision FROM instance"
_MAKE = "INSERT INTO instance (due_at, state, task_id, revision) VALUES (?, ?, ?, 1) ON CONFLICT DO NOTHING"
_CHANGE = "UPDATE instance SET due_at = ?, state = ?, revision = revision + 1 WHERE task_id = ? AND revision = ?"
_REMOVE = "DELETE FROM instance WHERE task_id = ? AND revision = ?"
_FORGET_STEPS = "DELETE FROM instance_step WHERE instance = ?"
_OF = (
    "SELECT task_id FROM instance WHERE task_id IN (SELECT value FROM json_each(?1)) "
    "UNION SELECT instance FROM instance_step WHERE task_id IN (SELECT value FROM json_each(?1)) ORDER BY 1"
)
_WAKE = f"UPDATE instance SET due_at = ?2, revision = revision + 1 WHERE task_id IN ({_OF})"


class Instances(Base):
    """The facet of the same name."""

    async def write_instance(self, write: InstanceWrite) -> bool:
        """See the contract."""
        written = await self.db.write(_write, write, self.clock.now())
        if written and write.started:
            self.wake(Topic.READY, Topic.FEED)
        return written

    async def instance(self, task_id: int) -> Instance | None:
        """See the contract."""
        rows = await self.db.read(_rows, "WHERE task_id = ?", (task_id,))
        return rows[0] if rows else None

    async def due_instances(self, until: int | None, limit: int, after: tuple[int, int]) -> list[Instance]:
        """See the contract."""
        where = "WHERE (?1 IS NULL OR due_at <= ?1) AND (due_at, task_id) > (?2, ?3) ORDER BY due_at, task_id LIMIT ?4"
        return await self.db.read(_rows, where, (until, *after, limit))

    async def instances_of(self, task_ids: Sequence[int]) -> list[int]:
        """See the contract."""

        def run(connection: Connection) -> list[int]:
            return [row[0] for row in connection.execute(_OF, (as_array(task_ids),))]

        return await self.db.read(run)

    async def wake_instances(self, task_ids: Sequence[int]) -> None:
        """See the contract."""
        await self.db.write(lambda c: c.execute(_WAKE, (as_array(task_ids), self.clock.now())) and None)

    async def remove_instance(self, task_id: int, revision: int) -> bool:
        """See the contract."""

        def run(connection: Connection) -> bool:
            gone = connection.execute(_REMOVE, (task_id, revision)).rowcount > 0
            if gone:
                connection.execute(_FORGET_STEPS, (task_id,))
            return gone

        return await self.db.write(run)


def _rows(connection: Connection, where: str, parameters: Sequence[Any]) -> list[Instance]:
    return [Instance._make(row) for row in connection.execute(f"{_ROW} {where}", parameters)]


def _write(connection: Connection, write: InstanceWrite, now: int) -> bool:
    task_id, state, due_at, revision = write.instance
    content = (due_at, state, task_id)
    changed = connection.execute(*((_CHANGE, (*content, revision)) if revision else (_MAKE, content)))
    if changed.rowcount == 0:
        return False
    connection.execute(_FORGET_STEPS, (task_id,))
    connection.executemany(
        "INSERT INTO instance_step (task_id, instance) VALUES (?, ?)", [(step, task_id) for step in write.steps]
    )
    if write.started:
        insert(connection, write.started, now)
    return True
