"""Mappings: which events start which tasks, and which tasks start workflows."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.domain.json import detail, refusal
from taskyard.domain.mapping import Expression, Mapping
from taskyard.engine.mappings import Kind, list_mappings, put_mapping, remove_mapping

routes = Routes("Mappings")


class EventMapping(schemas.Strict):
    """Start a task for each event of this key, in which `*` stands for anything.

    `taskDefinitionId`, also called `workflowKey`, is started. `filter` and `input` are JMESPath over the event: `key`,
    `id`, `source`, `description`, `timestamp`, `metadata`, and `payload`, which is the input where none is told.
    """

    event_key: schemas.Name
    task_definition_id: schemas.Name | None = None
    workflow_key: schemas.Name | None = None
    filter: Expression | None = None
    input: Expression | None = None
    mapping_id: schemas.Name | None = None


class TaskMapping(schemas.Strict):
    """Start a workflow for each new task of a definition.

    `filter` and `input` are JMESPath over the data of the event `task.created`; the input is `{taskId}` where none is
    told.
    """

    task_key: schemas.Name
    workflow_key: schemas.Name
    filter: Expression | None = None
    input: Expression | None = None
    mapping_id: schemas.Name | None = None


class EventMappingAnswer(schemas.Answer):
    """A mapping of events as it is kept."""

    mapping_id: str
    event_key: str
    task_definition_id: str
    filter: str | None
    input: str | None


class TaskMappingAnswer(schemas.Answer):
    """A mapping of tasks as it is kept."""

    mapping_id: str
    task_key: str
    workflow_key: str
    filter: str | None
    input: str | None


class EventMappings(schemas.Answer):
    """All mappings of events."""

    items: list[EventMappingAnswer]
    next_cursor: str | None


class TaskMappings(schemas.Answer):
    """All mappings of tasks."""

    items: list[TaskMappingAnswer]
    next_cursor: str | None


EVENT_MAPPING = Shape[EventMapping](EventMapping)
TASK_MAPPING = Shape[TaskMapping](TaskMapping)
_FIELDS = {"event": ("eventKey", "taskDefinitionId"), "task": ("taskKey", "workflowKey")}


@routes.add("GET /api/v1/events/mapping", answers={200: EventMappings})
async def read_event_mappings(call: Call) -> Response:
    """The mappings of events."""
    return await _list(call, "event")


@routes.add(
    "POST /api/v1/events/mapping", body=EVENT_MAPPING, answers={200: EventMappingAnswer, 201: EventMappingAnswer}
)
async def map_event(call: Call) -> Response:
    """Map an event to a definition, in place of the mapping with this id, or of these two."""
    body = await call.body(EVENT_MAPPING)
    targets = [each for each in (body.task_definition_id, body.workflow_key) if each is not None]
    if len(targets) != 1:
        raise refusal([detail("/taskDefinitionId", "is needed, or workflowKey; not both", "oneOf")])
    return await _put(call, "event", body.event_key, targets[0], body)


@routes.add("DELETE /api/v1/events/mapping/{mappingId}", answers={204: None})
async def forget_event_mapping(call: Call) -> Response:
    """Forget a mapping of events."""
    return await _remove(call, "event")


@routes.add("GET /api/v1/tasks/mapping", answers={200: TaskMappings})
async def read_task_mappings(call: Call) -> Response:
    """The mappings of tasks."""
    return await _list(call, "task")


@routes.add("POST /api/v1/tasks/mapping", body=TASK_MAPPING, answers={200: TaskMappingAnswer, 201: TaskMappingAnswer})
async def map_task(call: Call) -> Response:
    """Map a definition's tasks to a workflow, in place of the mapping with this id, or of these two."""
    body = await call.body(TASK_MAPPING)
    return await _put(call, "task", body.task_key, body.workflow_key, body)


@routes.add("DELETE /api/v1/tasks/mapping/{mappingId}", answers={204: None})
async def forget_task_mapping(call: Call) -> Response:
    """Forget a mapping of tasks."""
    return await _remove(call, "task")


async def _list(call: Call, kind: Kind) -> Response:
    items = [_json(mapping) for mapping in await list_mappings(call.engine, kind)]
    return answer({"items": items, "nextCursor": None})


async def _put(call: Call, kind: Kind, source: str, target: str, body: EventMapping | TaskMapping) -> Response:
    mapping = Mapping(
        mapping_id=body.mapping_id or "", kind=kind, source=source, target=target, filter=body.filter, input=body.input
    )
    kept, is_new = await put_mapping(call.engine, mapping)
    call.audit("mapping stored", mapping=kept.mapping_id, kind=kind, source=source, target=target)
    return answer(_json(kept), 201 if is_new else 200)


async def _remove(call: Call, kind: Kind) -> Response:
    mapping_id = call.param("mappingId")
    await remove_mapping(call.engine, kind, mapping_id)
    call.audit("mapping removed", mapping=mapping_id, kind=kind)
    return Response(status_code=204)


def _json(mapping: Mapping) -> dict[str, Any]:
    source, target = _FIELDS[mapping.kind]
    return {
        "mappingId": mapping.mapping_id, source: mapping.source, target: mapping.target, "filter": mapping.filter,
        "input": mapping.input,
    }  # fmt: skip
