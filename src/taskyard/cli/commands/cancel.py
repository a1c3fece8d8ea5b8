"""`taskyard cancel ID`."""

from __future__ import annotations

from typing import Annotated

import typer

from taskyard.cli.options import AsJson, TaskId, YardName


def cancel(
    task_id: TaskId,
    reason: Annotated[str | None, typer.Option(help="Why; kept with the task.")] = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a task at once; its handler is told to stop."""
    from taskyard.cli.access import open_access
    from taskyard.cli.output import print_task_line
    from taskyard.cli.running import execute

    async def ask() -> None:
        async with open_access(app) as access:
            print_task_line(await access.cancel(task_id, reason), as_json=as_json)

    execute(ask())
