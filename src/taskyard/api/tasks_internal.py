"""Tasks, service to service: create, look, change."""

from __future__ import annotations

import contextlib
from typing import Any

from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_task
from taskyard.api.call import Call
from taskyard.api.listing import STATUS_QUERY, answer_tasks
from taskyard.api.routing import Routes
from taskyard.contracts.records import Filter
from taskyard.domain.task import Task, to_json
from taskyard.engine.assign import reassign
from taskyard.engine.cancel import cancel
from taskyard.engine.metrics import metrics
from taskyard.engine.query import get_task
from taskyard.engine.request import TaskRequest
from taskyard.engine.status import set_status
from taskyard.engine.submit import submit, submit_many
from taskyard.errors import ValidationFailed

routes = Routes("Internal: tasks")


@routes.add("POST /api/internal/tasks", body=schemas.CREATE, answers={201: Task, 200: schemas.ReusedTask})
async def create_task(call: Call) -> Response:
    """Create a task, or find the one it may reuse."""
    value = await call.json()
    submitted = await submit(call.engine, await read_request(call, value), call.caller)
    if submitted.reused:
        return answer({**to_json(submitted.task), "reused": True})
    return answer_task(submitted.task, 201)


@routes.add("POST /api/internal/tasks/bulk", body=schemas.BULK, answers={201: schemas.TaskItems})
async def create_tasks(call: Call) -> Response:
    """Create up to 1000 tasks, all or none."""
    value = await call.json(large=True)
    try:
        bulk = schemas.BULK.parse(value)
    except ValidationFailed:
        await _check_definitions(call, value.get("tasks") if isinstance(value, dict) else None)
        raise
    submitted = await submit_many(call.engine, bulk.tasks, call.caller)
    return answer({"items": [to_json(each.task) for each in submitted]}, 201)


@routes.add("GET /api/internal/tasks/metrics", answers={200: dict[str, Any]})
async def read_metrics(call: Call) -> Response:
    """Queues, counts, execution times and workers."""
    return answer(await metrics(call.engine))


@routes.add("GET /api/internal/tasks/{taskId}", answers={200: Task})
async def read_task(call: Call) -> Response:
    """One task."""
    return answer_task(await get_task(call.engine, call.task_id()))


@routes.add("PUT /api/internal/tasks/{taskId}/status", body=schemas.STATUS_CHANGE, answers={200: Task})
async def change_status(call: Call) -> Response:
    """Change a task's state, where it is the caller's to change."""
    task_id = call.task_id()
    change = await call.body_about(task_id, schemas.STATUS_CHANGE)
    return answer_task(await set_status(call.engine, call.services.leases, call.caller, task_id, change))


@routes.add("POST /api/internal/tasks/{taskId}/cancel", body=schemas.REASON, body_optional=True, answers={200: Task})
async def cancel_task_internally(call: Call) -> Response:
    """Cancel a task; a running handler is told at once."""
    return await cancel_by(call)


@routes.add("POST /api/internal/tasks/{taskId}/reassign", body=schemas.REASSIGNMENT, answers={200: Task})
async def reassign_task_internally(call: Call) -> Response:
    """Give a manual task to another person or group."""
    task_id = call.task_id()
    to = await call.body_about(task_id, schemas.REASSIGNMENT)
    return answer_task(
        await reassign(call.engine, call.caller, task_id, to.assignee_type, to.assignee_id, to.reason)
    )


@routes.add(
    "GET /api/internal/tasks/workflow/{workflowId}", query=STATUS_QUERY, answers={200: schemas.TaskPage}
)
async def list_workflow_tasks(call: Call) -> Response:
    """The tasks of one workflow."""
    query = call.query(STATUS_QUERY)
    wanted = Filter(status=query.states, workflow_id=call.param("workflowId"))
    return await answer_tasks(call, wanted, query.limit, query.cursor)


@routes.add("GET /api/internal/tasks/user/{userId}", query=STATUS_QUERY, answers={200: schemas.TaskPage})
async def list_user_tasks(call: Call) -> Response:
    """The manual tasks of one person."""
    query = call.query(STATUS_QUERY)
    wanted = Filter(status=query.states, assignee=call.param("userId"))
    return await answer_tasks(call, wanted, query.limit, query.cursor)


async def cancel_by(call: Call) -> Response:
    """Cancel the task in the path."""
    task_id = call.task_id()
    body = await call.body_about(task_id, schemas.REASON, optional=True)
    return answer_task(await cancel(call.engine, task_id, call.caller.subject, body.reason))


async def read_request(call: Call, value: Any) -> TaskRequest:
    """The create body in a JSON value. An unknown definition is told before anything else is found wrong."""
    try:
        return schemas.CREATE.parse(value)
    except ValidationFailed:
        await _check_definitions(call, [value])
        raise


async def _check_definitions(call: Call, values: Any) -> None:
    """Raise NotFound for the first of these bodies that names a definition there is not."""
    for value in values if isinstance(values, list) else ():
        with contextlib.suppress(KeyError, TypeError):
            key = value["taskDefinitionId"]
            if isinstance(key, str):
                await call.engine.catalog.current(key)
