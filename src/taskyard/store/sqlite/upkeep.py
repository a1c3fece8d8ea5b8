"""What has to be done now and then."""

from __future__ import annotations

from taskyard.contracts.records import Topic
from taskyard.domain.ids import floor_id
from taskyard.store.sqlite import slots
from taskyard.store.sqlite.base import Base, Connection, as_array
from taskyard.store.sqlite.moves import enter

_PRUNE_AT_ONCE = 1000


class Upkeep(Base):
    """The facet of the same name."""

    async def lead(self, role: str, holder: str, ttl_us: int) -> bool:
        """See the contract."""
        now = self.clock.now()

        def run(connection: Connection) -> bool:
            row = connection.execute(
                "INSERT INTO leader (role, holder, since, until) VALUES (?1, ?2, ?3, ?4) "
                "ON CONFLICT (role) DO UPDATE SET until = excluded.until, holder = excluded.holder, "
                "since = CASE WHEN holder = excluded.holder THEN since ELSE excluded.since END "
                "WHERE holder = ?2 OR until <= ?3 RETURNING 1",
                (role, holder, now, now + ttl_us),
            ).fetchone()
            return row is not None

        return await self.db.write(run)

    async def promote(self, limit: int) -> int:
        """See the contract."""
        now = self.clock.now()
        if not await self.db.read(_any_due, now):
            return 0
        promoted = await self.db.write(_promote, limit, now)
        self.wake(Topic.READY)
        return promoted

    async def tidy(self) -> None:
        """See the contract."""
        if await self.db.read(_any_untidy):
            await self.db.write(_tidy, self.clock.now())

    async def sequence(self, limit: int) -> int:
        """See the contract. Here events have their positions from the start."""
        del limit
        return 0

    async def prune(self, before: int) -> int:
        """See the contract."""
        pruned = 0
        while batch := await self.db.write(_prune, before):
            pruned += batch
        return pruned


def _any_untidy(connection: Connection) -> bool:
    query = "SELECT EXISTS (SELECT 1 FROM slot_limit) OR EXISTS (SELECT 1 FROM claim WHERE revoked)"
    return bool(connection.execute(query).fetchone()[0])


def _tidy(connection: Connection, now: int) -> None:
    """Close the leases of canceled tasks that nobody will let go any more, then look after the slots."""
    connection.execute(
        "DELETE FROM claim WHERE revoked AND CASE WHEN expires_at IS NULL "
        "THEN (SELECT dead FROM worker WHERE id = worker_id) ELSE expires_at <= ? END",
        (now,),
    )
    slots.sweep(connection)


def _any_due(connection: Connection, now: int) -> bool:
    return connection.execute("SELECT 1 FROM sched WHERE run_at <= ? LIMIT 1", (now,)).fetchone() is not None


def _promote(connection: Connection, limit: int, now: int) -> int:
    rows = connection.execute(
        "DELETE FROM sched WHERE task_id IN (SELECT task_id FROM sched WHERE run_at <= ? ORDER BY run_at LIMIT ?) "
        "RETURNING run_at, task_id, lane_id, attempt, failures, losses",
        (now, limit),
    ).fetchall()
    rows.sort()
    enter(connection, [(row[1], now + k, *row[2:]) for k, row in enumerate(rows)])
    return len(rows)


_KEPT = "ready", "sched", "parked", "claim", "open"
_BELONGINGS = ("attempt", "note", "line", "progress", "tag", "task_slot", "uniq", "dead")


def _prune(connection: Connection, before: int) -> int:
    """One chunk of tasks that were made before, have ended before, and are in no place but the dead letters."""
    places = " ".join(f"AND NOT EXISTS (SELECT 1 FROM {t} WHERE task_id = task.id)" for t in _KEPT)
    rows = connection.execute(
        f"SELECT id FROM task WHERE id < ? {places} AND NOT EXISTS "
        "(SELECT 1 FROM attempt a WHERE a.task_id = task.id AND a.finished_at >= ?) ORDER BY id LIMIT ?",
        (floor_id(before), before, _PRUNE_AT_ONCE),
    ).fetchall()
    if not rows:
        return 0
    ids = as_array(row[0] for row in rows)
    for table in _BELONGINGS:
        connection.execute(
            f"DELETE FROM {table} WHERE task_id IN (SELECT value FROM json_each(?))",
            (ids,),
        )
    connection.execute("DELETE FROM task WHERE id IN (SELECT value FROM json_each(?))", (ids,))
    # The last one stays: it holds the position after which the next one stands.
    connection.execute("DELETE FROM feed WHERE at < ? AND pos < (SELECT max(pos) FROM feed)", (before,))
    return len(rows)
