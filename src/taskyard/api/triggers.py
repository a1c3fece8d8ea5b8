"""Starting tasks by what they declared: triggers, actions, and events from outside."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from msgspec import Meta
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_task
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import ANYTHING, Shape
from taskyard.domain.incoming import read_incoming
from taskyard.domain.task import Task, to_json
from taskyard.engine.take import take
from taskyard.engine.trigger import act, fire

routes = Routes("Triggers and events")


class IncomingEvent(schemas.Strict):
    """An event from outside; `payload` becomes the input of the tasks it starts."""

    key: schemas.Name
    source: Annotated[str, Meta(max_length=255)] = ""
    description: Annotated[str, Meta(max_length=2000)] = ""
    payload: Any = None
    id: schemas.Name | None = None
    timestamp: str | int | float | None = None


class IncomingEnvelope(schemas.Strict):
    """The same as our own events are written."""

    type: schemas.Name
    data: Any
    id: schemas.Name | None = None
    sequence: int | None = None
    timestamp: str | int | float | None = None
    metadata: dict[str, Any] | None = None


EVENT = Shape[IncomingEvent](IncomingEvent)
ENVELOPE = Shape[IncomingEnvelope](IncomingEnvelope)


@routes.add("POST /api/v1/triggers/{name}", body=ANYTHING, body_optional=True, answers={201: schemas.TriggeredTask})
async def trigger(call: Call) -> Response:
    """Start what declared this trigger, with the body as its input; answers the first task of several."""
    name, properties = call.param("name"), await call.json(optional=True)
    first, *others = await fire(call.engine, name, properties, call.caller, ("trigger", name))
    return answer({**to_json(first), "otherTaskIds": [task.task_id for task in others]}, 201)


@routes.add("POST /api/v1/actions/{name}", body=ANYTHING, body_optional=True, answers={201: Task})
async def perform_action(call: Call) -> Response:
    """Start the task that declared this action, with the body as its input."""
    name, properties = call.param("name"), await call.json(optional=True)
    return answer_task(await act(call.engine, name, properties, call.caller, name), 201)


@routes.add("POST /api/v1/events/trigger", body=EVENT, answers={202: schemas.Taken})
async def take_event(call: Call) -> Response:
    """Take an event from outside: what it asks for, and what is mapped to it or declared a trigger of its key."""
    value = await call.json()
    if isinstance(value, dict) and "specversion" in value:
        pass  # a CloudEvent, which may have attributes of its sender's
    elif isinstance(value, dict) and "type" in value:
        ENVELOPE.parse(value)
    else:
        EVENT.parse(value)
        value = {"payload": None, **value}
    event = read_incoming(value, message_id=str(uuid.uuid4()))
    task_ids = await take(call.engine, event, call.caller, call.services.request_stop)
    return answer({"id": event.id, "taskIds": [str(task_id) for task_id in task_ids]}, 202)
