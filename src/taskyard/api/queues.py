"""The five queues, and the workers that drain them."""

from __future__ import annotations

from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_page
from taskyard.api.call import Call
from taskyard.api.leases import queue_named
from taskyard.api.routing import Routes
from taskyard.engine.metrics import metrics, queue_figures, workers

internal = Routes("Internal: tasks")
routes = Routes("Queues and workers")


@routes.add("GET /api/v1/queues", answers={200: schemas.QueuePage})
async def read_queues(call: Call) -> Response:
    """The five queues with their figures."""
    return answer_page(await queue_figures(call.engine), None)


@routes.add("POST /api/v1/queues/{name}/pause", answers={200: schemas.QueueFigures})
async def pause_queue(call: Call) -> Response:
    """Let nothing be dequeued from a queue."""
    return await _pause(call, paused=True)


@routes.add("POST /api/v1/queues/{name}/resume", answers={200: schemas.QueueFigures})
async def resume_queue(call: Call) -> Response:
    """Let a paused queue go on."""
    return await _pause(call, paused=False)


@routes.add("GET /api/v1/workers", answers={200: schemas.WorkerPage})
async def read_workers(call: Call) -> Response:
    """The workers that live."""
    return answer_page(await workers(call.engine), None)


@internal.add("GET /api/internal/tasks/metrics", answers={200: schemas.Metrics})
@routes.add("GET /api/v1/metrics", answers={200: schemas.Metrics})
async def read_metrics(call: Call) -> Response:
    """Queues, counts, execution times and workers, over the last 24 hours."""
    return answer(await metrics(call.engine, call.services.dependencies()))


async def _pause(call: Call, *, paused: bool) -> Response:
    queue = queue_named(call.param("name"))
    await call.engine.store.pause(queue, paused)
    call.audit("queue paused" if paused else "queue resumed", queue=queue.title)
    figures = await queue_figures(call.engine)
    return answer(next(each for each in figures if each["name"] == queue.title))
