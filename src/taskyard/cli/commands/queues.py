"""`taskyard queues [list|pause|resume]`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from taskyard.cli.options import AsJson, YardName

group = typer.Typer(help="Show the queues, pause them, or let them go on.", rich_markup_mode=None)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="Such as task-execution-automated, or automated.")]


@group.callback(invoke_without_command=True)
def _list_by_default(context: typer.Context, app: YardName = None, as_json: AsJson = False) -> None:
    if context.invoked_subcommand is None:
        list_queues(app, as_json)


@group.command("list")
def list_queues(app: YardName = None, as_json: AsJson = False) -> None:
    """Show the five queues with their figures."""
    from taskyard.cli.access import open_access
    from taskyard.cli.output import print_json
    from taskyard.cli.running import execute

    async def ask() -> None:
        async with open_access(app) as access:
            queues = await access.queues()
        if as_json:
            print_json({"items": queues, "nextCursor": None})
        else:
            _print(queues)

    execute(ask())


@group.command()
def pause(name: _Name, app: YardName = None, as_json: AsJson = False) -> None:
    """Let nothing be taken from a queue; what runs goes on."""
    _set(name, True, app, as_json)


@group.command()
def resume(name: _Name, app: YardName = None, as_json: AsJson = False) -> None:
    """Let a paused queue go on."""
    _set(name, False, app, as_json)


def _set(name: str, paused: bool, app: str | None, as_json: bool) -> None:
    from taskyard.cli.access import open_access
    from taskyard.cli.output import print_json
    from taskyard.cli.running import execute

    async def ask() -> None:
        async with open_access(app) as access:
            queue = await access.pause(name if name.startswith("task-") else f"task-execution-{name}", paused=paused)
        if as_json:
            print_json(queue)
        else:
            _print([queue])

    execute(ask())


def _print(queues: list[dict[str, Any]]) -> None:
    from taskyard.cli.output import duration, print_table

    print_table(
        ["queue", "state", "waiting", "running", "oldest", "added/s", "dispatched/s"],
        [
            (
                queue["name"],
                "paused" if queue["paused"] else "open",
                queue["depth"],
                _running(queue),
                duration(None if queue["oldestAge"] is None else queue["oldestAge"] * 1000),
                queue["addRate"],
                queue["dispatchRate"],
            )
            for queue in queues
        ],
    )


def _running(queue: dict[str, Any]) -> str:
    limit = queue["slots"]["limit"]
    return str(queue["inFlight"]) if limit is None else f"{queue['inFlight']} of {limit}"
