"""`python -m bench.people [--tasks N] [--people N] [--database-url URL]`: inboxes and claims with very many open tasks.

Over HTTP in this process, as each person by their own token, on PostgreSQL; as a Markdown table of milliseconds.
Without a URL it starts a PostgreSQL of its own. A database that is given must be empty; it is filled and left so.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import os
import platform
import random
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import asyncpg
import httpx
from tests.api.yard import Client, bearer, make_services
from tests.servers.postgres import PostgresServer

from taskyard import Taskyard
from taskyard.api.server import create_api
from taskyard.contracts.records import Entry
from taskyard.domain.definition import Definition
from taskyard.domain.policy import Policy
from taskyard.domain.priority import Priority
from taskyard.domain.queue import LaneKey, Queue, TaskType
from taskyard.domain.retry import RetryPolicy
from taskyard.engine.define import define
from taskyard.engine.engine import Engine
from taskyard.engine.people.figures import WorkFigures
from taskyard.settings import load

_GROUPS = 50
_GROUPS_OF_ONE = 3
_AT_ONCE = 5_000
_CHANCE = random.Random(7)

Ask = Callable[[int], Awaitable[httpx.Response]]

# Seven of ten are a group's and free, two are claimed, one is somebody's own; all are due within a month.
_OPEN = """
WITH gone AS (DELETE FROM taskyard.ready RETURNING task_id, ord, lane_id),
seeded AS (SELECT *, row_number() OVER (ORDER BY task_id) AS n FROM gone),
story AS (
  INSERT INTO taskyard.attempt (task_id, attempt, outcome, started_at, finished_at, run_ms)
  SELECT task_id, 1, 8, ord, ord + 1000, 1 FROM seeded
)
INSERT INTO taskyard.open (task_id, at, due_at, lane_id, attempt, failures, losses, place, assignee_type, assignee_id,
  claimed_by, sheet, urgency)
SELECT task_id, ord, ord + (n * 2654435761 % 2592000 - 86400) * 1000000, lane_id, 1, 0, 0, 6,
  CASE WHEN n % 10 = 0 THEN 'USER' ELSE 'GROUP' END,
  CASE WHEN n % 10 = 0 THEN 'p' || n / 10 % $1 ELSE 'g' || n * 7919 % $2 END,
  CASE WHEN n % 10 IN (1, 2) THEN 'p' || n / 10 % $1 END, '{}', 1 + n % 4
FROM seeded
"""


class Person:
    """One of those who work, by a token of their own."""

    def __init__(self, number: int) -> None:
        self.name = f"p{number}"
        groups = [f"g{(number * 13 + k * 17) % _GROUPS}" for k in range(_GROUPS_OF_ONE)]
        self.headers = bearer("tasks:manual", subject=self.name, groups=groups)


async def seed(engine: Engine, url: str, tasks: int, people: int) -> None:
    """Fill the database."""
    (kind,) = await define(
        engine, [Definition(key="decide", title="Decide", task_type=TaskType.MANUAL, implementation={"kind": "manual"})]
    )
    policy = (await engine.store.policies([Policy(timeout=60, retry=RetryPolicy())]))[0]
    lane = (await engine.store.lanes([LaneKey(Queue.MANUAL, Queue.MANUAL, "decide", Priority.MEDIUM, solo=False)]))[0]
    for start in range(0, tasks, _AT_ONCE):
        ids = engine.store.new_ids(min(_AT_ONCE, tasks - start))
        await engine.store.enqueue(
            [Entry(id_, kind.id, policy, lane, Priority.MEDIUM, b'{"order":%d}' % id_) for id_ in ids]
        )
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_OPEN, people, _GROUPS)
        await connection.execute("VACUUM ANALYZE taskyard.open")
        await connection.execute("ANALYZE taskyard.task, taskyard.attempt")
    finally:
        await connection.close()


class Timed(NamedTuple):
    """Milliseconds of each request, and how many of its own processor's time this process took for one."""

    each: list[float]
    cpu: float


