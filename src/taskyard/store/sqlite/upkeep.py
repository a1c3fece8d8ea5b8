"""What has to be done now and then."""

from __future__ import annotations

from taskyard.contracts.records import LEADER_GAP_US, Topic
from taskyard.store.sqlite import slots
from taskyard.store.sqlite.base import Base, Connection
from taskyard.store.sqlite.moves import enter
from taskyard.store.sqlite.retention import forget_events, forget_rest, forget_tasks


class Upkeep(Base):
    """The facet of the same name."""

    async def lead(self, role: str, holder: str, ttl_us: int) -> bool:
        """See the contract."""
        now = self.clock.now()

        def run(connection: Connection) -> bool:
            row = connection.execute(
                "INSERT INTO leader (role, holder, since, renewed_at, until) VALUES (?1, ?2, ?3, ?3, ?4) "
                "ON CONFLICT (role) DO UPDATE SET until = excluded.until, holder = excluded.holder, "
                "renewed_at = excluded.renewed_at, "
                "since = CASE WHEN excluded.renewed_at - renewed_at > ?5 THEN excluded.since ELSE since END "
                "WHERE holder = ?2 OR until <= ?3 RETURNING 1",
                (role, holder, now, now + ttl_us, LEADER_GAP_US),
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
        if await self.db.read(_any_untidy) and await self.db.write(_tidy, self.clock.now()):
            self.wake(Topic.READY)

    async def sequence(self, limit: int) -> int:
        """See the contract. Here events have their positions from the start."""
        del limit
        return 0

    async def make_room(self, retention_us: int) -> None:
        """See the contract. Here what is over leaves its room to what comes."""
        del retention_us

    async def prune(self, before: int) -> int:
        """See the contract."""
        pruned = 0
        reached: int | None = 0
        while reached is not None:
            piece = await self.db.write(forget_tasks, before, reached)
            pruned, reached = pruned + piece.pruned, piece.reached
        while await self.db.write(forget_events, before):
            pass
        await self.db.write(forget_rest, before)
        return pruned


def _any_untidy(connection: Connection) -> bool:
    query = "SELECT EXISTS (SELECT 1 FROM slot_limit) OR EXISTS (SELECT 1 FROM claim WHERE revoked)"
    return bool(connection.execute(query).fetchone()[0])


def _tidy(connection: Connection, now: int) -> bool:
    """Close the leases of canceled tasks that nobody will let go any more, then look after the slots.

    Whether any task got one by that.
    """
    connection.execute(
        "DELETE FROM claim WHERE revoked AND CASE WHEN expires_at IS NULL "
        "THEN (SELECT dead FROM worker WHERE id = worker_id) ELSE expires_at <= ? END",
        (now,),
    )
    return slots.sweep(connection) > 0


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
