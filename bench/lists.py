"""`python -m bench.lists [--rows N] [--store postgresql|sqlite] [--database-url URL]`: lists and overviews with a busy
month behind them, as a Markdown table of milliseconds.

Without a URL it starts a PostgreSQL of its own. A database that is given must be empty; it is filled and left so.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import os
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.servers.postgres import PostgresServer

from bench import seed
from bench.seed import Seeded
from taskyard import Taskyard
from taskyard.contracts.records import Filter
from taskyard.domain.lifecycle import State
from taskyard.domain.queue import TaskType
from taskyard.engine.engine import Engine
from taskyard.engine.metrics import metrics
from taskyard.engine.query import TaskPage, list_dead, list_tasks
from taskyard.settings import load

_LIMIT = 50
_PAGES = 4
_ROUNDS = 6
_HOUR_US = 3_600_000_000
_SERVER = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}


class Case(NamedTuple):
    """Something to list: what a page is asked for with, given the position after which it begins."""

    name: str
    page: Callable[[int | None], Awaitable[Any]]


def cases(engine: Engine, seeded: Seeded) -> Iterator[Case]:
    """Every filter alone, those that go together, and those that find nothing at all."""

    def found(name: str, *, by_start: bool = False, **wanted: Any) -> Case:
        sets: dict[str, Any] = {key: frozenset([wanted.pop(key)]) for key in ("status", "task_types") if key in wanted}
        fits = Filter(**wanted, **sets)
        return Case(name, lambda after: list_tasks(engine, fits, _LIMIT, after, by_start=by_start))

    kinds, begin, end = seeded
    common, middling, manual, rare, never = ((kinds[n],) for n in (0, 120, -3, -2, -1))
    hours = [begin + n * _HOUR_US for n in range(seed.DAYS * 24)]
    long_ago: dict[str, Any] = {"created_after": hours[30], "created_before": hours[31]}

    yield found("everything")
    yield found("everything, by start", by_start=True)
    for state in State:
        yield found(f"status {state}", status=state)
        yield found(f"status {state}, by start", by_start=True, status=state)
    for name, kind in (("common", common), ("middling", middling), ("rare", rare), ("never used", never)):
        yield found(f"definition, {name}", kind_ids=kind)
        yield found(f"definition, {name}, by start", by_start=True, kind_ids=kind)
        for state in (State.FAILED, State.CANCELED, State.PENDING, State.COMPLETED, State.ASSIGNED):
            yield found(f"{state} and {name} definition", status=state, kind_ids=kind)
    yield found("FAILED and common definition, by start", by_start=True, status=State.FAILED, kind_ids=common)
    yield found("ASSIGNED and manual definition", status=State.ASSIGNED, kind_ids=manual)
    for type_ in TaskType:
        yield found(f"type {type_}", task_types=type_)
    yield found("workflow", workflow_id="w-31000")
    yield found("workflow, large", workflow_id="big")
    yield found("workflow, large, FAILED", workflow_id="big", status=State.FAILED)
    yield found("workflow, large, WAITING", workflow_id="big", status=State.WAITING)
    yield found("workflow, large, rare definition", workflow_id="big", kind_ids=rare)
    yield found("workflow, large, by start", by_start=True, workflow_id="big")
    yield found("workflow, small, by start", by_start=True, workflow_id="w-31000")
    yield found("workflow, none", workflow_id="nowhere")
    yield found("correlation", correlation_id="order-100003")
    yield found("cause type", cause_type="schedule")
    yield found("cause type, rarer", cause_type="trigger")
    yield found("cause type, none", cause_type="event")
    yield found("cause", cause_type="schedule", cause="nightly-7")
    yield found("cause alone", cause="disk-full")
    yield found("cause, FAILED", cause_type="trigger", cause="disk-full", status=State.FAILED)
    yield found("tag", tag="eu")
    yield found("tag, rare", tag="rare")
    yield found("tag, none", tag="none")
    yield found("tag and FAILED", tag="eu", status=State.FAILED)
    yield found("tag and rare definition", tag="eu", kind_ids=rare)
    yield found("tag, by start", by_start=True, tag="eu")
    yield found("assignee", assignee="user-7")
    yield found("assignee and status", assignee="user-7", status=State.ASSIGNED)
    yield found("assignee, none", assignee="nobody")
    yield found("hour long ago", **long_ago)
    yield found("hour long ago, FAILED", status=State.FAILED, **long_ago)
    yield found("hour long ago, RETRYING", status=State.RETRYING, **long_ago)
    yield found("hour long ago, COMPLETED", status=State.COMPLETED, **long_ago)
    yield found("hour long ago, rare definition", kind_ids=rare, **long_ago)
    yield found("before the month", created_before=begin - _HOUR_US)
    yield found("started in an hour long ago", started_after=hours[30], started_before=hours[31])
    yield found("started since long ago", started_after=hours[30])
    yield found("started long ago", started_before=hours[31])
    yield found(
        "started in an hour long ago, by start", by_start=True, started_after=hours[30], started_before=hours[31]
    )
    yield found("started long ago, FAILED", status=State.FAILED, started_before=hours[31])
    yield found("started since long ago, rare definition", kind_ids=rare, started_after=hours[30])
    yield found("started before the month", started_before=begin - _HOUR_US)
    yield found("text, common", id_prefix=None, title_kind_ids=tuple(kinds[:100]), correlation_prefix="order-")
    yield found("text, one order", correlation_prefix="order-100003")
    yield found("text, some orders", correlation_prefix="order-1000")
    yield found("text, an id's beginning", id_prefix="748", correlation_prefix="748")
    yield found("text, none", correlation_prefix="zzz")
    yield found("text, common, FAILED", status=State.FAILED, correlation_prefix="order-")
    yield Case("dead letters", lambda after: list_dead(engine, _LIMIT, after))
    yield Case("dead letters, rare definition", lambda after: list_dead(engine, _LIMIT, after, rare))
    store, since = engine.store, end - 24 * _HOUR_US
    yield Case("counts of a day", lambda _: store.counts(since))
    yield Case("counts of the month", lambda _: store.counts(begin))
    yield Case("rates", lambda _: store.rates(60))
    yield Case("run times", lambda _: store.run_times(since))
    yield Case("queues", lambda _: store.queues())
    yield Case("metrics, whole", lambda _: metrics(engine, {}))


class Measured(NamedTuple):
    """Milliseconds of the pages and of a plain one beside each, the ids found, whether the first page was short."""

    times: list[float]
    plain: list[float]
    found: int
    short: bool


async def measure(case: Case, plain: Case) -> Measured:
    """Some pages, again and again, each after a plain one: so it can be told from the load of the machine."""
    measured = Measured([], [], 0, short=False)
    for _ in range(_ROUNDS):
        after: int | None = None
        found, short = 0, False
        for number in range(_PAGES):
            measured.plain.append((await _timed(plain, None))[0])
            took, page = await _timed(case, after)
            measured.times.append(took)
            if not isinstance(page, TaskPage):
                break
            after = page.next
            found += len(page.items)
            short |= number == 0 and after is not None and len(page.items) < _LIMIT
            if after is None:
                break
        measured = measured._replace(found=found, short=short)
    return measured


async def _timed(case: Case, after: int | None) -> tuple[float, Any]:
    began = time.perf_counter()
    page = await case.page(after)
    return (time.perf_counter() - began) * 1000, page


async def run(url: str, rows: int, only: str) -> list[str]:
    """The table's rows."""
    lines = []
    with tempfile.TemporaryDirectory(prefix="taskyard-bench-") as folder:
        settings = load().with_values(TASKYARD_DATABASE_URL=url, TASKYARD_DATA_DIR=folder)
        yard = Taskyard(settings=settings)
        await yard.app.engine.store.migrate()
        async with yard:
            kind_ids = await seed.names(yard.app.engine.store)
            if url.startswith("sqlite"):
                seeded = seed.seed_sqlite(url.removeprefix("sqlite:///"), rows, kind_ids)
            else:
                seeded = await seed.seed_postgres(url, rows, kind_ids)
            plain, *_ = all_ = list(cases(yard.app.engine, seeded))
            for case in all_:
                if only in case.name:
                    lines.append(_line(case.name, await measure(case, plain)))
                    print(lines[-1], flush=True)
    return lines


