"""Starting tasks by what they declared: triggers, actions, and events from outside."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_task
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import ANYTHING, Shape
from taskyard.domain.task import Task, to_json
from taskyard.engine.trigger import act, fire
from taskyard.errors import NotFound

routes = Routes("Triggers and events")


class IncomingEvent(schemas.Strict):
    """An event from outside; `payload` becomes the input of the tasks it starts."""

    key: schemas.Name
    source: str = ""
    description: str = ""
    payload: Any = None
    id: str | None = None
    timestamp: str | None = None


class IncomingEnvelope(schemas.Strict):
    """The same as our own events are written."""

    type: schemas.Name
    data: Any
    id: str | None = None
    sequence: int | None = None
    timestamp: str | None = None
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
    """Take an event from outside and start what declared a trigger of its key."""
    value = await call.json()
    event = _read_event(value)
    event_id = event.id or str(uuid.uuid4())
    try:
        tasks = await fire(call.engine, event.key, event.payload, call.caller, ("event", event_id))
    except NotFound:  # nobody has to listen
        tasks = []
    return answer({"id": event_id, "taskIds": [task.task_id for task in tasks]}, 202)


def _read_event(value: Any) -> IncomingEvent:
    if isinstance(value, dict) and "type" in value:
        envelope = ENVELOPE.parse(value)
        return IncomingEvent(key=envelope.type, payload=envelope.data, id=envelope.id, timestamp=envelope.timestamp)
    return EVENT.parse(value)
