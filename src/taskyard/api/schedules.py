"""Schedules: what is started again and again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_page, answer_task
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.domain.json import detail, refusal
from taskyard.domain.schedule import Schedule, parse_schedule
from taskyard.domain.task import Task, Time, iso
from taskyard.engine.schedules import (
    View,
    backfill,
    get_schedule,
    list_schedules,
    pause_schedule,
    put_schedule,
    remove_schedule,
    run_schedule,
)

routes = Routes("Schedules")


class Backfill(schemas.Strict):
    """Over which time a schedule is made up for; both ends count."""

    from_: Time = msgspec.field(name="from")
    to: Time


class ScheduleRun(schemas.Answer):
    """The latest task that a schedule started."""

    at: Time
    task_id: str


class ScheduleError(schemas.Answer):
    """Why a schedule's latest time started nothing; gone once one has."""

    at: Time
    code: str
    message: str


class ScheduleState(Schedule, frozen=True, rename="camel", omit_defaults=False, kw_only=True):
    """A schedule as it stands: `nextRuns` are the next five moments at which it starts its task."""

    next_runs: list[Time]
    last_run: ScheduleRun | None
    last_error: ScheduleError | None


class SchedulePage(schemas.Answer):
    """Some schedules."""

    items: list[ScheduleState]
    next_cursor: str | None


SCHEDULE = Shape[Schedule](Schedule, optional={"scheduleId"})
"""The body; its id is the address's."""

BACKFILL = Shape[Backfill](Backfill)


@routes.add("GET /api/v1/schedules", query=schemas.PAGE_QUERY, answers={200: SchedulePage})
async def read_schedules(call: Call) -> Response:
    """The schedules, by id."""
    query, cursors = call.query(schemas.PAGE_QUERY), call.services.cursors
    page = await list_schedules(call.engine, query.limit, cursors.read_name("schedules", query.cursor))
    return answer_page([schedule_json(view) for view in page.items], cursors.make("schedules", page.next))


@routes.add("GET /api/v1/schedules/{scheduleId}", answers={200: ScheduleState})
async def read_schedule(call: Call) -> Response:
    """A schedule, with what it did last and does next."""
    return answer(schedule_json(await get_schedule(call.engine, call.param("scheduleId"))))


@routes.add(
    "PUT /api/v1/schedules/{scheduleId}",
    body=SCHEDULE,
    answers={200: ScheduleState, 201: ScheduleState},
)
async def store_schedule(call: Call) -> Response:
    """Store a schedule; `paused` left out stays as it is."""
    schedule = parse_schedule(await call.json(), call.param("scheduleId"))
    view, is_new = await put_schedule(call.engine, schedule, call.caller)
    call.audit("schedule stored", schedule=schedule.schedule_id, definition=schedule.task_definition_id)
    return answer(schedule_json(view), 201 if is_new else 200)


@routes.add("DELETE /api/v1/schedules/{scheduleId}", answers={204: None})
async def delete_schedule(call: Call) -> Response:
    """Forget a schedule; the tasks it has started go on."""
    schedule_id = call.param("scheduleId")
    await remove_schedule(call.engine, schedule_id)
    call.audit("schedule removed", schedule=schedule_id)
    return Response(status_code=204)


@routes.add("POST /api/v1/schedules/{scheduleId}/pause", answers={200: ScheduleState})
async def pause(call: Call) -> Response:
    """Let a schedule start nothing."""
    return await _pause(call, paused=True)


@routes.add("POST /api/v1/schedules/{scheduleId}/resume", answers={200: ScheduleState})
async def resume(call: Call) -> Response:
    """Let a paused schedule go on from now."""
    return await _pause(call, paused=False)


@routes.add("POST /api/v1/schedules/{scheduleId}/run", answers={201: Task})
async def run(call: Call) -> Response:
    """Start a schedule's task once, now."""
    task = await run_schedule(call.engine, call.param("scheduleId"), call.caller)
    return answer_task(task, 201)


@routes.add("POST /api/v1/schedules/{scheduleId}/backfill", body=BACKFILL, answers={200: schemas.TaskIds})
async def make_up(call: Call) -> Response:
    """Start a task now for each time between two moments that has none; 1,000 at most."""
    schedule_id = call.param("scheduleId")
    await get_schedule(call.engine, schedule_id)  # what is not there is told before what is wrong
    since, until = backfill_range(await call.body(BACKFILL))
    task_ids = await backfill(call.engine, schedule_id, since, until, call.caller)
    call.audit("schedule backfilled", schedule=schedule_id, since=iso(since), until=iso(until), tasks=len(task_ids))
    return answer({"taskIds": [str(id_) for id_ in task_ids]})


def backfill_range(body: Backfill) -> tuple[int, int]:
    """Both ends in microseconds since the epoch. Raises ValidationFailed for a range that runs backwards."""
    since, until = (_microseconds(each) for each in (body.from_, body.to))
    if since < 0:
        raise refusal([detail("/from", "must not be before 1970", "minimum")])
    if until < since:
        raise refusal([detail("/to", "must not be before from", "minimum")])
    return since, until


def schedule_json(view: View) -> dict[str, Any]:
    """A schedule as the contract's JSON, every field of it."""
    progress, error = view.progress, view.progress.error
    ran = progress.last_at is not None
    return {
        **{each.encode_name: getattr(view.schedule, each.name) for each in msgspec.structs.fields(Schedule)},
        "nextRuns": [iso(at) for at in view.next_runs],
        "lastRun": {"at": iso(progress.last_at), "taskId": str(progress.last_task)} if ran else None,
        "lastError": error and {**error, "at": iso(error["at"])},
    }


async def _pause(call: Call, *, paused: bool) -> Response:
    schedule_id = call.param("scheduleId")
    view = await pause_schedule(call.engine, schedule_id, paused=paused)
    call.audit("schedule paused" if paused else "schedule resumed", schedule=schedule_id)
    return answer(schedule_json(view))


def _microseconds(when: datetime) -> int:
    return int(when.timestamp()) * 1_000_000 + when.microsecond
