"""`python -m bench.backlog [--queued N] [--rounds N] [--only NAME]`: what a long queue, dead rows, many partitions and
a task as such cost PostgreSQL, at the level of the store. Each ratio is of two databases on one server, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from tests.servers.postgres import PostgresServer

from taskyard.contracts.records import Entry, Settlement, WorkerInfo
from taskyard.domain.definition import Definition
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.policy import Policy
from taskyard.domain.queue import LaneKey, Queue
from taskyard.domain.retry import RetryPolicy
from taskyard.store.postgres import PostgresStore
from taskyard.store.postgres.partitions import attach, create, spans

_BATCH = 100
_BULK = 1000
_TURN = 5_000
_INPUT = b'{"i":123456,"due":0.0,"pad":"' + b"x" * 58 + b'"}'
_SERVER = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min", "wal_compression": "off"}
_QUEUE_BY_SQL = """
WITH made AS (
  INSERT INTO taskyard.task (id, kind_id, policy_id, priority, input)
  SELECT $1::bigint + (n / 4096 << 22) + n % 4096, $2::int, $3::int, 2, $4::bytea FROM generate_series(1, $5::int) n
  RETURNING id
)
INSERT INTO taskyard.ready (task_id, ord, lane_id) SELECT id, ((id - $1) >> 12) + $7::bigint, $6::int FROM made
"""


class Line(NamedTuple):
    """A row of the table."""

    what: str
    one: str
    other: str
    ratio: str


class Ground(NamedTuple):
    """A store with a lane and a worker."""

    store: PostgresStore
    url: str
    kind_id: int
    policy_id: int
    lane_id: int
    worker_id: int

    @classmethod
    async def on(cls, url: str) -> Ground:
        """A database of its own, made ready."""
        store = PostgresStore(url)
        await store.migrate()
        await store.open()
        (kind,) = await store.save_kinds([Definition(key="noop")])
        (policy_id,) = await store.policies([Policy(timeout=60, retry=RetryPolicy())])
        (lane_id,) = await store.lanes([LaneKey(Queue.AUTOMATED, Queue.AUTOMATED, "noop", 2, solo=False)])
        worker = await store.register(WorkerInfo("bench", "host", 1, "1", (), 100, supervised=True))
        return cls(store, url, kind.id, policy_id, lane_id, worker)

    async def put(self, count: int) -> None:
        """Enqueue in bulk."""
        for low in range(0, count, _BULK):
            names = (self.kind_id, self.policy_id, self.lane_id, 2, _INPUT)
            await self.store.enqueue([Entry(id_, *names) for id_ in self.store.new_ids(min(_BULK, count - low))])

    async def queue(self, count: int) -> None:
        """Let so many wait since an hour ago, by SQL."""
        connection = await asyncpg.connect(self.url)
        begin = await self.store.now() - 3_600_000_000
        names = (self.kind_id, self.policy_id, _INPUT, count, self.lane_id, begin)
        await connection.execute(_QUEUE_BY_SQL, (begin // 1000) << 22, *names)
        await connection.execute("VACUUM ANALYZE")
        await connection.close()

    async def drain(self, count: int, batch: int = _BATCH) -> tuple[float, float]:
        """Claim and complete so many; seconds in all, and of those in claims. The leader does its part each second."""
        began, claiming, tidied = time.perf_counter(), 0.0, 0.0
        for _ in range(count // batch):
            if time.perf_counter() - tidied > 1:
                await self.lead()
                tidied = time.perf_counter()
            start = time.perf_counter()
            lease = await self.store.claim(self.worker_id, [self.lane_id], batch)
            claiming += time.perf_counter() - start
            if lease is None:
                raise RuntimeError("the queue is empty")
            ends = [Settlement(lease.id, t.task_id, t.attempt, Outcome.COMPLETED, 1, b"null") for t in lease.tasks]
            await self.store.settle(self.worker_id, ends, [lease.id])
        return time.perf_counter() - began, claiming

    async def lead(self) -> None:
        """What the leader does each second."""
        await self.store.tidy()
        await self.store.promote(4096)
        while await self.store.sequence(4096):
            pass

    async def partition(self, count: int) -> None:
        """Have so many spans of time behind the present one."""
        connection = await asyncpg.connect(self.url)
        first = (await spans(connection))[0].begin
        for number in range(1, count):
            async with connection.transaction():
                end = first - (number - 1) * 120
                await attach(connection, await create(connection, end - 120, end))
        await connection.close()


async def backlog(server: PostgresServer, rounds: int, queued: int) -> list[Line]:
    """Draining a few with many behind them, against a few alone."""
    few, many = [await Ground.on(server.create_database("backlog")) for _ in range(2)]
    await many.queue(queued)
    rates: list[list[float]] = [[], []]
    for _ in range(rounds):
        await few.queue(_TURN)
        for ground, kept in zip((few, many), rates, strict=True):
            seconds, _ = await ground.drain(_TURN)
            kept.append(_TURN / seconds)
    await _close(few, many)
    return [_compared(f"drain, {_TURN:,} against {queued:,} queued, tasks/s", *rates)]


async def dead_rows(server: PostgresServer, rounds: int, dead: int) -> list[Line]:
    """A claim with dead rows that a held snapshot keeps, against one without."""
    clean, held = [await Ground.on(server.create_database("dead")) for _ in range(2)]
    holder = await asyncpg.connect(held.url)
    snapshot = holder.transaction(isolation="repeatable_read")
    await snapshot.start()
    await holder.fetchval("SELECT count(*) FROM taskyard.ready")
    for ground in (clean, held):
        await ground.put(dead + rounds * 2000)
    await held.drain(dead)
    await clean.drain(dead)
    connection = await asyncpg.connect(clean.url)
    await connection.execute("VACUUM taskyard.ready")
    await connection.close()
    times: list[list[float]] = [[], []]
    for _ in range(rounds):
        for ground, kept in zip((clean, held), times, strict=True):
            await ground.lead()
            _, claiming = await ground.drain(2000)
            kept.append(claiming / (2000 / _BATCH) * 1000)
    await snapshot.rollback()
    await holder.close()
    await _close(clean, held)
    return [_compared(f"claim of {_BATCH}, without and with {dead:,} dead rows, ms", *times)]


async def partitions(server: PostgresServer, rounds: int, count: int) -> list[Line]:
    """The hot statements with 2 and with many spans of time."""
    few, many = [await Ground.on(server.create_database("spans")) for _ in range(2)]
    await few.partition(2)
    await many.partition(count)
    lines = []
    for batch, total in ((_BATCH, 2000), (1, 200)):
        spent: dict[str, list[list[float]]] = {verb: [[], []] for verb in ("enqueue", "claim", "complete")}
        for number in range(rounds + 1):
            for side, ground in enumerate((few, many)):
                began = time.perf_counter()
                for _ in range(total // batch):
                    await ground.put(batch)
                enqueuing = time.perf_counter() - began
                whole, claiming = await ground.drain(total, batch)
                if number:  # the first prepares the statements
                    for verb, seconds in zip(spent, (enqueuing, claiming, whole - claiming), strict=True):
                        spent[verb][side].append(seconds / (total / batch) * 1000)
        lines += [_compared(f"{verb} of {batch}, 2 and {count} spans, ms", *sides) for verb, sides in spent.items()]
    await _close(few, many)
    return lines


async def written(server: PostgresServer, rounds: int, total: int) -> list[Line]:
    """Bytes of write-ahead log and commits a task, in batches, the feed included."""
    ground = await Ground.on(server.create_database("wal"))
    await ground.put(_TURN)
    await ground.drain(_TURN)
    bytes_, commits = [], []
    for _ in range(rounds):
        before = await _written(ground.url)
        await ground.put(total)
        await ground.drain(total)
        await ground.lead()
        after = await _written(ground.url)
        bytes_.append((after[0] - before[0]) / total)
        commits.append((after[1] - before[1]) / total)
    await _close(ground)
    return [
        Line("WAL a task, bytes", f"{statistics.median(bytes_):.0f}", "", ""),
        Line("commits a task", f"{statistics.median(commits):.4f}", "", ""),
    ]


async def _written(url: str) -> tuple[int, int]:
    await asyncio.sleep(2)  # for the sessions to report what they did
    connection = await asyncpg.connect(url)
    row = await connection.fetchrow(
        "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn, xact_commit FROM pg_stat_database "
        "WHERE datname = current_database()"
    )
    await connection.close()
    return int(row[0]), int(row[1])


async def _close(*grounds: Ground) -> None:
    for ground in grounds:
        await ground.store.close()


def _compared(what: str, one: list[float], other: list[float]) -> Line:
    ratios = sorted(b / a for a, b in zip(one, other, strict=True))
    spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    return Line(what, _shown(statistics.median(one)), _shown(statistics.median(other)), spread)


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.backlog")
    parser.add_argument("--queued", type=int, default=1_000_000)
    parser.add_argument("--dead", type=int, default=50_000)
    parser.add_argument("--spans", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    parts: dict[str, tuple[Callable[[PostgresServer, int, int], Coroutine[Any, Any, list[Line]]], int]] = {
        "backlog": (backlog, options.queued),
        "dead": (dead_rows, options.dead),
        "spans": (partitions, options.spans),
        "wal": (written, 20_000),
    }
    lines = ["| what | one | other | ratio, median (range) |", "| --- | ---: | ---: | ---: |"]
    print(f"load {os.getloadavg()[0]:.1f}, {options.rounds} rounds\n\n" + "\n".join(lines), flush=True)
    with PostgresServer.start(durable=True, settings=_SERVER) as server:
        for name, (part, size) in parts.items():
            if options.only in name:
                for line in asyncio.run(part(server, options.rounds, size)):
                    lines.append(f"| {' | '.join(line)} |")
                    print(lines[-1], flush=True)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
