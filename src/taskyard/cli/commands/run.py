"""`taskyard run KEY`."""

from __future__ import annotations

import typer

from taskyard.cli.options import AsJson, Key, RawInput, TaskOptions, YardName


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
    import asyncio

    from taskyard.cli.access import open_access
    from taskyard.cli.exits import Exit
    from taskyard.cli.output import err, hint, print_json
    from taskyard.cli.request import Given, create_body
    from taskyard.cli.running import execute
    from taskyard.cli.script_files import is_script
    from taskyard.cli.watching import watch

    async def try_here() -> bool:
        from taskyard.cli.output import error_line
        from taskyard.cli.script_run import try_script
        from taskyard.settings import load

        tried = await try_script(load(), key, input_, context.args, quiet=as_json)
        if as_json:
            print_json(tried._asdict())
        elif tried.error is not None:
            err().print(error_line(tried.error))
        elif tried.output is not None:
            print_json(tried.output)
        return tried.error is None

    async def ask() -> bool:
        async with open_access(app, work=True) as access:
            body = await create_body(access, Given(key, input_, option or [], context.args))
            task = (await access.start(body)).task
            task_id = task["taskId"]
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

    if not execute(try_here() if is_script(key) else ask()):
        raise typer.Exit(Exit.FAILED)
