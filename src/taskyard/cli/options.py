"""Options that many commands take."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
YardName: TypeAlias = Annotated[
    str | None, typer.Option("--app", metavar="MODULE:YARD", help="Use this yard and its store, and execute here.")
]
TaskId: TypeAlias = Annotated[str, typer.Argument(metavar="ID", help="The task's id.", show_default=False)]
Limit: TypeAlias = Annotated[int, typer.Option("--limit", min=1, max=200, help="How many to list at most.")]
Cursor: TypeAlias = Annotated[
    str | None, typer.Option("--cursor", help="Where the next page begins, as the page before said.")
]
Key: TypeAlias = Annotated[
    str, typer.Argument(metavar="KEY", help="The definition's key; it stands before the fields.", show_default=False)
]
RawInput: TypeAlias = Annotated[
    str | None,
    typer.Option("--input", metavar="JSON|@FILE|-", help="The whole input as JSON, in a file, or from stdin."),
]
TaskOptions: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--option", "-o", metavar="NAME=VALUE", help="What is not input: -o priority=HIGH, delay=60, expire=3600, …"
    ),
]
Yard: TypeAlias = Annotated[
    str | None,
    typer.Argument(metavar="[MODULE:YARD]", help="The yard whose tasks can be executed.", show_default=False),
]
