"""`python -m bench.people [--tasks N] [--people N] [--database-url URL]`: inboxes and claims with very many open tasks.

Over HTTP in this process, as each person by their own token, on PostgreSQL; as a Markdown table of milliseconds.
In turn with each request goes one to a bare route that asks the same server for `SELECT 1`: what the machine, its
neighbours and the HTTP client take is in both, so their ratio can be compared between machines.
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
from typing import NamedTuple

import asyncpg
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
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
_EVERY = 7
"""Each such task has a form, and a limit of how many one person may have."""

_PLAIN = Definition(key="decide", title="Decide", task_type=TaskType.MANUAL, implementation={"kind": "manual"})
_FORM = Definition(
    key="review",
    title="Review an order",
    task_type=TaskType.MANUAL,
    implementation={"kind": "manual", "assignment": {"type": "GROUP", "id": "g0", "maxOpen": 100_000}},
    ui_components=[
        {
            "componentId": "review",
            "displayTemplate": "Order {{ input.order }}",
            "fields": [
                {"fieldKey": "ok", "type": "boolean", "label": "Agreed", "required": True},
                {"fieldKey": "why", "type": "textarea", "required": True, "visibleIf": {"ok": False}},
                {"fieldKey": "sum", "type": "number", "validationRules": [{"type": "range", "value": {"min": 0}}]},
                {"fieldKey": "code", "validationRules": [{"type": "regex", "value": "^[A-Z]{2,8}$"}]},
                {"fieldKey": "since", "type": "date"},
                {"fieldKey": "reference", "defaultFrom": "input.order"},
            ],
            "actions": [{"actionKey": "approve", "label": "Approve"}, {"actionKey": "decline", "label": "Decline"}],
        }
    ],
)

_COLUMNS = (
    "asked for", "times", "p50 ms", "p95 ms", "longest", "bare p50", "bare p95", "ratio of p50", "of p95", "CPU ms",
)  # fmt: skip

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
    kinds = await define(engine, [_PLAIN, _FORM])
    policy = (await engine.store.policies([Policy(timeout=60, retry=RetryPolicy())]))[0]
    lanes = await engine.store.lanes(
        [LaneKey(Queue.MANUAL, Queue.MANUAL, each.definition.key, Priority.MEDIUM, solo=False) for each in kinds]
    )
    for start in range(0, tasks, _AT_ONCE):
        ids = engine.store.new_ids(min(_AT_ONCE, tasks - start))
        which = [int(number % _EVERY == 0) for number in range(len(ids))]
        await engine.store.enqueue(
            [
                Entry(id_, kinds[n].id, policy, lanes[n], Priority.MEDIUM, b'{"order":%d}' % id_)
                for id_, n in zip(ids, which, strict=True)
            ]
        )
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_OPEN, people, _GROUPS)
        await connection.execute("VACUUM ANALYZE taskyard.open")
        await connection.execute("ANALYZE taskyard.task, taskyard.attempt")
    finally:
        await connection.close()


class Timed(NamedTuple):
    """Milliseconds of each request, of each to the bare route, and of this process's processor for one request.

    That last can only be told apart when one goes at a time.
    """

    each: list[float]
    bare: list[float]
    cpu: float | None


class Bare:
    """Routes that do nothing but ask the server: the least that a request can take here."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        app = Starlette(routes=[Route("/read", self._read), Route("/write", self._write)])
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bare")

    @classmethod
    @contextlib.asynccontextmanager
    async def on(cls, url: str) -> AsyncIterator[Bare]:
        """On as many connections as the store has for each purpose."""
        async with asyncpg.create_pool(url, min_size=3, max_size=3) as pool:
            await pool.execute("CREATE TABLE bare_row (n int)")
            yield cls(pool)

    async def read(self, number: int) -> httpx.Response:
        """`SELECT 1`."""
        del number
        return await self._http.get("/read")

    async def write(self, number: int) -> httpx.Response:
        """One row, committed durably."""
        del number
        return await self._http.get("/write")

    async def _read(self, request: Request) -> Response:
        del request
        return Response(str(await self._pool.fetchval("SELECT 1")))

    async def _write(self, request: Request) -> Response:
        del request
        return Response(await self._pool.execute("INSERT INTO bare_row VALUES (1)"))


