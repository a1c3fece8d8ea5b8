"""`taskyard retry ID`."""

from __future__ import annotations

from taskyard.cli.options import AsJson, TaskId, YardName


def retry(task_id: TaskId, app: YardName = None, as_json: AsJson = False) -> None:
    """Run a FAILED task again, or a RETRYING one now."""
    from taskyard.cli.access import open_access
    from taskyard.cli.output import print_task_line
    from taskyard.cli.running import execute

    async def ask() -> None:
        async with open_access(app) as access:
            print_task_line(await access.retry(task_id), as_json=as_json)

    execute(ask())
