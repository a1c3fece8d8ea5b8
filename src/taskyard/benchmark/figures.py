"""All figures of one database, one after the other."""

from __future__ import annotations

import os
import platform
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from taskyard.benchmark import measure
from taskyard.benchmark.scratch import connected, scratch
from taskyard.benchmark.tasks import note
from taskyard.settings import load
from taskyard.yard import Taskyard

_CALLERS = 50
_RATE = 100


class Figure(NamedTuple):
    """One thing measured. `unit` is `tasks/s` or `ms`."""

    name: str
    title: str
    value: float
    unit: str


class Size(NamedTuple):
    """How much to measure with: tasks to drain, worker processes, seconds of each steady load."""

    tasks: int
    processes: int
    seconds: float


async def figures(url: str, size: Size) -> AsyncIterator[Figure]:
    """Each figure as soon as it is known, measured on a scratch database beside the one at `url`.

    Raises ConfigurationError where none can be made there.
    """
    async with scratch(url) as address:
        with tempfile.TemporaryDirectory(prefix="taskyard-bench-") as text:
            folder = Path(text)
            settings = load().with_values(TASKYARD_DATABASE_URL=address, TASKYARD_DATA_DIR=text)
            yard = Taskyard(settings=settings)
            yard.register(note.key, note.function)
            await yard.engine.store.migrate()
            async with yard:
                async for figure in _measured(yard, folder, size):
                    yield figure


async def _measured(yard: Taskyard, folder: Path, size: Size) -> AsyncIterator[Figure]:
    one = await measure.enqueue_one_by_one(yard, size.seconds / 2)
    yield Figure("enqueue_1", "enqueue, one caller", one, "tasks/s")
    many = await measure.enqueue_concurrently(yard, _CALLERS, size.tasks // (4 * _CALLERS))
    yield Figure("enqueue_50", f"enqueue, {_CALLERS} callers at once", many, "tasks/s")
    bulk = await measure.enqueue_bulk(yard, size.tasks)
    yield Figure("enqueue_bulk", "enqueue, 1,000 a transaction", bulk, "tasks/s")
    drained = await measure.drain(yard, folder, size.processes)
    yield Figure("drain", f"run and commit, {size.processes} worker processes", drained, "tasks/s")
    median, worst = await measure.latency(yard, folder, _RATE, size.seconds)
    yield Figure("latency_p50", f"from due to running at {_RATE}/s, median", median, "ms")
    yield Figure("latency_p99", f"from due to running at {_RATE}/s, 99th percentile", worst, "ms")


async def surroundings(url: str) -> dict[str, str]:
    """What the figures depend on: versions, cores, load. Raises ConfigurationError without a database."""
    if url.startswith("sqlite:"):
        database = f"SQLite {sqlite3.sqlite_version}"
    else:
        async with connected(url) as connection:
            database = f"PostgreSQL {await connection.fetchval('SHOW server_version')}"
    return {
        "database": database,
        "python": platform.python_version(),
        "cores": str(os.cpu_count()),
        "load": f"{os.getloadavg()[0]:.1f}",
    }
