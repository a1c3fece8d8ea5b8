"""`taskyard notifications`."""

from __future__ import annotations

from typing import Annotated

import typer

from taskyard.cli.commands.inbox import User
from taskyard.cli.options import AsJson, Limit, YardName

group = typer.Typer(help="What people were told of their tasks.", no_args_is_help=True)


@group.command("list")
def list_(
    unread: Annotated[bool, typer.Option("--unread", help="Only what was not read.")] = False,
    limit: Limit = 20,
    user: User = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """What somebody was told, the latest first; listing marks nothing."""
    from taskyard.cli.access import open_access
    from taskyard.cli.output import local_time, print_json, print_table
    from taskyard.cli.running import execute

    async def ask() -> None:
        async with open_access(app) as access:
            page = await access.notifications({"unread": unread, "limit": limit}, user)
        if as_json:
            print_json(page)
            return
        rows = [
            ["" if one["readAt"] else "new", one["noticeId"], local_time(one["at"]), one["text"], one["taskId"]]
            for one in page["items"]
        ]
        print_table(["", "id", "at", "notice", "task"], rows, empty="nothing to read")

    execute(ask())


@group.command("read")
def read(
    notice_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Which; without one all.")] = None,
    unread: Annotated[bool, typer.Option("--unread", help="Have them unread again.")] = False,
    user: User = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """Have notices read."""
    from taskyard.cli.access import open_access
    from taskyard.cli.output import print_json, print_line
    from taskyard.cli.running import execute

    body = {"read": not unread, **({"noticeIds": notice_ids} if notice_ids else {})}

    async def ask() -> None:
        async with open_access(app) as access:
            told = await access.mark_notifications(body, user)
        print_json(told) if as_json else print_line(f"{told['count']} changed")

    execute(ask())


@group.command("preferences")
def preferences(
    wanted: Annotated[
        str | None, typer.Option("--set", metavar="JSON|@FILE|-", help="The new ones, as JSON, a file, or stdin.")
    ] = None,
    user: User = None,
    app: YardName = None,
) -> None:
    """How somebody wants to be told; with --set, from now on."""
    from taskyard.cli.access import open_access
    from taskyard.cli.fields import read_input
    from taskyard.cli.output import print_json
    from taskyard.cli.running import execute

    async def ask() -> None:
        async with open_access(app) as access:
            print_json(await access.preferences(None if wanted is None else read_input(wanted), user))

    execute(ask())
