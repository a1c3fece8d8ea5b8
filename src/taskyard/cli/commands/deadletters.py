"""`taskyard deadletters [list|requeue|discard]`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from taskyard.cli.options import AsJson, Cursor, Limit, YardName

group = typer.Typer(help="List what failed for good, requeue or discard it.", rich_markup_mode=None)

_Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="The tasks' ids.", show_default=False)]
_OfKey = Annotated[str | None, typer.Option("--definition", metavar="KEY", help="All of this definition.")]
_All = Annotated[bool, typer.Option("--all", help="All there are.")]


@group.callback(invoke_without_command=True)
def _list_by_default(
    context: typer.Context, limit: Limit = 20, cursor: Cursor = None, app: YardName = None, as_json: AsJson = False
) -> None:
    if context.invoked_subcommand is None:
        list_dead_letters(limit, cursor, app, as_json)


@group.command("list")
def list_dead_letters(limit: Limit = 20, cursor: Cursor = None, app: YardName = None, as_json: AsJson = False) -> None:
    """List the dead letters, newest first."""
    from taskyard.cli.access import open_access
    from taskyard.cli.output import hint, print_json, print_tasks
    from taskyard.cli.running import execute

    async def ask() -> None:
        async with open_access(app) as access:
            page = await access.dead_letters(limit, cursor)
        if as_json:
            print_json(page)
            return
        print_tasks(page["items"], empty="there are no dead letters")
        if page["nextCursor"]:
            hint(f"there are more: --cursor {page['nextCursor']}")

    execute(ask())


@group.command()
def requeue(
    ids: _Ids = None,
    definition: _OfKey = None,
    everything: _All = False,
    input_: Annotated[
        str | None, typer.Option("--input", metavar="JSON|@FILE|-", help="Replace the input of each.")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.001, help="How many a second at most.")] = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """Run dead letters again, with fresh budgets."""
    from taskyard.cli.fields import read_input

    body = _chosen(ids, definition, everything)
    if input_ is not None:
        body["input"] = read_input(input_)
    if rate is not None:
        body["ratePerSecond"] = rate
    _move("requeue", body, app, as_json)


@group.command()
def discard(
    ids: _Ids = None,
    definition: _OfKey = None,
    everything: _All = False,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """Give dead letters up for good; the tasks stay FAILED."""
    _move("discard", _chosen(ids, definition, everything), app, as_json)


def _chosen(ids: list[str] | None, definition: str | None, everything: bool) -> dict[str, Any]:
    if sum((bool(ids), definition is not None, everything)) != 1:
        raise typer.BadParameter("say which: ids, --definition KEY, or --all")
    if ids:
        return {"taskIds": ids}
    return {"filter": {} if definition is None else {"definition": definition}}


def _move(verb: str, body: dict[str, Any], app: str | None, as_json: bool) -> None:
    from taskyard.cli.access import open_access
    from taskyard.cli.output import print_json, print_line
    from taskyard.cli.running import execute

    async def ask() -> None:
        async with open_access(app) as access:
            moved = await _move_all(verb, access.requeue if verb == "requeue" else access.discard, body)
        if as_json:
            print_json({"taskIds": moved, "complete": True})
        else:
            print_line(_told(verb, moved))
        _refuse_others(body.get("taskIds", []), moved)

    execute(ask())


async def _move_all(verb: str, act: Callable[[dict[str, Any]], Awaitable[Any]], body: dict[str, Any]) -> list[str]:
    """Page by page; which were moved. What is to go at a rate goes on at it from page to page. Where not all are moved
    it is said how many were.
    """
    from taskyard.cli.output import hint

    moved: list[str] = []
    try:
        while True:
            page = await act(body)
            moved += page["taskIds"]
            if page["nextCursor"] is None:
                return moved
            body = {**body, "cursor": page["nextCursor"]}
            if "ratePerSecond" in body:
                body["delay"] = len(moved) / body["ratePerSecond"]
    except BaseException:
        if moved:
            hint(f"{_told(verb, moved)} so far; the same command goes on with the others")
        raise


def _told(verb: str, moved: list[str]) -> str:
    return f"{len(moved)} {'task' if len(moved) == 1 else 'tasks'} {verb.removesuffix('e')}ed"


def _refuse_others(named: list[str], moved: list[str]) -> None:
    """Raises ValidationFailed with the ids that are none of a dead letter."""
    from taskyard.errors import ValidationFailed

    others = [id_ for id_ in dict.fromkeys(named) if id_ not in moved]
    if others:
        are = "is no dead letter" if len(others) == 1 else "are no dead letters"
        raise ValidationFailed(f"{', '.join(others)} {are}; `taskyard deadletters` lists those there are")
