"""`taskyard notifications`."""

from __future__ import annotations

from typing import Annotated

import typer

from taskyard.cli.asking import Answer, ask, ask_and_tell, tell_page
from taskyard.cli.commands.inbox import User
from taskyard.cli.options import AsJson, Cursor, Limit, YardName

group = typer.Typer(help="What people were told of their tasks.", no_args_is_help=True)


@group.command("list")
def list_(
    unread: Annotated[bool, typer.Option("--unread", help="Only what was not read.")] = False,
    limit: Limit = 20,
    cursor: Cursor = None,
    user: User = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """What somebody was told, the latest first; listing marks nothing."""
    wanted = {"unread": unread, "limit": limit, **({"cursor": cursor} if cursor else {})}
    ask_and_tell(app, as_json, lambda access: access.notifications(wanted, user), tell_page(_tell))


def _tell(items: list[Answer]) -> None:
    from taskyard.cli.output import local_time, print_table

    rows = [
        ["" if one["readAt"] else "new", one["noticeId"], local_time(one["at"]), one["text"], one["taskId"]]
        for one in items
    ]
    print_table(["", "id", "at", "notice", "task"], rows, empty="nothing to read")


@group.command("read")
def read(
    notice_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Which; without one all.")] = None,
    unread: Annotated[bool, typer.Option("--unread", help="Have them unread again.")] = False,
    user: User = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """Have notices read."""
    from taskyard.cli.output import print_line

    body = {"read": not unread, **({"noticeIds": notice_ids} if notice_ids else {})}
    ask_and_tell(
        app,
        as_json,
        lambda access: access.mark_notifications(body, user),
        lambda told: print_line(f"{told['count']} changed"),
    )


@group.command("preferences")
def preferences(
    wanted: Annotated[
        str | None, typer.Option("--set", metavar="JSON|@FILE|-", help="The new ones, as JSON, a file, or stdin.")
    ] = None,
    user: User = None,
    app: YardName = None,
) -> None:
    """How somebody wants to be told; with --set, from now on."""
    from taskyard.cli.fields import read_input
    from taskyard.cli.output import print_json

    given = None if wanted is None else read_input(wanted)
    print_json(ask(app, lambda access: access.preferences(given, user)))
