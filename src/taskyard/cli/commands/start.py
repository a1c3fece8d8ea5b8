"""`taskyard start KEY`."""

from __future__ import annotations

import typer

from taskyard.cli.options import AsJson, Key, RawInput, TaskOptions, YardName


def start(
    context: typer.Context,
    key: Key,
    input_: RawInput = None,
    option: TaskOptions = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """Have a task run, and print its id at once. Give its input as for `run`."""
    from taskyard.cli.access import open_access
    from taskyard.cli.output import hint, print_json, print_line
    from taskyard.cli.request import Given, create_body
    from taskyard.cli.running import execute

    async def ask() -> None:
        async with open_access(app) as access:
            body = await create_body(access, Given(key, input_, option or [], context.args))
            task, reused = await access.start(body)
        if as_json:
            print_json(task | ({"reused": True} if reused else {}))
            return
        print_line(task["taskId"])
        hint("it was there before and is reused" if reused else f"follow it with: taskyard follow {task['taskId']}")

    execute(ask())
