"""The latest runs of definitions, as little of each as a strip of bars shows."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.api.task_lists import kind_ids
from taskyard.contracts.records import Filter
from taskyard.domain.lifecycle import State
from taskyard.domain.task import Task, Time, to_json
from taskyard.engine.query import list_tasks

routes = Routes("Tasks")

_FIELDS = ("taskId", "status", "createdAt", "startTime", "executionTime", "deadLetteredAt")


class RecentQuery(schemas.Strict):
    """Of which definitions, by their keys, and how many of each."""

    definition: Annotated[list[schemas.Name], Meta(min_length=1, max_length=50)]
    limit: Annotated[int, Meta(ge=1, le=50)] = 24


class Brief(schemas.Answer):
    """A run in brief; `executionTime` in milliseconds."""

    task_id: str
    status: State
    created_at: Time
    start_time: Time | None
    execution_time: int | None
    dead_lettered_at: Time | None


class RecentRuns(schemas.Answer):
    """A definition's latest runs, newest first."""

    definition: str
    runs: list[Brief]


class RecentPage(schemas.Answer):
    """The runs of each definition that was asked for."""

    items: list[RecentRuns]


RECENT = Shape[RecentQuery](RecentQuery)


@routes.add("GET /api/v1/recent", query=RECENT, answers={200: RecentPage})
async def read_recent(call: Call) -> Response:
    """The latest runs of some definitions."""
    query = call.query(RECENT)
    items = []
    for key in dict.fromkeys(query.definition):
        found = await list_tasks(call.engine, Filter(kind_ids=await kind_ids(call.engine, [key])), query.limit, None)
        items.append({"definition": key, "runs": [_brief(task) for task in found.items]})
    return answer({"items": items})


def _brief(task: Task) -> dict[str, Any]:
    told = to_json(task)
    return {name: told[name] for name in _FIELDS}
