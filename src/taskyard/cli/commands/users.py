"""`taskyard users [list|add|password|lock]`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from taskyard.cli.asking import ask
from taskyard.cli.options import AsJson, Cursor, Limit, YardName

group = typer.Typer(help="Enter people, and have them log in with a password.", rich_markup_mode=None)

_Id = Annotated[str, typer.Argument(metavar="ID", help="The person's id.", show_default=False)]
_Groups = Annotated[list[str] | None, typer.Option("--group", help="A group they are in; may be repeated.")]
_Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        help="What they may do, such as tasks:read; may be repeated. By default what they may, at first tasks:manual.",
    ),
]


@group.callback(invoke_without_command=True)
def _list_by_default(
    context: typer.Context, limit: Limit = 50, cursor: Cursor = None, app: YardName = None, as_json: AsJson = False
) -> None:
    if context.invoked_subcommand is None:
        list_users(limit, cursor, app, as_json)


@group.command("list")
def list_users(limit: Limit = 50, cursor: Cursor = None, app: YardName = None, as_json: AsJson = False) -> None:
    """List the people who were entered here."""
    from taskyard.cli.output import hint, print_json, print_table

    page = _do(app, "users", limit, cursor)
    if as_json:
        print_json(page)
        return
    rows = [(one["id"], one.get("name", ""), ", ".join(one.get("groups", ()))) for one in page["items"]]
    print_table(["user", "name", "groups"], rows, empty="nobody was entered yet")
    if page["nextCursor"]:
        hint(f"there are more: --cursor {page['nextCursor']}")


@group.command()
def add(
    user: _Id,
    name: Annotated[str | None, typer.Option(help="What people call them.")] = None,
    email: Annotated[str | None, typer.Option(help="Where mail reaches them.")] = None,
    group_: _Groups = None,
    skill: Annotated[list[str] | None, typer.Option(help="What they can do; may be repeated.")] = None,
    max_open: Annotated[int | None, typer.Option(help="How many open tasks they may have.")] = None,
    away: Annotated[bool | None, typer.Option("--away/--back", help="Whether they are given none.")] = None,
    app: YardName = None,
) -> None:
    """Enter a person, or change what is given of one who was entered."""
    told = {"name": name, "email": email, "groups": group_, "skills": skill, "maxOpen": max_open, "away": away}
    given = {key: value for key, value in told.items() if value is not None}

    async def put(access: Any) -> None:
        await access.put_user(user, {**await access.user(user), **given})

    ask(app, put)
    _tell(f"{user} is entered")


@group.command()
def password(user: _Id, scope: _Scopes = None, app: YardName = None) -> None:
    """Give a person a password to log in with: asked for, or the first line of stdin. What they had ends."""
    scopes = [name for text in scope or () for name in text.replace(",", " ").split()]
    _do(app, "give_password", user, _read_password(), scopes or None)
    _tell(f"{user} has a new password")


@group.command()
def lock(user: _Id, app: YardName = None) -> None:
    """Have a person log in with a password no longer; their sessions by it end."""
    _do(app, "take_password", user)
    _tell(f"{user} has no password any more")


def _read_password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _tell(text: str) -> None:
    from taskyard.cli.output import print_line

    print_line(text)


def _do(app: str | None, verb: str, *arguments: Any) -> Any:
    return ask(app, lambda access: getattr(access, verb)(*arguments))
