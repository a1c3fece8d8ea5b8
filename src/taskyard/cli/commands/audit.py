"""`taskyard audit`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from taskyard.cli.options import AsJson, TaskId, YardName

group = typer.Typer(help="What happened to tasks: tell it, verify it.", no_args_is_help=True)


@group.command("story")
def story(
    task_id: TaskId,
    format_: Annotated[
        Literal["text", "jsonl", "csv"], typer.Option("--format", help="To be read, or for other programs.")
    ] = "text",
    app: YardName = None,
) -> None:
    """All that has happened to a task, from its beginning."""
    from taskyard.cli.access import open_access
    from taskyard.cli.output import print_line
    from taskyard.cli.running import execute

    async def ask() -> None:
        async with open_access(app) as access:
            print_line((await access.history(task_id, format_)).rstrip("\r\n"))

    execute(ask())


@group.command("verify")
def verify(
    head: Annotated[
        str | None, typer.Option(metavar="NUMBER:SEAL", help="A head that was noted before; it has to be there.")
    ] = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """Look whether the history of tasks is as it was sealed.

    The exit code is 1 when something was changed, is missing or was moved. Note the head that is printed, away from
    the database: with it, nobody can take entries off the end.
    """
    from taskyard.cli.access import open_access
    from taskyard.cli.exits import Exit
    from taskyard.cli.output import print_json, print_line, print_table
    from taskyard.cli.running import execute

    async def ask() -> bool:
        async with open_access(app) as access:
            verdict = await access.verify_audit(head)
        if as_json:
            print_json(verdict)
            return bool(verdict["findings"])
        if verdict["findings"]:
            rows = [[one["number"], one["problem"], one["taskId"], one["message"]] for one in verdict["findings"]]
            print_table(["entry", "problem", "task", "what was seen"], rows)
        print_line(f"{verdict['entries']} entries, {verdict['forgotten']} of tasks that are forgotten")
        print_line(f"head {verdict['head']}" if verdict["head"] else "nothing is sealed; see TASKYARD_AUDIT_CHAIN")
        return bool(verdict["findings"])

    if execute(ask()):
        raise typer.Exit(Exit.FAILED)
