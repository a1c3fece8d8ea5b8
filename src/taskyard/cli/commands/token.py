"""`taskyard token create`."""

from __future__ import annotations

from typing import Annotated

import typer

from taskyard.cli.options import AsJson

group = typer.Typer(help="Make tokens for callers of the HTTP interface.", rich_markup_mode=None, no_args_is_help=True)

_DAY = 86_400.0


@group.callback()
def _together() -> None:
    """Keep `create` a command of its own, although it is the only one."""


@group.command()
def create(
    subject: Annotated[str, typer.Option(help="Whom it stands for; shown in audit trails.")],
    scope: Annotated[list[str], typer.Option(help="What it allows, such as tasks:read; may be repeated.")],
    group_: Annotated[
        list[str] | None, typer.Option("--group", help="A group of the subject; may be repeated.")
    ] = None,
    ttl: Annotated[float, typer.Option(min=1, help="Seconds it is valid.")] = 30 * _DAY,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, once.

    It is signed where TASKYARD_JWT_SECRET is set, and otherwise an API token that the store knows.
    """
    from taskyard.cli.output import print_json, print_line
    from taskyard.cli.running import execute
    from taskyard.cli.tokens import Wanted, make_token

    scopes = [name for text in scope for name in text.replace(",", " ").split()]
    made = execute(make_token(Wanted(subject, scopes, group_ or [], ttl)))
    if as_json:
        print_json(made)
    else:
        print_line(made["token"])