async def timed(bare: Bare, count: int, ask: Ask, at_once: int = 1) -> Timed:
    """So many requests, so many at once, each after one to the bare route."""
    times: list[float] = []
    bare_times: list[float] = []
    numbers, computed = iter(range(count)), 0.0

    async def once(number: int, taken: list[float], ask: Ask) -> float:
        began, cpu = time.perf_counter(), time.process_time()
        answer = await ask(number)
        taken.append((time.perf_counter() - began) * 1000)
        assert answer.status_code in (200, 409), answer.text
        return time.process_time() - cpu

    async def go_on() -> None:
        nonlocal computed
        for number in numbers:
            await once(number, bare_times, bare.read)
            computed += await once(number, times, ask)

    await asyncio.gather(*(go_on() for _ in range(at_once)))
    return Timed(sorted(times), sorted(bare_times), computed * 1000 / count if at_once == 1 else None)


def line(name: str, timed: Timed) -> str:
    """A row of the table."""
    (p50, p95), (bare50, bare95) = (
        [times[math.ceil(len(times) * q) - 1] for q in (0.5, 0.95)] for times in (timed.each, timed.bare)
    )
    cpu = "" if timed.cpu is None else f"{timed.cpu:.1f}"
    cells = (f"{p50:.1f}", f"{p95:.1f}", f"{timed.each[-1]:.1f}", f"{bare50:.1f}", f"{bare95:.1f}")
    return f"| {name} | {len(timed.each)} | {' | '.join(cells)} | {p50 / bare50:.1f} | {p95 / bare95:.1f} | {cpu} |"


async def measure(http: Client, people: list[Person], bare: Bare) -> AsyncIterator[str]:
    """The rows of the table."""

    def of(number: int) -> dict[str, str]:
        return people[number * 7 % len(people)].headers

    def inbox(query: str) -> Ask:
        return lambda number: http.get(f"/api/v1/inbox?limit=50&{query}", headers=of(number))

    async def claims(name: str, definition: str) -> AsyncIterator[str]:
        wanted = await unclaimed(http, people, definition)

        def claim(number: int) -> Awaitable[httpx.Response]:
            person, task_id = wanted[number]
            return http.post(f"/api/v1/tasks/{task_id}/claim", headers=person.headers)

        half = min(400, len(wanted) // 2)
        yield await row(name, half, claim)
        del wanted[:half]
        yield await row(f"{name}, 8 at once", half, claim, 8)

    async def figures(number: int) -> httpx.Response:
        del number
        return httpx.Response(200, json=await WorkFigures(http.services.engine.store).figures())

    async def row(name: str, count: int, ask: Ask, at_once: int = 1) -> str:
        return line(name, await timed(bare, count, ask, at_once))

    await timed(bare, 20, inbox("view=open"))
    yield await row("a bare route, one row committed", 300, bare.write)
    for view in ("open", "mine", "unclaimed", "groups", "overdue"):
        yield await row(f"inbox page, {view}, by due date", 300, inbox(f"view={view}"))
    for sort in ("priority", "age"):
        yield await row(f"inbox page, open, by {sort}", 300, inbox(f"sort={sort}"))
    yield await row("inbox page, open, each with a form", 100, inbox("definition=review"))
    yield await row("inbox page, open, with a text of titles", 100, inbox("q=Decide"))
    yield await row("inbox page, open, with a text of nothing", 100, inbox("q=nowhere"))
    yield await row("inbox page, open, 8 at once", 400, inbox("view=open"), 8)
    yield await row("counts", 200, lambda number: http.get("/api/v1/inbox/counts", headers=of(number)))
    for name, definition in (("claim", "decide"), ("claim, where a limit is counted", "review")):
        async for each in claims(name, definition):
            yield each
    yield await row("figures of people's work, counted anew", 20, figures)


async def unclaimed(http: Client, people: list[Person], definition: str) -> list[tuple[Person, str]]:
    """Some tasks of a definition that each could claim, in no order; what two of them want one has."""
    found: list[tuple[Person, str]] = []
    for person in people:
        query = f"view=unclaimed&limit=3&sort=age&definition={definition}"
        page = (await http.get(f"/api/v1/inbox?{query}", headers=person.headers)).json()
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
            async with Bare.on(url) as bare, Client(create_api(services), services) as http:
                async for row in measure(http, [Person(number) for number in range(people)], bare):
                    print(row, flush=True)


def main() -> None:
    """Seed, measure and print."""
    parser = argparse.ArgumentParser(prog="bench.people")
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--database-url")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the beginning")
    print(f"{options.tasks:,} open tasks, {options.people} people in {_GROUPS} groups\n")
    print(f"| {' | '.join(_COLUMNS)} |\n| --- |{' ---: |' * (len(_COLUMNS) - 1)}")
    with database(options.database_url) as url:
        asyncio.run(run(url, options.tasks, options.people))
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
