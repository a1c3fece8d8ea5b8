"""What is started again and again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from taskyard.client.talk import API, JsonObject, Stream, Talk, fetch, pages, part
from taskyard.client.tasks import read_task
from taskyard.domain.task import Task


def schedules() -> Stream[JsonObject]:
    """The schedules, by id."""
    yield from pages(f"{API}/schedules")


def schedule(schedule_id: str) -> Talk[JsonObject]:
    """A schedule, with its `nextRuns`, `lastRun` and `lastError`. Raises NotFound."""
    answer: JsonObject = yield from fetch("GET", _path(schedule_id))
    return answer


def put_schedule(schedule: Mapping[str, Any]) -> Talk[JsonObject]:
    """Store a schedule under its `scheduleId`; `paused` left out stays as it is. Raises ValidationFailed, NotFound."""
    body = dict(schedule)
    answer: JsonObject = yield from fetch("PUT", _path(str(body.get("scheduleId", ""))), body=body)
    return answer


def remove_schedule(schedule_id: str) -> Talk[None]:
    """Forget a schedule; the tasks it has started go on. Raises NotFound."""
    yield from fetch("DELETE", _path(schedule_id))


def pause_schedule(schedule_id: str) -> Talk[JsonObject]:
    """Let a schedule start nothing; the schedule. Raises NotFound."""
    answer: JsonObject = yield from fetch("POST", f"{_path(schedule_id)}/pause", repeatable=True)
    return answer


def resume_schedule(schedule_id: str) -> Talk[JsonObject]:
    """Let a paused schedule go on from now; the schedule. Raises NotFound."""
    answer: JsonObject = yield from fetch("POST", f"{_path(schedule_id)}/resume", repeatable=True)
    return answer


def run_schedule(schedule_id: str) -> Talk[Task]:
    """Start a schedule's task once, now. Raises NotFound."""
    return read_task((yield from fetch("POST", f"{_path(schedule_id)}/run")))


def backfill_schedule(schedule_id: str, since: datetime, until: datetime) -> Talk[list[str]]:
    """Start a task now for each tick from `since` to `until` (times with a zone) that has none; their ids.

    Raises NotFound, ValidationFailed.
    """
    body = {"from": since, "to": until}
    return list((yield from fetch("POST", f"{_path(schedule_id)}/backfill", body=body, repeatable=True))["taskIds"])


def _path(schedule_id: str) -> str:
    return f"{API}/schedules/{part(schedule_id)}"