async def timed(count: int, ask: Ask, at_once: int = 1) -> Timed:
    """So many requests, so many at once."""
    times: list[float] = []
    computed = time.process_time()
    numbers = iter(range(count))

    async def go_on() -> None:
        for number in numbers:
            began = time.perf_counter()
            answer = await ask(number)
            times.append((time.perf_counter() - began) * 1000)
            assert answer.status_code in (200, 409), answer.text

    await asyncio.gather(*(go_on() for _ in range(at_once)))
    return Timed(sorted(times), (time.process_time() - computed) * 1000 / count)


def line(name: str, timed: Timed) -> str:
    """A row of the table."""
    times = timed.each
    p50, p95 = (times[math.ceil(len(times) * q) - 1] for q in (0.5, 0.95))
    return f"| {name} | {len(times)} | {p50:.1f} | {p95:.1f} | {times[-1]:.1f} | {timed.cpu:.1f} |"


async def measure(http: Client, people: list[Person]) -> AsyncIterator[str]:
    """The rows of the table."""

    def of(number: int) -> dict[str, str]:
        return people[number * 7 % len(people)].headers

    def inbox(query: str) -> Ask:
        return lambda number: http.get(f"/api/v1/inbox?limit=50&{query}", headers=of(number))

    def claim(number: int) -> Awaitable[httpx.Response]:
        person, task_id = wanted[number]
        return http.post(f"/api/v1/tasks/{task_id}/claim", headers=person.headers)

    async def figures(number: int) -> httpx.Response:
        del number
        return httpx.Response(200, json=await WorkFigures(http.services.engine.store).figures())

    await timed(20, inbox("view=open"))
    for view in ("open", "mine", "unclaimed", "groups", "overdue"):
        yield line(f"inbox page, {view}, by due date", await timed(300, inbox(f"view={view}")))
    for sort in ("priority", "age"):
        yield line(f"inbox page, open, by {sort}", await timed(300, inbox(f"sort={sort}")))
    yield line("inbox page, open, with a text", await timed(100, inbox("q=Decide")))
    yield line("inbox page, open, 8 at once", await timed(400, inbox("view=open"), 8))
    yield line("counts", await timed(200, lambda number: http.get("/api/v1/inbox/counts", headers=of(number))))
    wanted = await unclaimed(http, people)
    yield line("claim", await timed(400, claim))
    del wanted[:400]
    yield line("claim, 8 at once", await timed(400, claim, 8))
    yield line("figures of people's work, counted anew", await timed(20, figures))


async def unclaimed(http: Client, people: list[Person]) -> list[tuple[Person, str]]:
    """Some tasks that each could claim, in no order; what two of them want one has."""
    found: list[tuple[Person, str]] = []
    for person in people:
        page = (await http.get("/api/v1/inbox?view=unclaimed&limit=3&sort=age", headers=person.headers)).json()
        found += [(person, item["taskId"]) for item in page["items"]]
    _CHANCE.shuffle(found)
    return found


@contextlib.contextmanager
def database(url: str | None) -> Iterator[str]:
    """An empty database."""
    if url is not None:
        yield url
        return
    with PostgresServer.start(durable=True, settings={"shared_buffers": "512MB"}) as server:
        yield server.create_database("people")


async def run(url: str, tasks: int, people: int) -> None:
    """Fill and measure."""
    with tempfile.TemporaryDirectory(prefix="taskyard-bench-") as folder:
        settings = load({}).with_values(TASKYARD_DATABASE_URL=url, TASKYARD_DATA_DIR=folder)
        yard = Taskyard(settings=settings)
        await yard.app.engine.store.migrate()
        async with yard:
            await seed(yard.engine, url, tasks, people)
            services = make_services(yard)
            async with Client(create_api(services), services) as http:
                async for row in measure(http, [Person(number) for number in range(people)]):
                    print(row, flush=True)


def main() -> None:
    """Seed, measure and print."""
    parser = argparse.ArgumentParser(prog="bench.people")
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--database-url")
    options = parser.parse_args()
    load_ = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load_:.1f}, {Path(__file__).name}")
    print(f"{options.tasks:,} open tasks, {options.people} people in {_GROUPS} groups\n")
    print("| asked for | times | p50 ms | p95 ms | longest | CPU ms |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    with database(options.database_url) as url:
        asyncio.run(run(url, options.tasks, options.people))


if __name__ == "__main__":
    main()
