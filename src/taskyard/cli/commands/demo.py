"""`taskyard demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from taskyard.cli.options import AsJson


def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop when the work is done.")] = False,
    folder: Annotated[Path, typer.Option(help="Where sample data and the demo's database are kept.")] = Path(
        ".taskyard/demo"
    ),
    host: Annotated[str, typer.Option(help="The address to bind to.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="The port; default TASKYARD_PORT, else 8420, or any when that is taken."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run sample tasks before your eyes, and serve them.

    They do real work on sample data that is made in the folder. The server goes on until Ctrl-C.
    """
    from taskyard.cli.demonstration import Demonstration
    from taskyard.cli.exits import Exit
    from taskyard.cli.running import execute
    from taskyard.settings import load

    settings = load()
    if port is None and settings.is_given("TASKYARD_PORT"):
        port = settings["TASKYARD_PORT"]
    demonstration = Demonstration(folder, host, port, once=once, as_json=as_json)
    if not execute(demonstration.run(), interrupted=Exit.DONE):
        raise typer.Exit(Exit.FAILED)
