"""`taskyard why ID`."""

from __future__ import annotations

from taskyard.cli.options import AsJson, TaskId, YardName


def why(task_id: TaskId, app: YardName = None, as_json: AsJson = False) -> None:
    """Say in one sentence why a task is not running."""
    from taskyard.cli.access import open_access
    from taskyard.cli.output import print_json, print_line
    from taskyard.cli.running import execute

    async def ask() -> None:
        async with open_access(app) as access:
            answer = await access.why(task_id)
            if as_json:
                print_json(answer)
            else:
                print_line(f"{answer['status']}: {answer['reason']}")

    execute(ask())
