"""A request for a task, as every door hands it in."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from taskyard.domain.json import check, dumps, loads
from taskyard.domain.policy import ExecutionConfig, invalid
from taskyard.domain.schema import compile_schema
from taskyard.domain.task import Time

PriorityName = Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]
# Indexed texts must fit into a page of an index, and no identifier anybody needs is longer.
Text = Annotated[str, msgspec.Meta(max_length=255)]
Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Url = Annotated[str, msgspec.Meta(max_length=2048, pattern="^https?://")]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=100 * 365 * 86_400)]


class WorkflowContext(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """What the workflow tells the task; `importance` is the default priority."""

    workflow_definition_id: Text | None = None
    variables: dict[str, Any] | None = None
    importance: PriorityName | None = None


class Client(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """On whose behalf the caller asks."""

    user: Text | None = None
    session: Text | None = None


class Assignee(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Who has to do a manual task."""

    type: Literal["USER", "GROUP"]
    id: Text


class TaskRequest(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The create body of the contract. `delay` and `expire` in seconds; times with a zone."""

    task_definition_id: str
    input: Any = None
    workflow_id: Text | None = None
    step_id: Text | None = None
    workflow_context: WorkflowContext | None = None
    correlation_id: Text | None = None
    cause_type: Text | None = None
    cause: Text | None = None
    client: Client | None = None
    priority: PriorityName | None = None
    severity: Text | None = None
    tags: list[Tag] = []
    metadata: dict[str, Any] | None = None
    available_at: Time | None = None
    delay: Seconds | None = None
    expire: Seconds | None = None
    idempotency_key: Text | None = None
    concurrency_key: Text | None = None
    fairness_key: Text | None = None
    callback_url: Url | None = None
    due_date: Time | None = None
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
