"""Tasks: create, look, change."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_task
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.api.visibility import see
from taskyard.domain.forms.start import start_errors
from taskyard.domain.json import MAX_DETAILS, refusal
from taskyard.domain.task import Task, tell, to_json
from taskyard.engine.cancel import cancel
from taskyard.engine.requeue import retry
from taskyard.engine.status import set_status
from taskyard.engine.submit import submit, submit_many
from taskyard.errors import ValidationFailed

internal = Routes("Internal: tasks")
routes = Routes("Tasks")

_CREATED: dict[int, Any] = {201: Task, 200: schemas.ReusedTask}


class StatusQuery(msgspec.Struct):
    """`token`: the one that the task was handed over under; it is refused once the task has been requeued."""

    token: str | None = None


STATUS_QUERY = Shape[StatusQuery](StatusQuery)


@internal.add("POST /api/internal/tasks", body=schemas.CREATE, answers=_CREATED)
@routes.add("POST /api/v1/tasks", body=schemas.CREATE, answers=_CREATED)
async def create_task(call: Call) -> Response:
    """Create a task, or find the one it may reuse."""
    value = await call.json()
    try:
        request = schemas.CREATE.parse(value)
    except ValidationFailed as error:
        raise await _everything_wrong(call, {"": value}, error) from None
    submitted = await submit(call.engine, request, call.caller)
    if submitted.reused:
        return answer({**to_json(submitted.task), "reused": True})
    return answer_task(submitted.task, 201)


@internal.add("POST /api/internal/tasks/bulk", body=schemas.BULK, answers={201: schemas.TaskItems})
async def create_tasks(call: Call) -> Response:
    """Create up to 1000 tasks, all or none."""
    value = await call.json(large=True)
    try:
        bulk = schemas.BULK.parse(value)
    except ValidationFailed as error:
        tasks = value.get("tasks") if isinstance(value, dict) else None
        values = {f"/tasks/{index}": task for index, task in enumerate(tasks if isinstance(tasks, list) else ())}
        raise await _everything_wrong(call, values, error) from None
    submitted = await submit_many(call.engine, bulk.tasks, call.caller)
    return answer({"items": [to_json(each.task) for each in submitted]}, 201)


@internal.add("GET /api/internal/tasks/{taskId}", answers={200: Task})
@routes.add("GET /api/v1/tasks/{taskId}", answers={200: Task})
async def read_task(call: Call) -> Response:
    """One task."""
    return answer_task(tell(*await see(call.engine, call.caller, call.task_id())))


@internal.add(
    "PUT /api/internal/tasks/{taskId}/status",
    query=STATUS_QUERY,
    body=schemas.STATUS_CHANGE,
    answers={200: Task},
)
async def change_status(call: Call) -> Response:
    """Change a task's state, where that is the caller's to do."""
    task_id = call.task_id()
    change = await call.body_about(task_id, schemas.STATUS_CHANGE)
    token = call.query(STATUS_QUERY).token
    return answer_task(await set_status(call.engine, call.services.leases, call.caller, task_id, change, token))


@internal.add("POST /api/internal/tasks/{taskId}/cancel", body=schemas.REASON, body_optional=True, answers={200: Task})
@routes.add("POST /api/v1/tasks/{taskId}/cancel", body=schemas.REASON, body_optional=True, answers={200: Task})
async def cancel_task(call: Call) -> Response:
    """Cancel a task; a running handler is told at once."""
    task_id = call.task_id()
    body = await call.body_about(task_id, schemas.REASON, optional=True)
    return answer_task(await cancel(call.engine, task_id, call.caller.subject, body.reason, body.version))


@routes.add("POST /api/v1/tasks/{taskId}/retry", body=schemas.REASON, body_optional=True, answers={200: Task})
async def retry_task(call: Call) -> Response:
    """Requeue a failed task, or run one now that waits for its retry."""
    task_id = call.task_id()
    body = await call.body_about(task_id, schemas.REASON, optional=True)
    reason = body.reason or "retried by hand"
    return answer_task(await retry(call.engine, task_id, call.caller.subject, reason, body.version))


async def _everything_wrong(call: Call, values: dict[str, Any], error: ValidationFailed) -> ValidationFailed:
    """What is wrong with these bodies, by their paths, and with the inputs they hold.

    Raises NotFound: an unknown definition is told before anything else.
    """
    details = list(error.details)
    for path, value in values.items():
        key = value.get("taskDefinitionId") if isinstance(value, dict) else None
        if isinstance(key, str):
            known = await call.engine.catalog.current(key)
            if value.get("input") is not None:
                details += start_errors(known.kind.definition, value["input"], f"{path}/input")
    return refusal(details[:MAX_DETAILS])
