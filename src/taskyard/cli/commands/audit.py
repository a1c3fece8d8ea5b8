"""`taskyard audit`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from taskyard.cli.asking import Answer, ask
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
    from taskyard.cli.output import print_line

    print_line(ask(app, lambda access: access.history(task_id, format_)).rstrip("\r\n"))


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
    from taskyard.cli.exits import Exit
    from taskyard.cli.output import print_json

    verdict: Answer = ask(app, lambda access: access.verify_audit(head))
    (print_json if as_json else _tell)(verdict)
    if verdict["findings"]:
        raise typer.Exit(Exit.FAILED)


def _tell(verdict: Answer) -> None:
    from taskyard.cli.output import print_line, print_table

    if verdict["findings"]:
        rows = [[one["number"], one["problem"], one["taskId"], one["message"]] for one in verdict["findings"]]
        print_table(["entry", "problem", "task", "what was seen"], rows)
    print_line(f"{verdict['entries']} entries, {verdict['forgotten']} of tasks that are forgotten")
    print_line(f"head {verdict['head']}" if verdict["head"] else "nothing is sealed; see TASKYARD_AUDIT_CHAIN")
