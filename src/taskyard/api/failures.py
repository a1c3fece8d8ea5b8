"""Failures by their cause, and how it went over time."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.domain.task import Time, iso
from taskyard.engine.insight import EVER, Cause

routes = Routes("Queues and workers")

_HOUR_US = 3_600_000_000
_STEPS = {"15m": (900, 90), "1h": (3600, 60), "6h": (21_600, 72), "24h": (86_400, 96), "7d": (604_800, 84)}
"""Seconds of a range, and into how many stretches it is cut."""


class ErrorQuery(schemas.Strict):
    """Failures of tasks made in how many hours, of one definition or all; with `dead` of dead letters, however old."""

    hours: Annotated[int, Meta(ge=1, le=8760)] = 168
    definition: str | None = None
    dead: bool = False


class ErrorGroup(schemas.Answer):
    """Failures with one cause. `dead`: how many of them are dead letters now; `overTime`: how many in each of 24 equal
    stretches of time up to now; `taskIds`: the latest 20.
    """

    fingerprint: str
    definition: str
    title: str
    code: str
    message: str
    count: int
    dead: int
    first_at: Time
    last_at: Time
    over_time: list[int]
    task_ids: list[str]


class ErrorGroups(schemas.Answer):
    """The causes, the most frequent first. `searched` failures were looked at, the latest; if `complete`, all."""

    items: list[ErrorGroup]
    searched: int
    complete: bool


class HistoryQuery(schemas.Strict):
    """How far back."""

    range: Literal["15m", "1h", "6h", "24h", "7d"] = "1h"


class Stretch(schemas.Answer):
    """How executed attempts went that ended in a stretch of time from `at` on; run times in milliseconds."""

    at: Time
    completed: int
    failed: int
    retried: int
    p50: int | None
    p95: int | None
    p99: int | None


class Stretches(schemas.Answer):
    """Stretches of `step` seconds, the earliest first."""

    items: list[Stretch]
    step: float


ERROR_QUERY = Shape[ErrorQuery](ErrorQuery)
HISTORY_QUERY = Shape[HistoryQuery](HistoryQuery)


@routes.add("GET /api/v1/errors", query=ERROR_QUERY, answers={200: ErrorGroups})
async def read_errors(call: Call) -> Response:
    """Failures by their cause: the same definition and code, and a message that differs in details only."""
    query = call.query(ERROR_QUERY)
    span = EVER if query.dead else query.hours * _HOUR_US
    found = await call.engine.insight.causes(span, dead=query.dead, definition=query.definition)
    items = [_group_json(cause) for cause in found.causes]
    return answer({"items": items, "searched": found.searched, "complete": found.is_all})


@routes.add("GET /api/v1/metrics/history", query=HISTORY_QUERY, answers={200: Stretches})
async def read_history(call: Call) -> Response:
    """How many attempts completed, failed and are to be repeated over time, and how long they ran."""
    seconds, count = _STEPS[call.query(HISTORY_QUERY).range]
    found = await call.engine.insight.stretches(seconds * 1_000_000, count)
    items = [each._asdict() | {"at": iso(each.at)} for each in found]
    return answer({"items": items, "step": seconds / count})


def _group_json(cause: Cause) -> dict[str, object]:
    return {
        "fingerprint": cause.fingerprint,
        "definition": cause.definition,
        "title": cause.title,
        "code": cause.code,
        "message": cause.message,
        "count": cause.number,
        "dead": cause.dead,
        "firstAt": iso(cause.first_at),
        "lastAt": iso(cause.last_at),
        "overTime": cause.over_time,
        "taskIds": [str(id_) for id_ in cause.task_ids],
    }
