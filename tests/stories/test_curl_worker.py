"""A worker written with nothing but curl: dequeue, heartbeat, complete."""

import asyncio
import json
from pathlib import Path
from typing import Any

from taskyard import Taskyard
from tests.api.yard import ADMIN_TOKEN, define_more, make_yard, serving

INTERNAL = "/api/internal"


async def curl(method: str, url: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    """What curl gets: the status, and the JSON."""
    data = [] if body is None else ["--json", json.dumps(body)]
    process = await asyncio.create_subprocess_exec(
        "curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "20", "--request", method, *data,
        "--header", f"Authorization: Bearer {ADMIN_TOKEN}", "--write-out", "\n%{http_code}", url,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, problem = await process.communicate()
    assert process.returncode == 0, problem.decode()
    text, _, status = out.decode().rpartition("\n")
    return int(status), json.loads(text)


async def test_a_worker_needs_nothing_but_curl(tmp_path: Path) -> None:
    yard = make_yard(tmp_path)
    async with yard:
        await define_more(yard)
        async with serving(yard) as (address, _):
            await work(yard, f"http://{address}{INTERNAL}")


async def work(yard: Taskyard, api: str) -> None:
    status, task = await curl("POST", f"{api}/tasks", {"taskDefinitionId": "sums", "input": {"a": 20, "b": 22}})
    assert status == 201
    wish = {"workerId": "curl-1", "maxMessages": 1, "visibilityTimeout": 60, "waitTime": 10}
    status, answer = await curl("POST", f"{api}/queues/task-execution-automated/dequeue", wish)
    (message,) = answer["messages"]
    assert (status, message["taskId"]) == (200, task["taskId"])
    about = f"{api}/queues/messages/{message['taskId']}"
    held = {"leaseToken": message["leaseToken"]}
    sign = {**held, "progress": {"current": 1, "total": 2}, "logs": [{"text": "adding"}]}
    assert await curl("POST", f"{about}/heartbeat", sign) == (200, {"cancelRequested": False})
    total = message["input"]["a"] + message["input"]["b"]
    status, done = await curl("POST", f"{about}/complete", {**held, "output": total})
    assert (status, done["status"], done["output"]) == (200, "COMPLETED", 42)
    assert [each.text for each in await yard.engine.store.lines(int(task["taskId"]), 0, 10)] == ["adding"]
    status, late = await curl("POST", f"{about}/complete", {**held, "output": 0})
    assert (status, late["error"]["code"]) == (409, "STALE_LEASE")
    assert (await yard.get(task["taskId"])).task.output == 42
