"""`taskyard worker [MODULE:YARD]`."""

from __future__ import annotations

from typing import Annotated

import typer

from taskyard.cli.options import AsJson, Yard


def worker(
    yard: Yard = None,
    queues: Annotated[
        list[str] | None,
        typer.Option(help="Only these, such as automated or task-execution-manual; commas separate."),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="How many worker processes.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Execute tasks; a process that dies is started again.

    It stops on SIGTERM or SIGINT, within TASKYARD_GRACE seconds; what runs may finish in most of them.
    """
    from taskyard.cli.exits import Exit
    from taskyard.cli.output import hint, hint_at_misspelt, print_json
    from taskyard.cli.running import execute
    from taskyard.cli.workers import queue_titles, work
    from taskyard.loading import load_yard
    from taskyard.logs import configure_logs

    titles = queue_titles(queues or [])
    app = load_yard(yard).app
    configure_logs(app.settings)
    hint_at_misspelt(app.settings)
    if as_json:
        print_json({"processes": processes, "queues": titles})
    else:
        hint(f"{processes} worker {'process' if processes == 1 else 'processes'}; Ctrl-C stops")
    execute(work(app, yard, titles, processes), interrupted=Exit.DONE)
