"""The queues' verbs for workers in any language: dequeue, heartbeat, complete, fail, retry."""

from __future__ import annotations

from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_task
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.domain.queue import Queue
from taskyard.domain.task import Task
from taskyard.engine import lease
from taskyard.errors import NotFound

routes = Routes("Internal: queues")


@routes.add("POST /api/internal/queues/{queue}/dequeue", body=schemas.DEQUEUE, answers={200: schemas.Messages})
async def dequeue(call: Call) -> Response:
    """Lease tasks, waiting for the first up to `waitTime` seconds."""
    queue = queue_named(call.param("queue"))
    request = await call.body(schemas.DEQUEUE)
    work = lease.dequeue(call.engine, call.services.leases, call.caller, queue, request)
    messages = await (call.while_here(work) if request.wait_time else work)
    return answer({"messages": messages})


@routes.add(
    "POST /api/internal/queues/messages/{taskId}/heartbeat", body=schemas.HEARTBEAT, answers={200: schemas.Heartbeat}
)
async def heartbeat(call: Call) -> Response:
    """Extend a lease, and tell of progress and lines."""
    task_id = call.task_id()
    body = await call.body_about(task_id, schemas.HEARTBEAT)
    return answer(await lease.heartbeat(call.engine, call.services.leases, call.caller, task_id, body))


@routes.add("POST /api/internal/queues/messages/{taskId}/complete", body=schemas.SETTLED, answers={200: Task})
async def complete(call: Call) -> Response:
    """Settle an attempt with its result."""
    task_id = call.task_id()
    body = await call.body_about(task_id, schemas.SETTLED)
    return answer_task(
        await lease.complete(call.engine, call.services.leases, call.caller, task_id, body.lease_token, body.output)
    )


@routes.add("POST /api/internal/queues/messages/{taskId}/fail", body=schemas.FAILURE, answers={200: Task})
async def fail(call: Call) -> Response:
    """Settle an attempt as failed; the retry policy decides what follows."""
    task_id = call.task_id()
    body = await call.body_about(task_id, schemas.FAILURE)
    return answer_task(
        await lease.fail(call.engine, call.services.leases, call.caller, task_id, body.lease_token, body.error)
    )


@routes.add("POST /api/internal/queues/messages/{taskId}/retry", body=schemas.POSTPONEMENT, answers={200: Task})
async def retry(call: Call) -> Response:
    """Give an attempt up and have another later."""
    task_id = call.task_id()
    body = await call.body_about(task_id, schemas.POSTPONEMENT)
    return answer_task(
        await lease.postpone(
            call.engine, call.services.leases, call.caller, task_id, body.lease_token, body.delay, body.error
        )
    )


def queue_named(title: str) -> Queue:
    """The queue with this public name. Raises NotFound."""
    queue = Queue.titled(title)
    if queue is None:
        known = ", ".join(each.title for each in Queue)
        raise NotFound(f"there is no queue {title[:60]!r}; the queues are {known}")
    return queue
