"""`taskyard init NAME`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from taskyard.cli.options import AsJson


def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The project's name, and the folder it is made in.")],
    connector: Annotated[
        Literal["none", "kafka", "sqs", "http"], typer.Option(help="How events come and go.")
    ] = "none",
    database: Annotated[Literal["sqlite", "postgresql"], typer.Option(help="Where tasks are kept.")] = "sqlite",
    as_json: AsJson = False,
) -> None:
    """Make a project that runs: a task, its test, its settings."""
    from taskyard.cli.output import hint, print_json, print_line
    from taskyard.cli.scaffold import Project, scaffold

    folder = Path(name)
    made = scaffold(folder, Project(folder.absolute().name, connector, database))
    if as_json:
        print_json({"folder": str(folder.absolute()), "files": [str(path) for path in made]})
        return
    for path in made:
        print_line(str(folder / path))
    hint(f"now: cd {folder} && taskyard run count_words --text 'one two two' --app tasks:yard")
