"""`taskyard bench`."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from taskyard.cli.options import AsJson


def bench(
    tasks: Annotated[int, typer.Option(min=1000, help="How many tasks to enqueue and run.")] = 20_000,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Worker processes on PostgreSQL; default: one a core. SQLite has one.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="How long each steady load lasts.")] = 5.0,
    as_json: AsJson = False,
) -> None:
    """Measure speed and latency on your own database.

    It makes a scratch database on the server, or on the disk, that TASKYARD_DATABASE_URL names, and removes it.
    """
    from taskyard.benchmark.figures import Size
    from taskyard.cli.running import execute
    from taskyard.settings import load

    url = load()["TASKYARD_DATABASE_URL"]
    count = 1 if url.startswith("sqlite:") else processes or os.cpu_count() or 1
    execute(_bench(url, Size(tasks, count, seconds), as_json=as_json))


async def _bench(url: str, size: Any, *, as_json: bool) -> None:
    from taskyard.benchmark.figures import figures, surroundings
    from taskyard.cli.output import err, print_json, print_table

    around = await surroundings(url)
    found = []
    with err().status("measuring …") as status:
        async for figure in figures(url, size):
            found.append(figure)
            status.update(f"{figure.title}: {figure.value:,.1f} {figure.unit}")
    if as_json:
        print_json({"surroundings": around, "items": [figure._asdict() for figure in found]})
    else:
        print_table(["figure", "value", "unit"], [(f.title, f"{f.value:,.1f}", f.unit) for f in found])
        print_table(["", "measured with"], list(around.items()))
