"""Starting definitions by hand; works without the browser interface."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import ANYTHING
from taskyard.api.task_story import line_json
from taskyard.domain.task import Task, to_json
from taskyard.engine.define import get_definition
from taskyard.engine.query import list_lines
from taskyard.engine.request import TaskRequest
from taskyard.engine.submit import submit
from taskyard.runtime.follow import wait_final

routes = Routes("People")

LONGEST_WAIT = 30.0
_LINES = 1000


@routes.add(
    "POST /admin/task/{key}/run",
    body=ANYTHING,
    body_optional=True,
    answers={200: schemas.RunAnswer, 202: schemas.Started},
)
async def run_definition(call: Call) -> Response:
    """Run a definition with the body as its input, and wait up to 30 seconds for the result."""
    task = await _start(call)
    try:
        async with asyncio.timeout(LONGEST_WAIT):
            task = await call.while_here(wait_final(call.engine, call.services.watcher, int(task.task_id)))
    except TimeoutError:
        return answer({"runId": task.task_id}, 202)
    lines = await list_lines(call.engine, int(task.task_id), 0, _LINES)
    return answer(
        {
            "runId": task.task_id,
            "status": task.status,
            "output": task.output,
            "error": task.error,
            "logs": [line_json(line) for line in lines],
            "startTime": to_json(task)["startTime"],
            "elapsed": task.execution_time,
        }
    )


@routes.add("POST /admin/task/{key}/start", body=ANYTHING, body_optional=True, answers={202: schemas.Started})
async def start_definition(call: Call) -> Response:
    """Start a definition with the body as its input."""
    task = await _start(call)
    return answer({"runId": task.task_id}, 202)


async def _start(call: Call) -> Task:
    key = call.param("key")
    await get_definition(call.engine, key)
    request = TaskRequest(task_definition_id=key, input=await call.json(optional=True))
    return (await submit(call.engine, request, call.caller)).task
