"""Workflows: processes, deployed and started here or at another orchestrator."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_page
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.domain.task import to_json
from taskyard.engine.orchestrator import OURS, Orchestrator, Workflow, WorkflowInstance, named
from taskyard.engine.request import PriorityName, TaskRequest, Text, Url

routes = Routes("Workflows")


class Deployment(schemas.Strict):
    """A BPMN file, as text, and what is said of its process. `engine`: taskyard, or camunda where one is set."""

    source: Annotated[str, Meta(min_length=1)]
    engine: schemas.Name = OURS
    title: str | None = None
    description: str | None = None
    category: str | None = None
    tags: list[str] | None = None
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None


class WorkflowQuery(schemas.Strict):
    """Which orchestrator is asked."""

    engine: schemas.Name = OURS


class WorkflowStart(schemas.Strict):
    """How an instance begins: `input` becomes its variables, `correlationId` its business key.

    At other orchestrators these two are all that counts.
    """

    input: Any = None
    correlation_id: Text | None = None
    priority: PriorityName | None = None
    idempotency_key: Text | None = None
    callback_url: Url | None = None
    metadata: dict[str, Any] | None = None


class WorkflowPage(schemas.Answer):
    """All processes that can be started."""

    items: list[Workflow]
    next_cursor: str | None


DEPLOYMENT = Shape[Deployment](Deployment)
QUERY = Shape[WorkflowQuery](WorkflowQuery)
START = Shape[WorkflowStart](WorkflowStart)


@routes.add("GET /api/v1/workflows", query=QUERY, answers={200: WorkflowPage})
async def read_workflows(call: Call) -> Response:
    """The processes that can be started, by key."""
    return answer_page(await _asked(call).workflows(), None)


@routes.add("POST /api/v1/workflows", body=DEPLOYMENT, answers={201: Workflow})
async def deploy(call: Call) -> Response:
    """Deploy the process in a BPMN file; equal content is the version it was before."""
    body = await call.body(DEPLOYMENT)
    about = {name: value for name, value in msgspec.to_builtins(body).items() if value is not None}
    source, engine = about.pop("source"), about.pop("engine")
    workflow = await _orchestrator(call, engine).deploy(source, about)
    call.audit("workflow deployed", key=workflow.key, version=workflow.version, engine=engine)
    return answer(workflow, 201)


@routes.add("GET /api/v1/workflows/{key}", query=QUERY, answers={200: Workflow})
async def read_workflow(call: Call) -> Response:
    """A process, and the tasks that its steps are."""
    return answer(await _asked(call).workflow(call.param("key")))


@routes.add(
    "POST /api/v1/workflows/{key}/start", query=QUERY, body=START, body_optional=True, answers={201: WorkflowInstance}
)
async def start(call: Call) -> Response:
    """Start an instance of a process."""
    orchestrator = _asked(call)
    body = await call.body(START, optional=True)
    fields = {name: getattr(body, name) for name in body.__struct_fields__}
    request = TaskRequest(task_definition_id=call.param("key"), **fields)
    return answer(instance_json(await orchestrator.start(request, call.caller)), 201)


def instance_json(instance: WorkflowInstance) -> dict[str, Any]:
    """An instance as the contract's JSON."""
    told: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(instance, task=None))
    return {**told, "task": None if instance.task is None else to_json(instance.task)}


def _asked(call: Call) -> Orchestrator:
    return _orchestrator(call, call.query(QUERY).engine)


def _orchestrator(call: Call, name: str) -> Orchestrator:
    return named(call.services.orchestrators, name)
