"""A request for a task, as every door hands it in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from taskyard.domain.json import check, dumps, loads
from taskyard.domain.policy import ExecutionConfig, invalid
from taskyard.domain.schema import compile_schema

PriorityName = Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=100 * 365 * 86_400)]


class WorkflowContext(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """What the workflow tells the task; `importance` is the default priority."""

    workflow_definition_id: str | None = None
    variables: dict[str, Any] | None = None
    importance: PriorityName | None = None


class Client(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """On whose behalf the caller asks."""

    user: str | None = None
    session: str | None = None


class Assignee(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Who has to do a manual task."""

    type: Literal["USER", "GROUP"]
    id: str


class TaskRequest(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The create body of the contract. `delay` and `expire` in seconds; times with a zone."""

    task_definition_id: str
    input: Any = None
    workflow_id: str | None = None
    step_id: str | None = None
    workflow_context: WorkflowContext | None = None
    correlation_id: str | None = None
    cause_type: str | None = None
    cause: str | None = None
    client: Client | None = None
    priority: PriorityName | None = None
    severity: str | None = None
    tags: list[str] = []
    metadata: dict[str, Any] | None = None
    available_at: datetime | None = None
    delay: Seconds | None = None
    expire: Seconds | None = None
    idempotency_key: str | None = None
    concurrency_key: str | None = None
    fairness_key: str | None = None
    callback_url: str | None = None
    due_date: datetime | None = None
    assignee: Assignee | None = None
    execution_config: ExecutionConfig | None = None


def request_schema() -> dict[str, Any]:
    """The JSON Schema of a create body."""
    return msgspec.json.schema(TaskRequest)


_SCHEMA = compile_schema(request_schema())


def parse_request(value: Any, path: str = "") -> TaskRequest:
    """The request in a JSON value. Raises ValidationFailed with every error and its JSON Pointer after `path`."""
    check(value)
    _SCHEMA.check(value, path)
    try:
        return msgspec.convert(value, TaskRequest)
    except msgspec.ValidationError as error:  # what a schema cannot say, such as a time that does not exist
        raise _unconvertible(error, path) from None


def check_request(request: TaskRequest) -> TaskRequest:
    """A request that a program made, held to the rules of `parse_request`; its input is checked on submission."""
    checked = parse_request(loads(dumps(msgspec.structs.replace(request, input=None))))
    checked.input = request.input
    return checked


def _unconvertible(error: msgspec.ValidationError, path: str) -> Exception:
    message, _, where = str(error).partition(" - at `$")
    pointer = where.rstrip("`").replace(".", "/")
    return invalid(path + pointer, message)
