"""Workers: who is there, and who has fallen silent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from taskyard.contracts.records import LEADER_GAP_US, WORKER_TTL_US, WorkerInfo, WorkerRow
from taskyard.store.sqlite.base import Base, Connection, as_array


class Workers(Base):
    """What workers say of themselves."""

    async def register(self, info: WorkerInfo) -> int:
        """See the contract."""
        return await self.db.write(_register, info, self.clock.now())

    async def beat(self, worker_id: int, running: Sequence[int], stats: dict[str, Any]) -> bool:
        """See the contract."""
        now = self.clock.now()

        def run(connection: Connection) -> bool:
            return (
                connection.execute(
                    "UPDATE worker SET beat_at = ?, running = ?, stats = ? WHERE id = ? AND dead = 0",
                    (now, as_array(running), msgspec.json.encode(stats), worker_id),
                ).rowcount
                > 0
            )

        return await self.db.write(run)

    async def bury(self, worker_id: int, running: Sequence[int] | None, *, crashed: bool = False) -> None:
        """See the contract."""

        def run(connection: Connection) -> None:
            connection.execute(
                "UPDATE worker SET dead = 1, crashed = ?, running = coalesce(?, running) WHERE id = ?",
                (crashed, None if running is None else as_array(running), worker_id),
            )

        await self.db.write(run)

    async def workers(self) -> list[WorkerRow]:
        """See the contract."""
        return await self.db.read(_workers, self.clock.now())

    async def give_up_silent(self, now: int) -> None:
        """Silent workers are dead from now on, whatever they say later.

        But only while a leader has renewed without a gap for as long, or where nobody leads: after a pause (of the
        machine, or of a file that somebody has locked) everybody looks dead.
        """
        paused = 0 if self.clock.moved_by_hand else now - LEADER_GAP_US
        silent = {"silence": now - WORKER_TTL_US, "gap": paused}
        if await self.db.read(_any_silent, silent):
            await self.db.write(_give_up, silent)


def _register(connection: Connection, info: WorkerInfo, now: int) -> int:
    spec = msgspec.json.encode(info._asdict())
    if info.pid == 0:
        row = connection.execute(
            "UPDATE worker SET info = ?, beat_at = ?, dead = 0 WHERE name = ? AND info ->> 'pid' = 0 RETURNING id",
            (spec, now, info.name),
        ).fetchone()
        if row is not None:
            return int(row[0])
    row = connection.execute(
        "INSERT INTO worker (name, info, started_at, beat_at, supervised) VALUES (?, ?, ?, ?, ?) RETURNING id",
        (info.name, spec, now, now, info.supervised),
    ).fetchone()
    return int(row[0])


def _workers(connection: Connection, now: int) -> list[WorkerRow]:
    rows = connection.execute(
        "SELECT w.id, w.info, w.started_at, w.beat_at, w.stats, "
        "(SELECT count(*) FROM claim c WHERE c.worker_id = w.id AND c.revoked = 0) "
        "FROM worker w WHERE w.dead = 0 AND w.beat_at > ? ORDER BY w.id",
        (now - WORKER_TTL_US,),
    )
    return [
        WorkerRow(id_, _info(info), started_at, beat_at, running, msgspec.json.decode(stats) if stats else {})
        for id_, info, started_at, beat_at, stats, running in rows
    ]


def _info(spec: bytes) -> WorkerInfo:
    fields = msgspec.json.decode(spec)
    fields["queues"] = tuple(fields["queues"])
    return WorkerInfo(**fields)


def is_dead(connection: Connection, worker_id: int) -> bool:
    """Whether the worker was given up or buried: what it took now would be lost at once."""
    return connection.execute("SELECT 1 FROM worker WHERE id = ? AND dead", (worker_id,)).fetchone() is not None


_SILENT = (
    "NOT dead AND info ->> 'pid' <> 0 AND beat_at <= :silence AND (:gap = 0 OR NOT EXISTS (SELECT 1 FROM leader) "
    "OR EXISTS (SELECT 1 FROM leader WHERE since <= :silence AND renewed_at > :gap))"
)


def _any_silent(connection: Connection, silent: dict[str, int]) -> bool:
    return connection.execute(f"SELECT 1 FROM worker WHERE {_SILENT} LIMIT 1", silent).fetchone() is not None


def _give_up(connection: Connection, silent: dict[str, int]) -> None:
    connection.execute(f"UPDATE worker SET dead = 1 WHERE {_SILENT}", silent)
