"""`python -m bench [--tasks N] [--rounds N] [--out FILE]`: both stores, one JSON line a figure."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.servers.postgres import PostgresServer

from bench import measure
from bench.tasks import noop
from taskyard import Taskyard
from taskyard.settings import load


async def measure_store(name: str, url: str, tasks: int, processes: int, emit: Callable[..., None]) -> None:
    """All figures of one store."""
    with tempfile.TemporaryDirectory(prefix="taskyard-bench-") as text:
        folder = Path(text)
        yard = Taskyard(settings=load().with_values(TASKYARD_DATABASE_URL=url, TASKYARD_DATA_DIR=text))
        yard.register("noop", noop.function)
        await yard.app.engine.store.migrate()
        async with yard:
            emit(name, "enqueue_1", per_s=await measure.enqueue_one_by_one(yard, 2.5))
            emit(name, "enqueue_50_callers", per_s=await measure.enqueue_concurrently(yard, 50, 100))
            emit(name, "enqueue_bulk", per_s=await measure.enqueue_bulk(yard, tasks))
            emit(name, "drain", processes=processes, per_s=await measure.drain(yard, folder, processes))
            emit(name, "latency_100_per_s", **await measure.latency(yard, folder, 100, 5))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--tasks", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    lines: list[str] = []

    def emit(store: str, figure: str, **values: float) -> None:
        rounded = {key: round(value, 2) for key, value in values.items()}
        line = json.dumps({"store": store, "figure": figure, "load": round(os.getloadavg()[0], 1), **rounded})
        lines.append(line)
        print(line, flush=True)

    emit("machine", f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}", cores=os.cpu_count() or 0)
    with PostgresServer.start(durable=True) as server, tempfile.TemporaryDirectory(prefix="taskyard-bench-") as folder:
        for number in range(options.rounds):
            asyncio.run(measure_store("sqlite", f"sqlite:///{folder}/{number}.db", options.tasks, 1, emit))
            asyncio.run(measure_store("postgresql", server.create_database("bench"), options.tasks, 2, emit))
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
