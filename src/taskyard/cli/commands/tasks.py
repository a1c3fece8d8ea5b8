"""`taskyard tasks`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import typer

from taskyard.cli.options import AsJson, Cursor, Limit, YardName


def _moment(text: str) -> str:
    """A time as the contract writes it; without a zone it is a local one."""
    try:
        when = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time such as 2026-01-31T12:00") from None
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_Text = Annotated[str | None, typer.Option()]
_Time = Annotated[str | None, typer.Option(metavar="TIME", callback=lambda text: text and _moment(text))]


def tasks(
    status: Annotated[list[str] | None, typer.Option(help="PENDING, RUNNING, RETRYING, …; may be repeated.")] = None,
    task_type: Annotated[list[str] | None, typer.Option(help="AUTOMATED, INTEGRATION or MANUAL.")] = None,
    definition: Annotated[str | None, typer.Option(metavar="KEY")] = None,
    workflow_id: _Text = None,
    cause_type: _Text = None,
    cause: _Text = None,
    parent_task_id: Annotated[str | None, typer.Option(help="The subtasks of this task.")] = None,
    hash_: Annotated[str | None, typer.Option("--hash")] = None,
    correlation_id: _Text = None,
    assignee: _Text = None,
    tag: _Text = None,
    q: Annotated[str | None, typer.Option("--q", help="The start of an id, a title or a correlation id.")] = None,
    created_after: _Time = None,
    created_before: _Time = None,
    started_after: _Time = None,
    started_before: _Time = None,
    sort: Annotated[Literal["created", "started"], typer.Option(help="Newest first by this.")] = "created",
    limit: Limit = 20,
    cursor: Cursor = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """List tasks, newest first. Times are ISO-8601; without a zone they are local."""
    from taskyard.cli.access import open_access
    from taskyard.cli.output import print_json
    from taskyard.cli.running import execute

    query = {
        "status": _parts(status), "taskType": _parts(task_type), "definition": definition, "workflowId": workflow_id,
        "causeType": cause_type, "cause": cause, "parentTaskId": parent_task_id, "hash": hash_,
        "correlationId": correlation_id, "assignee": assignee, "tag": tag, "q": q, "createdAfter": created_after,
        "createdBefore": created_before, "startedAfter": started_after, "startedBefore": started_before,
        "sort": sort, "limit": limit, "cursor": cursor,
    }  # fmt: skip

    async def ask() -> None:
        async with open_access(app) as access:
            page = await access.tasks({name: value for name, value in query.items() if value})
        if as_json:
            print_json(page)
        else:
            _print(page)

    execute(ask())


def _parts(texts: list[str] | None) -> list[str]:
    """Names that were given one by one, or separated by commas."""
    return [name.strip().upper() for text in texts or () for name in text.split(",")]


def _print(page: dict[str, Any]) -> None:
    from taskyard.cli.output import hint, print_tasks

    print_tasks(page["items"], empty="no such tasks")
    if page["nextCursor"]:
        hint(f"there are more: --cursor {page['nextCursor']}")
