"""`taskyard run KEY`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from taskyard.cli.options import AsJson, Key, RawInput, TaskOptions, YardName

if TYPE_CHECKING:
    from taskyard.cli.request import Given


def run(
    context: typer.Context,
    key: Key,
    input_: RawInput = None,
    option: TaskOptions = None,
    app: YardName = None,
    as_json: AsJson = False,
) -> None:
    """Run a task and wait for its result.

    Give its input as --FIELD VALUE, typed as the task asks for it; a lone --FIELD is true, a repeated one a list,
    and --FILE @path uploads a file. `taskyard definitions show KEY` names the fields.

    KEY may be a file of source code (.py .js .ts .sh): then it is tried here, in the sandbox, and nothing is stored.

    Progress and logs go to stderr, the output goes to stdout as JSON. The exit code is 0, 1 when the task failed or
    was canceled, 2 when the usage or the input was refused.
    """
    from taskyard.cli.exits import Exit
    from taskyard.cli.request import Given
    from taskyard.cli.running import execute
    from taskyard.cli.script_files import is_script

    given = Given(key, input_, option or [], context.args)
    if not execute(_try_here(given, as_json) if is_script(key) else _ask(given, app, as_json)):
        raise typer.Exit(Exit.FAILED)


async def _try_here(given: Given, as_json: bool) -> bool:
    """Run a file of source code; whether it completed."""
    from taskyard.cli.output import err, error_line, print_json
    from taskyard.cli.script_run import try_script
    from taskyard.settings import load

    tried = await try_script(load(), given.key, given.input, given.fields, quiet=as_json)
    if as_json:
        print_json(tried._asdict())
    elif tried.error is not None:
        err().print(error_line(tried.error))
    elif tried.output is not None:
        print_json(tried.output)
    return tried.error is None


async def _ask(given: Given, app: str | None, as_json: bool) -> bool:
    """Run a task; whether it completed."""
    import asyncio

    from taskyard.cli.access import open_access
    from taskyard.cli.output import err, hint, print_json
    from taskyard.cli.request import create_body
    from taskyard.cli.watching import watch

    async with open_access(app, work=True) as access:
        task_id = (await access.start(await create_body(access, given))).task["taskId"]
        try:
            await watch(access, task_id, access.follow(task_id), None if as_json else err())
        except asyncio.CancelledError:
            hint(f"task {task_id} is not done: see `taskyard follow {task_id}` and `taskyard cancel {task_id}`")
            raise
        task = await access.task(task_id)
    completed = bool(task["status"] == "COMPLETED")
    if as_json:
        print_json(task)
    elif completed and task["output"] is not None:
        print_json(task["output"])
    return completed
