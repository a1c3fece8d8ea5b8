"""Workers: who is there, and who has fallen silent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from taskyard.contracts.records import WORKER_TTL_US, WorkerInfo, WorkerRow
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

    async def bury(self, worker_id: int, running: Sequence[int] | None) -> None:
        """See the contract."""

        def run(connection: Connection) -> None:
            connection.execute(
                "UPDATE worker SET dead = 1, running = coalesce(?, running) WHERE id = ?",
                (None if running is None else as_array(running), worker_id),
            )

        await self.db.write(run)

    async def workers(self) -> list[WorkerRow]:
        """See the contract."""
        return await self.db.read(_workers, self.clock.now())

    async def give_up_silent(self, now: int) -> None:
        """Silent workers are dead from now on, whatever they say later."""
        if await self.db.read(_any_silent, now):
            await self.db.write(_give_up, now)


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


_SILENT = "NOT dead AND beat_at <= ?"


def _any_silent(connection: Connection, now: int) -> bool:
    query = f"SELECT 1 FROM worker WHERE {_SILENT} LIMIT 1"
    return connection.execute(query, (now - WORKER_TTL_US,)).fetchone() is not None


def _give_up(connection: Connection, now: int) -> None:
    connection.execute(f"UPDATE worker SET dead = 1 WHERE {_SILENT}", (now - WORKER_TTL_US,))
