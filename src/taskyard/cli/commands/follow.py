"""`taskyard follow ID`."""

from __future__ import annotations

from typing import Annotated

import typer

from taskyard.cli.options import TaskId, YardName


def follow(
    task_id: TaskId,
    after: Annotated[int, typer.Option(min=0, help="Leave out what happened up to this sequence.")] = 0,
    app: YardName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each message as one line of JSON.")] = False,
) -> None:
    """Follow a run: what happened, then what happens."""
    from taskyard.cli.access import open_access
    from taskyard.cli.exits import Exit
    from taskyard.cli.output import out, print_json_line
    from taskyard.cli.running import execute
    from taskyard.cli.watching import watch

    async def ask() -> None:
        async with open_access(app, work=True) as access:
            messages = access.follow(task_id, after)
            if as_json:
                async for message in messages:
                    print_json_line(message)
            else:
                await watch(access, task_id, messages, out())

    execute(ask(), interrupted=Exit.DONE)
