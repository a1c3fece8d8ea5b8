"""`taskyard inbox`, `claim`, `release`, `assign`, `reassign`, `delegate`, `resolve`, `draft`, `complete`, `reject` and
`repair`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from taskyard.cli.asking import Answer, ask, ask_and_tell, tell_page
from taskyard.cli.options import AsJson, Cursor, Limit, TaskId, YardName

User = Annotated[
    str | None, typer.Option("--user", metavar="NAME", help="Whose; by default who is logged in, or the token's.")
]
Output = Annotated[
    str, typer.Option("--output", metavar="JSON|@FILE|-", help="The result as JSON, in a file, or from stdin.")
]
Said = Annotated[str | None, typer.Option("--comment", help="What is to be said of it.")]
To = Annotated[str, typer.Option(help="To whom.")]
Why = Annotated[str | None, typer.Option("--reason", help="Why.")]
View = Literal["open", "mine", "claimed", "groups", "unclaimed", "overdue", "done"]


def inbox(
    view: Annotated[View, typer.Option(help="Which of them; `open`: what you can do now.")] = "open",
    sort: Annotated[Literal["due", "priority", "age"], typer.Option(help="In which order.")] = "due",
    limit: Limit = 20,
    cursor: Cursor = None,
    user: User = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """What people have to do."""
    wanted = {"view": view, "sort": sort, "limit": limit, **({"cursor": cursor} if cursor else {})}
    ask_and_tell(app, as_json, lambda access: access.inbox(wanted, user), tell_page(_tell))


def _tell(items: list[Answer]) -> None:
    from taskyard.cli.output import print_table

    columns = ("taskId", "title", "priority", "dueDate", "assigneeId", "claimedBy")
    rows = [[item[name] for name in columns] for item in items]
    print_table(["id", "task", "priority", "due", "assigned to", "claimed by"], rows, empty="nothing to do")


def claim(task_id: TaskId, user: User = None, app: YardName = None, as_json: AsJson = False) -> None:
    """Take a task of your group; says who has it if you cannot."""
    _act(task_id, "claim", {}, user, app, as_json=as_json)


def release(task_id: TaskId, user: User = None, app: YardName = None, as_json: AsJson = False) -> None:
    """Give a claim back."""
    _act(task_id, "release", {}, user, app, as_json=as_json)


def assign(
    task_id: TaskId, to: To, reason: Why = None, user: User = None, app: YardName = None, as_json: AsJson = False
) -> None:
    """Give a task to a person, who does it or repairs it."""
    _act(task_id, "assign", {"assigneeId": to, "reason": reason}, user, app, as_json=as_json)


def reassign(
    task_id: TaskId,
    to: Annotated[str, typer.Option(help="To whom: a person, or with --group a group.")],
    group: Annotated[bool, typer.Option("--group", help="That is a group.")] = False,
    reason: Why = None,
    user: User = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """Hand a task over to another person or group."""
    body = {"assigneeType": "GROUP" if group else "USER", "assigneeId": to, "reason": reason}
    _act(task_id, "reassign", body, user, app, as_json=as_json)


def delegate(
    task_id: TaskId, to: To, reason: Why = None, user: User = None, app: YardName = None, as_json: AsJson = False
) -> None:
    """Have somebody else do a task, and get it back."""
    _act(task_id, "delegate", {"assigneeId": to, "reason": reason}, user, app, as_json=as_json)


def resolve(task_id: TaskId, user: User = None, app: YardName = None, as_json: AsJson = False) -> None:
    """Give a delegated task back to its owner."""
    _act(task_id, "resolve", {}, user, app, as_json=as_json)


def draft(task_id: TaskId, output: Output, user: User = None, app: YardName = None, as_json: AsJson = False) -> None:
    """Keep an unfinished result of a manual task."""
    from taskyard.cli.fields import read_input

    _act(task_id, "draft", {"output": read_input(output)}, user, app, as_json=as_json)


def complete(
    task_id: TaskId,
    output: Output = "null",
    outcome: Annotated[str | None, typer.Option(help="The decision, where the form names them.")] = None,
    comment: Said = None,
    user: User = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """End a manual task with its result."""
    from taskyard.cli.fields import read_input

    body = {"output": read_input(output), "outcome": outcome, "comment": comment}
    _act(task_id, "complete", body, user, app, as_json=as_json)


def reject(
    task_id: TaskId,
    reason: Annotated[str, typer.Option(help="Why not.")],
    user: User = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """End a manual task as FAILED."""
    _act(task_id, "reject", {"reason": reason}, user, app, as_json=as_json)


def repair(
    task_id: TaskId,
    input_: Annotated[
        str | None,
        typer.Option("--input", metavar="JSON|@FILE|-", help="The corrected input; without it, the input it had."),
    ] = None,
    comment: Said = None,
    user: User = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """Have a task that failed and came to you run again.

    `complete` does it by hand, and `reject` gives it up.
    """
    from taskyard.cli.fields import read_input

    body = {"input": None if input_ is None else read_input(input_), "comment": comment}
    _act(task_id, "repair", body, user, app, as_json=as_json)


def _act(task_id: str, verb: str, body: dict[str, Any], user: str | None, app: str | None, *, as_json: bool) -> None:
    from taskyard.cli.output import print_task_line

    print_task_line(ask(app, lambda access: access.act(task_id, verb, body, user)), as_json=as_json)
