"""`python -m bench [--rounds N] [--tasks N]`: Taskyard's own figures on both stores, into bench/results/taskyard.md.

PostgreSQL is started for it, durable as in production; `--database-url` measures on a server of yours instead.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.servers.postgres import PostgresServer

from bench.plots import draw_all
from taskyard.benchmark.figures import Figure, Size, figures, surroundings

RESULTS = Path(__file__).with_name("results")


async def measure(url: str, size: Size) -> list[Figure]:
    """One round on one store."""
    found = []
    async for figure in figures(url, size):
        print(f"  {figure.title}: {figure.value:,.1f} {figure.unit}", flush=True)
        found.append(figure)
    return found


@contextlib.contextmanager
def stores(database_url: str | None) -> Iterator[dict[str, str]]:
    """The stores to measure, by name."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="taskyard-bench-"))
        if database_url is None:
            database_url = stack.enter_context(PostgresServer.start(durable=True)).dsn()
        yield {"SQLite": f"sqlite:///{folder}/taskyard.db", "PostgreSQL": database_url}


def table(rounds: dict[str, list[list[Figure]]]) -> str:
    """Median and range of each figure."""
    lines = ["| store | figure | median | range | |", "| --- | --- | ---: | ---: | --- |"]
    for store, measured in rounds.items():
        for same in zip(*measured, strict=True):
            values = [figure.value for figure in same]
            middle, low, high = (f"{v:,.1f}" for v in (statistics.median(values), min(values), max(values)))
            lines.append(f"| {store} | {same[0].title} | {middle} | {low} to {high} | {same[0].unit} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, write and draw."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database-url")
    parser.add_argument("--plots", action="store_true", help="only draw again what is in bench/results")
    options = parser.parse_args()
    if not options.plots:
        measure_all(options.tasks, options.rounds, options.database_url)
    draw_all(RESULTS)


def measure_all(tasks: int, rounds: int, database_url: str | None) -> None:
    """All rounds, the stores in turns."""
    load = f"{os.getloadavg()[0]:.1f}"
    measured = defaultdict(list)
    with stores(database_url) as urls:
        around = asyncio.run(surroundings(urls["PostgreSQL"]))
        for number in range(rounds):
            for name, url in urls.items():
                print(f"round {number + 1} of {rounds}, {name}", flush=True)
                size = Size(tasks, 1 if name == "SQLite" else os.cpu_count() or 1, 10)
                measured[name].append(asyncio.run(measure(url, size)))
    said = (
        f"`python -m bench --tasks {tasks} --rounds {rounds}`, {datetime.now(UTC):%Y-%m-%d}; {around['database']} with "
        f"`fsync` and `synchronous_commit` on, SQLite with `synchronous=FULL`, Python {around['python']}, "
        f"{around['cores']} cores for database and workers together, load before it {load}."
    )
    (RESULTS / "taskyard.md").write_text(f"# Taskyard by itself\n\n{said}\n\n{table(measured)}\n")


if __name__ == "__main__":
    main()
