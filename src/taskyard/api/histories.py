"""A task's history in one document: a story for people, or lines for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.call import Call
from taskyard.api.export import export
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.api.visibility import see
from taskyard.domain.history import rows_of, story_of
from taskyard.domain.task import Task, tell
from taskyard.engine.events import read_story

routes = Routes("Tasks")

HISTORIES = {"text": "text/plain", "jsonl": "application/jsonl", "csv": "text/csv"}
"""The formats and their media types."""


class HistoryQuery(schemas.Strict):
    """How the history is to be written."""

    format: Literal["text", "jsonl", "csv"] = "text"


HISTORY_QUERY = Shape[HistoryQuery](HistoryQuery)


@routes.add(
    "GET /api/v1/tasks/{taskId}/history",
    query=HISTORY_QUERY,
    answers={200: {media: {"schema": {"type": "string"}} for media in HISTORIES.values()}},
)
async def read_history(call: Call) -> Response:
    """All that has happened to a task, from its beginning, as a story or as lines of JSON or CSV."""
    task_id = call.task_id()
    await see(call.engine, call.caller, task_id)
    format_ = call.query(HISTORY_QUERY).format
    story = await read_story(call.engine, task_id)
    told = write_history(tell(*story.known), [event.envelope() for event in story.events], format_)
    headers = {} if format_ == "text" else {"Content-Disposition": f'attachment; filename="{task_id}.{format_}"'}
    return Response(told, headers=headers, media_type=HISTORIES[format_])


def write_history(task: Task, events: Sequence[dict[str, Any]], format_: str) -> bytes:
    """The envelopes in one of `HISTORIES`."""
    match format_:
        case "csv":
            return export(rows_of(events), "csv")
        case "jsonl":
            return b"".join(msgspec.json.encode(event) + b"\n" for event in events)
        case _:
            title = f"{task.title} ({task.task_definition_id}), task {task.task_id}, is {task.status}"
            return story_of(title, events).encode()
