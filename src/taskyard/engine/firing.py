"""Firing: start what schedules have due. Any number of processes may do it at once; each tick has one task.

A schedule's row says up to which tick everything is decided. That it moves on and that the tasks are stored is one
write, which counts only if nobody else has written the row since it was read.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from msgspec.structs import replace

from taskyard.contracts.records import ScheduledEntry, ScheduleRow, ScheduleWrite
from taskyard.domain.due import Due, Progress, due, next_look
from taskyard.domain.json import digest
from taskyard.domain.lifecycle import FINAL
from taskyard.domain.schedule import Schedule
from taskyard.domain.task import iso, state_of
from taskyard.engine.draft import draft_all
from taskyard.engine.engine import Engine
from taskyard.engine.request import TaskRequest
from taskyard.errors import Maintenance, Overloaded, TaskyardError
from taskyard.security.caller import SYSTEM, Caller

CAUSE_TYPE = "schedule"

_AT_ONCE = 100

log = structlog.get_logger("taskyard.schedules")


async def fire_due(engine: Engine) -> int:
    """Start what is due of all schedules; how many tasks.

    One that cannot start its task tells so by its `error` and holds nobody up; while Taskyard takes no tasks, its
    ticks wait. Raises Overloaded when the store is away.
    """
    if await engine.mode.is_on():
        return 0
    now = await engine.store.now()
    count, after = 0, (-1, "")
    while rows := await engine.store.due_schedules(now, _AT_ONCE, after):
        count += await _fire(engine, rows, now)
        after = (rows[-1].due_at or 0, rows[-1].id)
    return count


async def draft_ticks(
    engine: Engine, row: ScheduleRow, ticks: Sequence[int], caller: Caller = SYSTEM
) -> tuple[ScheduledEntry, ...]:
    """The tasks of these ticks, not yet stored; who has put it is behind them. Raises what `submit` raises."""
    schedule, askers = row.schedule, row.progress.askers
    requests = [_request(schedule, tick) for tick in ticks]
    drafts = await draft_all(engine, requests, caller, askers=askers) if requests else []
    return tuple(
        ScheduledEntry(draft.entry, _tick_key(schedule, tick)) for draft, tick in zip(drafts, ticks, strict=True)
    )


async def draft_run(engine: Engine, row: ScheduleRow, caller: Caller) -> ScheduledEntry:
    """A task of the schedule that belongs to no tick, not yet stored. Raises what `submit` raises."""
    (draft,) = await draft_all(engine, [_request(row.schedule, None)], caller, askers=row.progress.askers)
    return ScheduledEntry(draft.entry)


def started(row: ScheduleRow, task_ids: Sequence[int], now: int) -> Progress:
    """The schedule's progress once these tasks, one at least, have started."""
    counted = () if row.schedule.overlap == "allow" else (*row.progress.running, *task_ids)
    return replace(row.progress, running=counted, last_at=now, last_task=task_ids[-1], error=None)


async def open_among(engine: Engine, task_ids: Sequence[int]) -> set[int]:
    """Those of these tasks that have not ended."""
    facts = await engine.store.facts(task_ids) if task_ids else []
    return {each.body.id for each in facts if state_of(each.place, each.last) not in FINAL}


async def _fire(engine: Engine, rows: Sequence[ScheduleRow], now: int) -> int:
    still_open = await open_among(engine, [id_ for row in rows for id_ in row.progress.running])
    writes = []
    for row in rows:
        running = tuple(id_ for id_ in row.progress.running if id_ in still_open)
        write = await _decide(engine, row, running, now)
        if write is not None and write.row != row:
            writes.append(write)
    written = await engine.store.write_schedules(writes) if writes else {}
    return sum(map(len, written.values()))


async def _decide(engine: Engine, row: ScheduleRow, running: tuple[int, ...], now: int) -> ScheduleWrite | None:
    """What the schedule becomes; None where its ticks have to wait until tasks are taken again."""
    schedule = row.schedule
    found = due(schedule, row.progress, now, busy=bool(running))
    progress = replace(row.progress, decided=found.decided, buffered=found.buffered, running=running)
    row = row._replace(progress=_telling_missed(schedule, progress, found, now))
    entries: tuple[ScheduledEntry, ...] = ()
    try:
        entries = await draft_ticks(engine, row, found.starts)
    except (Maintenance, Overloaded):
        return None
    except TaskyardError as error:
        row = row._replace(progress=_failed(row.progress, now, error.code, error.message))
    except Exception:  # one schedule must not end the others
        log.exception("a schedule cannot start its task", schedule=row.id)
        row = row._replace(progress=_failed(row.progress, now, TaskyardError.code, "the log tells what happened"))
    if entries:
        row = row._replace(progress=started(row, [each.entry.id for each in entries], now))
    return ScheduleWrite(row._replace(due_at=next_look(schedule, row.progress)), entries)


def _telling_missed(schedule: Schedule, progress: Progress, found: Due, now: int) -> Progress:
    if found.missed is None:
        return progress
    message = f"what was due from {iso(found.missed)} on came later than catchUp ({schedule.catch_up:g} s) allows"
    log.warning("ticks of a schedule were missed", schedule=schedule.schedule_id, since=iso(found.missed))
    return _failed(progress, now, "MISSED", message)


def _failed(progress: Progress, now: int, code: str, message: str) -> Progress:
    return replace(progress, error={"at": now, "code": code, "message": message})


def _request(schedule: Schedule, tick: int | None) -> TaskRequest:
    """What the schedule asks for, at a tick or beside them."""
    at = None if tick is None else iso(tick)
    return TaskRequest(
        task_definition_id=schedule.task_definition_id,
        input=schedule.input,
        cause_type=CAUSE_TYPE,
        cause=schedule.schedule_id,
        correlation_id=at and f"{schedule.schedule_id}@{at}",
        metadata=None if at is None else {"scheduledAt": at},
    )


def _tick_key(schedule: Schedule, tick: int) -> bytes:
    """Under this key a tick's one task stands, also where the tick is backfilled."""
    names = (CAUSE_TYPE, schedule.schedule_id, schedule.task_definition_id, str(tick))
    return digest(*(name.encode() for name in names))
