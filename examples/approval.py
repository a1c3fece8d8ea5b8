"""A refund that waits until a person has agreed: claimed from the command line, completed over HTTP."""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

from taskyard import AsyncTaskyardClient, Context, Taskyard
from taskyard.server import Address, serve
from taskyard.settings import load

folder = Path(tempfile.mkdtemp(prefix="taskyard-example-"))
here = {"TASKYARD_DATABASE_URL": f"sqlite:///{folder}/example.db", "TASKYARD_DATA_DIR": str(folder / "data")}
yard = Taskyard(settings=load().with_values(**here))

APPROVAL = {
    "key": "approve-refund",
    "title": "Approve the refund",
    "implementation": {"kind": "manual", "assignment": {"type": "GROUP", "id": "shop-managers"}},
    "uiComponents": [
        {
            "componentId": "decision",
            "displayTemplate": "{{ input.customer }} wants {{ input.amount }} back.",
            "fields": [
                {"fieldKey": "approved", "type": "boolean", "required": True},
                {"fieldKey": "why", "required": True, "visibleIf": {"approved": False}},
            ],
        }
    ],
}


@yard.task
async def refund(ctx: Context, customer: str, amount: float) -> str:
    decision = await ctx.run("approve-refund", {"customer": customer, "amount": amount})
    return f"paid {amount:g} to {customer}" if decision["approved"] else f"refused: {decision['why']}"


async def taskyard(*arguments: str, **settings: str) -> str:
    """What the command line answers."""
    command = [sys.executable, "-m", "taskyard", *arguments]
    asked = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **here, **settings}, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asked.communicate()
    return out.decode().strip()


async def agree(url: str, token: str) -> None:
    """What ann does: she finds the task, takes it and writes a draft; then she changes her mind and agrees."""
    remote = {"TASKYARD_URL": url, "TASKYARD_TOKEN": token}
    item = None
    while item is None:
        item = next(iter(json.loads(await taskyard("inbox", "--json", **remote))["items"]), None)
    print(item["form"]["parts"][0]["text"])
    task_id = item["taskId"]
    print(await taskyard("claim", task_id, **remote))
    await taskyard("draft", task_id, "--output", '{"approved": false}', **remote)
    async with AsyncTaskyardClient(url, token) as ann:
        task = await ann.complete(task_id, {"approved": True})
    print(f"{task.task_id} {task.task_definition_id} is {task.status}")


async def main() -> None:
    stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with yard.worker():
        serving = asyncio.create_task(
            serve(yard.app, host="127.0.0.1", port=0, worker=False, ready=address.set_result, stop=stop)
        )
        ready: Address = await address
        admin = (folder / "data" / "admin.token").read_text().strip()
        ann = await taskyard(
            "token", "create", "--subject", "ann", "--scope", "tasks:manual", "--group", "shop-managers"
        )
        async with AsyncTaskyardClient(ready.url, admin) as client:
            await client.push_definition(APPROVAL)
            run = await client.start("refund", {"customer": "Zoe", "amount": 70})
            await agree(ready.url, ann)
            print(await run.result())
        stop.set()
        await serving


asyncio.run(main())
