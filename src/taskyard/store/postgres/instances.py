"""Workflows under way."""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.contracts.instances import Instance, InstanceWrite
from taskyard.store.postgres.statements import fill
from taskyard.store.postgres.submission import Submission

_MAKE = (
    "INSERT INTO taskyard.instance (due_at, state, task_id, revision) VALUES ($1, $2, $3, 1) "
    "ON CONFLICT DO NOTHING RETURNING true"
)
_CHANGE = (
    "UPDATE taskyard.instance SET due_at = $1, state = $2, revision = revision + 1 "
    "WHERE task_id = $3 AND revision = $4 RETURNING true"
)
_FORGET_STEPS = "DELETE FROM taskyard.instance_step WHERE instance = $1"
_ADD_STEPS = "INSERT INTO taskyard.instance_step (task_id, instance) SELECT *, $2 FROM unnest($1::bigint[])"
_ROW = "SELECT task_id, state, due_at, revision FROM taskyard.instance"
_ONE = f"{_ROW} WHERE task_id = $1"
_DUE = (
    f"{_ROW} WHERE ($1::bigint IS NULL OR due_at <= $1) AND (due_at, task_id) > ($3::bigint, $4::bigint) "
    "ORDER BY due_at, task_id LIMIT $2"
)
_OF = (
    "SELECT task_id FROM taskyard.instance WHERE task_id = ANY ($1::bigint[]) "
    "UNION SELECT instance FROM taskyard.instance_step WHERE task_id = ANY ($1::bigint[]) ORDER BY 1"
)
_WAKE = fill(
    "UPDATE taskyard.instance SET due_at = @now, revision = revision + 1 WHERE task_id = ANY ($2::bigint[]) "
    "OR task_id IN (SELECT instance FROM taskyard.instance_step WHERE task_id = ANY ($2::bigint[]))"
)
_REMOVE = "DELETE FROM taskyard.instance WHERE task_id = $1 AND revision = $2 RETURNING true"


class Instances(Submission):
    """The facet of the same name; the tasks of steps come in as all others do."""

    async def write_instance(self, write: InstanceWrite) -> bool:
        """See the contract."""
        task_id, state, due_at, revision = write.instance
        content = (due_at, state, task_id)
        async with self.db.durable.transaction() as connection:
            change = (_CHANGE, *content, revision) if revision else (_MAKE, *content)
            if not await connection.fetchval(*change):
                return False
            await connection.execute(_FORGET_STEPS, task_id)
            if write.steps:
                await connection.execute(_ADD_STEPS, list(write.steps), task_id)
            if write.started:
                await self._enqueue_on(connection, write.started)
        if write.started:
            await self._entered(write.started)
        return True

    async def instance(self, task_id: int) -> Instance | None:
        """See the contract."""
        row = await self.db.relaxed.row(_ONE, task_id)
        return None if row is None else Instance._make(tuple(row))

    async def due_instances(self, until: int | None, limit: int, after: tuple[int, int]) -> list[Instance]:
        """See the contract."""
        return [Instance._make(tuple(row)) for row in await self.db.relaxed.fetch(_DUE, until, limit, *after)]

    async def instances_of(self, task_ids: Sequence[int]) -> list[int]:
        """See the contract."""
        return [row["task_id"] for row in await self.db.relaxed.fetch(_OF, list(task_ids))]

    async def wake_instances(self, task_ids: Sequence[int]) -> None:
        """See the contract."""
        await self.db.durable.fetch(_WAKE, self.clock.moment, list(task_ids))

    async def remove_instance(self, task_id: int, revision: int) -> bool:
        """See the contract."""
        async with self.db.durable.transaction() as connection:
            gone = bool(await connection.fetchval(_REMOVE, task_id, revision))
            if gone:
                await connection.execute(_FORGET_STEPS, task_id)
        return gone
