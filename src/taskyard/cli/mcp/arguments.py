"""The JSON Schemas of the tools' arguments."""

from __future__ import annotations

from typing import Any

from taskyard.cli.scaffold import CONNECTORS, DATABASES
from taskyard.domain.lifecycle import State

DEFAULT_WAIT = 45.0
"""Seconds to wait for a run, well within what clients wait for a tool."""

_LONGEST_WAIT = 3600


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_TASK_ID = {"type": "string", "pattern": "^[0-9]{1,19}$", "description": "The task's id."}
_DEFINITION = {"type": "string", "description": "The definition's key, such as list_definitions names."}
_INPUT = {"description": "The input, as the definition's inputSchema has it."}
_OPTIONS = {
    "type": "object",
    "description": "What is not input: priority, delay and expire in seconds, idempotencyKey, tags, …",
}
_WAIT = {"type": "number", "minimum": 0, "maximum": _LONGEST_WAIT, "description": "Seconds to wait at most."}

NOTHING = _object([])
LIST_TASKS = _object(
    [],
    status={"type": "array", "items": {"enum": [state.value for state in State]}, "description": "Only in these."},
    definition={"type": "string", "description": "Only of this definition."},
    workflowId={"type": "string"},
    correlationId={"type": "string"},
    tag={"type": "string"},
    q={"type": "string", "description": "The start of an id, a title or a correlation id."},
    limit={"type": "integer", "minimum": 1, "maximum": 200},
    cursor={"type": "string", "description": "The nextCursor of the page before."},
)
START_TASK = _object(["definition"], definition=_DEFINITION, input=_INPUT, options=_OPTIONS)
RUN_TASK = _object(["definition"], definition=_DEFINITION, input=_INPUT, options=_OPTIONS, waitSeconds=_WAIT)
FOLLOW_TASK = _object(
    ["taskId"],
    taskId=_TASK_ID,
    after={"type": "integer", "minimum": 0, "description": "Leave out what happened up to this sequence."},
    waitSeconds=_WAIT,
)
EXPLAIN_TASK = _object(["taskId"], taskId=_TASK_ID)
MICROSERVICE = _object(
    ["name"],
    name={"type": "string", "description": "The project's name, and its folder's."},
    folder={"type": "string", "description": "The folder to make it in; the present one where it is not given."},
    connector={"enum": list(CONNECTORS), "description": "How events come and go."},
    database={"enum": list(DATABASES), "description": "Where tasks are kept."},
)