def _line(name: str, measured: Measured) -> str:
    times = sorted(measured.times)
    p50, p95 = (times[math.ceil(len(times) * q) - 1] for q in (0.5, 0.95))
    ratio = p50 / statistics.median(measured.plain)
    found = f"{measured.found}{' …' if measured.short else ''}"
    return f"| {name} | {found} | {p50:.1f} | {p95:.1f} | {times[-1]:.1f} | {ratio:.1f} |"


@contextlib.contextmanager
def _database(store: str, url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
    elif store == "sqlite":
        with tempfile.TemporaryDirectory(prefix="taskyard-bench-") as folder:
            yield f"sqlite:///{folder}/lists.db"
    else:
        with PostgresServer.start(settings=_SERVER) as server:
            yield server.create_database("lists")


def main() -> None:
    """Seed, measure and print."""
    parser = argparse.ArgumentParser(prog="bench.lists")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--store", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--database-url")
    parser.add_argument("--only", default="", help="the cases with this in their name")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    about = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores"
    print(f"{options.rows:,} ended tasks, {options.store}, {about}, load {os.getloadavg()[0]:.1f}\n")
    head = ["| listed | found | p50 ms | p95 ms | longest | of a plain page |", "| --- |" + " ---: |" * 5]
    print("\n".join(head), flush=True)
    with _database(options.store, options.database_url) as url:
        lines = asyncio.run(run(url, options.rows, options.only))
    if options.out:
        options.out.write_text("\n".join([*head, *lines]) + "\n")


if __name__ == "__main__":
    main()
