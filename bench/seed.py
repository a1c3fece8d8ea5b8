"""Millions of ended tasks at once, by SQL: what a busy month leaves behind, and what is unfinished in its midst."""

from __future__ import annotations

import sqlite3
import time
from typing import NamedTuple

import asyncpg

from taskyard.contracts.records import WorkerInfo
from taskyard.contracts.store import Store
from taskyard.domain.definition import Definition
from taskyard.domain.policy import Policy
from taskyard.domain.queue import LaneKey, Queue, TaskType
from taskyard.domain.retry import RetryPolicy
from taskyard.store.postgres.partitions import HOUR_US, attach, create, spans

DAYS = 30
DEFINITIONS = 200
READY, DELAYED, RETRYING, ASSIGNED, WAITING = 100_000, 5_000, 1_000, 20_000, 2_000
_HOURS = 120
_CHUNK = 500_000

# One row a task, the newest last. `h` is what looks like chance; a place of 0 is no place, so the task has ended.
_SEED = """
SELECT n, ({first} + n * {step}) * 4194304 + n % 4096 AS id, ({first} + n * {step}) * 1000 AS at, h,
  CASE WHEN n > {rows} THEN CASE WHEN n <= {rows} + {ready} THEN 1 ELSE 2 END
    WHEN n % {open_each} = 7 THEN 6 WHEN n % {waiting_each} = 9 THEN 7 ELSE 0 END AS place,
  CASE WHEN n % {open_each} = 7 THEN {kind} + {definitions} WHEN n < 6 THEN {kind} + {definitions} + 1
    ELSE {kind} + (h % {definitions}) * (h / 1024 % {definitions}) / {definitions} END AS kind_id,
  CASE WHEN h % 1000 < 20 THEN 2 WHEN h % 1000 < 30 AND n % 3 > 0 THEN 4 WHEN h % 1000 = 999 THEN 6 ELSE 1
    END AS outcome
FROM (SELECT n, (n * 2654435761) % 4294967296 / 16 AS h FROM ({numbers}) numbers) hashed
"""
_TASK = """
INSERT INTO {s}task (id, kind_id, policy_id, priority, workflow_id, correlation_id, cause_type, cause, parent_id, input)
SELECT id, kind_id, 1, 2, CASE WHEN h % 10 = 1 THEN 'big' WHEN h % 4 = 0 THEN 'w-' || n / 100 END,
  CASE WHEN h % 10 < 3 THEN 'order-' || n END,
  CASE WHEN h % 100 < 10 THEN 'schedule' WHEN h % 100 = 10 THEN 'trigger' WHEN h % 200 = 11 THEN 'task_Task' END,
  CASE WHEN h % 100 < 10 THEN 'nightly-' || n % 50 WHEN h % 100 = 10 THEN 'disk-full'
    WHEN h % 200 = 11 THEN 'parent' END,
  CASE WHEN h % 200 = 11 THEN id - 4194304 END, {blob}
FROM seed
"""
_ATTEMPT = """
INSERT INTO {s}attempt (task_id, attempt, outcome, worker_id, started_at, finished_at, run_ms, result)
SELECT id, 1, CASE place WHEN 0 THEN outcome WHEN 6 THEN 8 ELSE 9 END, 1, at + h % 60000000,
  at + h % 60000000 + 5000000, h % 5000, {blob}
FROM seed WHERE place IN (0, 6, 7)
"""
_TAG = """
INSERT INTO {s}tag (tag, task_id)
SELECT CASE WHEN n < 30 THEN 'rare' WHEN h % 40 < 2 THEN 'eu' ELSE 'us' END, id FROM seed WHERE n < 30 OR h % 40 < 4
"""
_OPEN = """
INSERT INTO {s}open (task_id, at, lane_id, attempt, failures, losses, place, assignee_type, assignee_id)
SELECT id, at, 1, 1, 0, 0, place, 'USER', CASE WHEN place = 6 THEN 'user-' || h % 97 END FROM seed WHERE place IN (6, 7)
"""
_READY = """
INSERT INTO {s}ready (task_id, ord, lane_id, attempt, failures, losses)
SELECT id, at, 1, 1, 0, 0 FROM seed WHERE place = 1
"""
_SCHED = """
INSERT INTO {s}sched (task_id, run_at, lane_id, attempt, failures, losses, retry)
SELECT id, at + 864000000000, 1, 1, 0, 0, {retry} FROM seed WHERE place = 2
"""
_DEAD_POSTGRES = """
INSERT INTO taskyard.dead (task_id, at, kind_id, lane_id, attempt, failures, losses)
SELECT id, at, kind_id, 1, 1, 0, 0 FROM seed WHERE place = 0 AND outcome = 2
"""
_DEAD_SQLITE = """
INSERT INTO dead (task_id, at, attempt, lane_id) SELECT id, at, 1, 1 FROM seed WHERE place = 0 AND outcome = 2
"""
_PAYLOAD = b'{"i":123456,"pad":"' + b"x" * 58 + b'"}'


