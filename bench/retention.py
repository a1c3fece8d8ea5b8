"""`python -m bench.retention [--rows N] [--open N]`: how long anybody waits while old tasks are let go of."""

from __future__ import annotations

import argparse
import asyncio
import os
import time

import asyncpg
from tests.servers.postgres import PostgresServer

from bench.backlog import Ground
from taskyard.contracts.records import Settlement
from taskyard.domain.lifecycle import Outcome
from taskyard.store.postgres.partitions import HOUR_US, attach, create

_RETENTION_US = 30 * 24 * HOUR_US
_SERVER = {"shared_buffers": "1GB", "max_wal_size": "8GB"}
_OLD = """
WITH made AS (
  INSERT INTO taskyard.task (id, kind_id, policy_id, priority, input)
  SELECT $1::bigint + (n / 64::bigint << 22) + n % 64, $2::int, $3::int, 2, $4::bytea
  FROM generate_series(1, $5::int) n RETURNING id
),
numbered AS (SELECT id, row_number() OVER (ORDER BY id) % ($5 / $6::int) = 0 AS open FROM made),
opened AS (
  INSERT INTO taskyard.open (task_id, at, lane_id, attempt, failures, losses, place)
  SELECT id, $7::bigint, 1, 1, 0, 0, 6 FROM numbered WHERE open
)
INSERT INTO taskyard.attempt (task_id, attempt, outcome, started_at, finished_at, result)
SELECT id, 1, CASE WHEN open THEN 8 ELSE 1 END, $7, $7, $4 FROM numbered
"""


async def fill(ground: Ground, rows: int, still_open: int) -> None:
    """A span of 60 days ago, with ended tasks and some that are open."""
    connection = await asyncpg.connect(ground.url)
    begin = await ground.store.now() - 2 * _RETENTION_US
    async with connection.transaction():
        span = await create(connection, begin // HOUR_US, begin // HOUR_US + 120)
        await attach(connection, span)
    names = (ground.kind_id, ground.policy_id, b"x" * 100, rows, still_open, begin)
    await connection.execute(_OLD, span.low, *names)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def work(ground: Ground, until: asyncio.Event) -> dict[str, list[float]]:
    """Enqueue, claim and complete one by one; milliseconds of each."""
    spent: dict[str, list[float]] = {"enqueue": [], "claim": [], "complete": []}
    while not until.is_set():
        began = time.perf_counter()
        await ground.put(1)
        put = time.perf_counter()
        lease = await ground.store.claim(ground.worker_id, [ground.lane_id], 10)
        claimed = time.perf_counter()
        if lease is not None:
            ends = [Settlement(lease.id, t.task_id, t.attempt, Outcome.COMPLETED) for t in lease.tasks]
            await ground.store.settle(ground.worker_id, ends, [lease.id])
        moments = (put - began, claimed - put, time.perf_counter() - claimed)
        for times, seconds in zip(spent.values(), moments, strict=True):
            times.append(seconds * 1000)
    return spent


async def run(server: PostgresServer, rows: int, still_open: int) -> None:
    """Work, first in peace and then during a compaction."""
    ground = await Ground.on(server.create_database("retention"))
    await fill(ground, rows, still_open)
    quiet, done = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().call_later(5, quiet.set)
    before = await work(ground, quiet)
    working = asyncio.create_task(work(ground, done))
    began = time.perf_counter()
    pruned = await ground.store.prune(await ground.store.now() - _RETENTION_US)
    seconds = time.perf_counter() - began
    done.set()
    during = await working
    print(f"{pruned:,} of {rows:,} tasks let go of in {seconds:.1f} s, {still_open:,} kept\n")
    print("| | p50 ms, before | during | p99 ms, before | during | longest, before | during |\n" + "| --- " * 7 + "|")
    for verb in before:
        cells = [f"{at(times[verb]):.1f}" for at in (_middle, _late, max) for times in (before, during)]
        print(f"| {verb} | {' | '.join(cells)} |")
    await ground.store.close()


def _middle(times: list[float]) -> float:
    return sorted(times)[len(times) // 2]


def _late(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.retention")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--open", type=int, default=20_000)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}")
    with PostgresServer.start(durable=True, settings=_SERVER) as server:
        asyncio.run(run(server, options.rows, options.open))


if __name__ == "__main__":
    main()
