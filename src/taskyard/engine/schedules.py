"""Schedules: put, read, pause, run and backfill them. What keeps their time is `taskyard.engine.firing`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import islice, takewhile
from typing import NamedTuple

from msgspec.structs import replace

from taskyard.contracts.records import ScheduleRow, ScheduleWrite
from taskyard.domain.due import Progress, next_look, next_runs
from taskyard.domain.forms.secrets import without_secrets
from taskyard.domain.forms.start import input_schema
from taskyard.domain.json import detail, refusal
from taskyard.domain.policy import invalid
from taskyard.domain.schedule import Schedule, ticks
from taskyard.domain.task import Task
from taskyard.engine.draft import read_input
from taskyard.engine.engine import Engine
from taskyard.engine.firing import draft_run, draft_ticks, open_among, started
from taskyard.engine.query import get_task
from taskyard.engine.request import TaskRequest
from taskyard.errors import Conflict, NotFound
from taskyard.security.caller import RESERVED_SUBJECTS, Caller

MOST_BACKFILLED = 1000
"""The most ticks that one backfill may cover."""

_NEXT_RUNS = 5
_TRIES = 20
_MOST_ASKERS = 50


class View(NamedTuple):
    """A schedule as it is now; `next_runs` in microseconds since the epoch."""

    schedule: Schedule
    progress: Progress
    next_runs: list[int]


class SchedulePage(NamedTuple):
    """Some schedules by their ids, and the id after which the next page begins (None: there is none)."""

    items: list[View]
    next: str | None


async def put_schedule(engine: Engine, schedule: Schedule, caller: Caller) -> tuple[View, bool]:
    """Store a schedule under its id; the second value tells whether it is new.

    What is put again as it was changes nothing. Other times begin to count now.
    Raises NotFound for an unknown definition, ValidationFailed for an input that does not fit it, Conflict.
    """
    known = await engine.catalog.current(schedule.task_definition_id)
    request = TaskRequest(task_definition_id=schedule.task_definition_id, input=schedule.input)
    await read_input(engine, known, request, caller, "")
    if without_secrets(input_schema(known.kind.definition), schedule.input) != schedule.input:
        raise refusal([detail("/input", "has a field that is never shown, which no schedule keeps", "writeOnly")])
    for _ in range(_TRIES):
        old = await engine.store.schedule(schedule.schedule_id)
        row = _become(old, schedule, await engine.store.now())
        if row != old:
            row = row._replace(progress=replace(row.progress, askers=_askers(row.progress, caller)))
        if row == old or row.id in await engine.store.write_schedules([ScheduleWrite(row)]):
            return await _view(engine, row), old is None
    raise _contended(schedule.schedule_id)


async def get_schedule(engine: Engine, schedule_id: str) -> View:
    """One schedule. Raises NotFound."""
    return await _view(engine, await _row(engine, schedule_id))


async def list_schedules(engine: Engine, limit: int, after: str | None) -> SchedulePage:
    """A page of the schedules, by id."""
    rows = await engine.store.schedules(limit + 1, after or "")
    views = [await _view(engine, row) for row in rows[:limit]]
    return SchedulePage(views, rows[limit - 1].id if len(rows) > limit else None)


async def remove_schedule(engine: Engine, schedule_id: str) -> None:
    """Forget a schedule; the tasks it has started go on. Raises NotFound."""
    if not await engine.store.remove_schedule(schedule_id):
        raise _unknown(schedule_id)


async def pause_schedule(engine: Engine, schedule_id: str, *, paused: bool) -> View:
    """Let a schedule start nothing, or go on from now; ticks in between are not made up for. Raises NotFound."""

    async def change(row: ScheduleRow) -> ScheduleWrite:
        schedule = replace(row.schedule, paused=paused)
        return ScheduleWrite(_become(row, schedule, await engine.store.now()))

    write, _ = await _change(engine, schedule_id, change)
    return await _view(engine, write.row)


async def run_schedule(engine: Engine, schedule_id: str, caller: Caller) -> Task:
    """Start the schedule's task once, now, whatever runs and also while it is paused.

    Raises NotFound and what `submit` raises.
    """

    async def change(row: ScheduleRow) -> ScheduleWrite:
        entry = await draft_run(engine, row, caller)
        running = tuple(await open_among(engine, row.progress.running))
        row = row._replace(progress=replace(row.progress, running=running))
        progress = started(row, [entry.entry.id], await engine.store.now())
        return ScheduleWrite(row._replace(progress=progress), (entry,))

    _, (task_id,) = await _change(engine, schedule_id, change)
    return await get_task(engine, task_id)


async def backfill(engine: Engine, schedule_id: str, since: int, until: int, caller: Caller) -> list[int]:
    """Start a task now for every tick from `since` to `until` that has none; their ids, by tick.

    Ticks that are still to be decided on are left to the schedule. Whatever its overlap policy, all start at once.
    Raises NotFound, ValidationFailed for more than `MOST_BACKFILLED` ticks, and what `submit` raises.
    """

    async def change(row: ScheduleRow) -> ScheduleWrite:
        end = min(until, await engine.store.now() if row.schedule.paused else row.progress.decided)
        return ScheduleWrite(row, await draft_ticks(engine, row, _between(row.schedule, since, end), caller))

    _, task_ids = await _change(engine, schedule_id, change)
    return task_ids


def _between(schedule: Schedule, since: int, until: int) -> list[int]:
    """The ticks from `since` to `until`, both included. Raises ValidationFailed when they are too many."""
    found = list(islice(takewhile(lambda tick: tick <= until, ticks(schedule, since - 1)), MOST_BACKFILLED + 1))
    if len(found) > MOST_BACKFILLED:
        message = f"there are more than {MOST_BACKFILLED} ticks between from and to; take a part of that time"
        raise invalid("/to", message, "maximum")
    return found


def _askers(progress: Progress, caller: Caller) -> tuple[str, ...]:
    """Who has put the schedule, with who puts it now."""
    if caller.subject in RESERVED_SUBJECTS:
        return progress.askers
    return tuple(dict.fromkeys((caller.subject, *progress.askers)))[:_MOST_ASKERS]


def _become(old: ScheduleRow | None, schedule: Schedule, now: int) -> ScheduleRow:
    """The row that a schedule becomes when it is put."""
    if old is None:
        schedule = replace(schedule, paused=bool(schedule.paused))
        progress = Progress(decided=now)
        return ScheduleRow(schedule, progress, next_look(schedule, progress))
    if schedule.paused is None:
        schedule = replace(schedule, paused=old.schedule.paused)
    if schedule == old.schedule:
        return old
    progress = old.progress
    if schedule.paused or old.schedule.paused or schedule.timing != old.schedule.timing:
        progress = replace(progress, decided=now, buffered=None)
    return ScheduleRow(schedule, progress, next_look(schedule, progress), old.revision)


async def _change(
    engine: Engine, schedule_id: str, change: Callable[[ScheduleRow], Awaitable[ScheduleWrite]]
) -> tuple[ScheduleWrite, list[int]]:
    """What was written, and the tasks stored by it; tried again while others change the schedule between."""
    for _ in range(_TRIES):
        write = await change(await _row(engine, schedule_id))
        written = await engine.store.write_schedules([write])
        if schedule_id in written:
            return write, written[schedule_id]
    raise _contended(schedule_id)


async def _row(engine: Engine, schedule_id: str) -> ScheduleRow:
    row = await engine.store.schedule(schedule_id)
    if row is None:
        raise _unknown(schedule_id)
    return row


async def _view(engine: Engine, row: ScheduleRow) -> View:
    now = await engine.store.now()
    return View(row.schedule, row.progress, next_runs(row.schedule, row.progress, now, _NEXT_RUNS))


def _unknown(schedule_id: str) -> NotFound:
    return NotFound(f"there is no schedule {schedule_id!r}; `taskyard schedules` lists those there are")


def _contended(schedule_id: str) -> Conflict:
    return Conflict(f"the schedule {schedule_id!r} is being changed by many at once; try again")