class Seeded(NamedTuple):
    """What there is to ask for: kind ids by rank, last a manual, a rare and an unused one; the month's bounds."""

    kind_ids: list[int]
    begin: int
    end: int


async def names(store: Store) -> list[int]:
    """The definitions, a policy, a lane and a worker; the kinds' ids."""
    definitions = [Definition(key=f"definition-{n}") for n in range(DEFINITIONS)]
    definitions.append(Definition(key="approve", task_type=TaskType.MANUAL))
    definitions.append(Definition(key="rare", task_type=TaskType.INTEGRATION))
    kinds = await store.save_kinds([*definitions, Definition(key="never")])
    await store.policies([Policy(timeout=60, retry=RetryPolicy())])
    await store.lanes([LaneKey(Queue.AUTOMATED, Queue.AUTOMATED, "definition-0", 2, solo=False)])
    await store.register(WorkerInfo("bench", "host", 1, "1", (), 1, supervised=True))
    return [kind.id for kind in kinds]


async def seed_postgres(url: str, rows: int, kind_ids: list[int]) -> Seeded:
    """`rows` ended tasks and the unfinished ones, in partitions as the leader would have made them."""
    connection = await asyncpg.connect(url, server_settings={"synchronous_commit": "off"})
    end = int(time.time()) * 1_000_000
    begin = end - DAYS * 24 * HOUR_US
    await _month_of_partitions(connection, begin, end)
    for low in range(1, rows + READY + DELAYED + 1, _CHUNK):
        high = min(low + _CHUNK - 1, rows + READY + DELAYED)
        numbers = f"SELECT n::bigint FROM generate_series({low}, {high}) n"
        await connection.execute("CREATE TEMP TABLE seed AS " + _seed(rows, begin, end, kind_ids[0], numbers))
        blob = rf"'\x{_PAYLOAD.hex()}'::bytea"
        for sql in (_TASK, _ATTEMPT, _TAG, _OPEN, _READY, _SCHED, _DEAD_POSTGRES):
            await connection.execute(sql.format(s="taskyard.", blob=blob, retry="n % 5 = 0"))
        await connection.execute("DROP TABLE seed")
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return Seeded(kind_ids, begin, end)


def seed_sqlite(path: str, rows: int, kind_ids: list[int]) -> Seeded:
    """The same in a file."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    end = int(time.time()) * 1_000_000
    begin = end - DAYS * 24 * HOUR_US
    numbers = (
        f"WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted "
        f"WHERE n < {rows + READY + DELAYED}) SELECT n FROM counted"
    )
    connection.execute("CREATE TEMP TABLE seed AS " + _seed(rows, begin, end, kind_ids[0], numbers))
    connection.execute("BEGIN")
    for sql in (_TASK, _ATTEMPT, _TAG, _OPEN, _READY, _SCHED, _DEAD_SQLITE):
        connection.execute(sql.format(s="", blob=f"X'{_PAYLOAD.hex()}'", retry="n % 5 = 0"))
    connection.execute("COMMIT")
    connection.close()
    return Seeded(kind_ids, begin, end)


def _seed(rows: int, begin: int, end: int, kind: int, numbers: str) -> str:
    total = rows + READY + DELAYED
    return _SEED.format(
        first=begin // 1000,
        step=f"{(end - begin) // 1000 - 1} / {total}",
        rows=rows,
        ready=READY,
        open_each=max(11, rows // ASSIGNED),
        waiting_each=max(13, rows // WAITING),
        kind=kind,
        definitions=DEFINITIONS,
        numbers=numbers,
    )


async def _month_of_partitions(connection: asyncpg.Connection, begin: int, end: int) -> None:
    first = min((span.begin for span in await spans(connection)), default=end // HOUR_US + 1)
    low = begin // HOUR_US
    while low < first:
        await attach(connection, await create(connection, low, min(low + _HOURS, first)))
        low += _HOURS
