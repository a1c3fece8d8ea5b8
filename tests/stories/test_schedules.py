"""Schedules: one task a tick, whatever happens to whoever keeps the time."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from taskyard import Taskyard
from taskyard.contracts.records import Filter, ScheduleRow, ScheduleWrite
from taskyard.domain.due import Progress, next_look
from taskyard.domain.schedule import parse_schedule
from taskyard.domain.task import Task
from taskyard.engine.define import define, parse_definition, retire
from taskyard.engine.firing import fire_due
from taskyard.engine.query import list_tasks
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
from taskyard.errors import NotFound, ValidationFailed
from taskyard.runtime.upkeep import Upkeep
from taskyard.security.caller import LOCAL
from taskyard.settings import Settings
from taskyard.testing.clock import BEGINNING, ManualClock
from tests.stories.processes import Plant
from tests.support import eventually

MINUTE = 60 * 1_000_000
TABLE = {
    "key": "sums",
    "implementation": {"kind": "external", "topic": "sums"},
    "inputSchema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
}


class Timetable:
    """An open yard on a clock that is moved by hand, where nothing is executed."""

    def __init__(self, yard: Taskyard, clock: ManualClock) -> None:
        self.yard = yard
        self.engine = yard.engine
        self.clock = clock

    async def put(self, name: str = "s", **fields: Any) -> View:
        """Put a schedule of every minute, or as told."""
        timing = {} if "cron" in fields else {"interval": 60}
        given = {"scheduleId": name, "taskDefinitionId": "sums", "input": {"a": 1}, **timing, **fields}
        return (await put_schedule(self.engine, parse_schedule(given), LOCAL))[0]

    async def after(self, seconds: float) -> int:
        """Let time pass and what is due start; how many tasks."""
        self.clock.move(seconds)
        return await fire_due(self.engine)

    async def tasks(self, name: str = "s") -> list[Task]:
        """The schedule's tasks, oldest first."""
        page = await list_tasks(self.engine, Filter(cause_type="schedule", cause=name), 1000, None)
        return sorted(page.items, key=lambda task: int(task.task_id))

    async def ticks(self, name: str = "s") -> list[float]:
        """The ticks that have tasks, in minutes from the beginning."""
        return sorted(_minute(task) for task in await self.tasks(name) if task.metadata)

    async def end(self, task: Task) -> None:
        """Let a task end."""
        await self.engine.store.cancel(int(task.task_id), None, None, None)


@pytest.fixture
async def table(yard_by_hand: Taskyard, clock: ManualClock) -> AsyncIterator[Timetable]:
    async with yard_by_hand as yard:
        await define(yard.engine, [parse_definition(TABLE)])
        yield Timetable(yard, clock)


def _minute(task: Task) -> float:
    return (_second(task) * 1_000_000 - BEGINNING) / MINUTE


async def test_a_tick_starts_a_task_that_says_why_it_exists(table: Timetable) -> None:
    view = await table.put()
    assert [(at - BEGINNING) / MINUTE for at in view.next_runs] == [1, 2, 3, 4, 5]
    assert await table.after(59) == 0
    assert await table.after(1) == 1
    (task,) = await table.tasks()
    assert (task.cause_type, task.cause, task.input) == ("schedule", "s", {"a": 1})
    assert task.metadata == {"scheduledAt": "2030-01-01T00:01:00.000Z"}
    assert task.correlation_id == "s@2030-01-01T00:01:00.000Z"
    view = await get_schedule(table.engine, "s")
    assert (view.progress.last_at, view.progress.last_task) == (BEGINNING + MINUTE, int(task.task_id))
    assert await table.after(0) == 0


async def test_cron_and_interval_keep_their_times(table: Timetable) -> None:
    await table.put("hourly", cron="15 * * * *", overlap="allow")
    await table.put("often", interval=600, overlap="allow")
    for _ in range(60):
        await table.after(60)
    assert await table.ticks("hourly") == [15]
    assert await table.ticks("often") == [10, 20, 30, 40, 50, 60]


async def test_skip_waits_until_the_last_task_has_ended(table: Timetable) -> None:
    await table.put()
    assert [await table.after(60) for _ in range(3)] == [1, 0, 0]
    (task,) = await table.tasks()
    await table.end(task)
    assert await table.after(30) == 0
    assert await table.after(30) == 1
    assert await table.ticks() == [1, 4]


async def test_buffer_one_starts_when_the_last_task_has_ended(table: Timetable) -> None:
    await table.put(overlap="bufferOne")
    assert [await table.after(60) for _ in range(4)] == [1, 0, 0, 0]
    (task,) = await table.tasks()
    await table.end(task)
    assert await table.after(1) == 1
    assert await table.ticks() == [1, 2]
    assert await table.after(59) == 0
    await table.end((await table.tasks())[-1])
    assert await table.after(1) == 1
    assert await table.ticks() == [1, 2, 5]


async def test_allow_minds_nothing(table: Timetable) -> None:
    await table.put(overlap="allow")
    assert [await table.after(60) for _ in range(3)] == [1, 1, 1]


async def test_an_outage_is_made_up_for_as_far_as_the_window_goes(table: Timetable) -> None:
    await table.put("long", overlap="allow", catchUp=3600)
    await table.put("short", overlap="allow", catchUp=120)
    await table.put("one")
    await table.after(600)
    assert await table.ticks("long") == list(range(1, 11))
    assert await table.ticks("short") == [8, 9, 10]
    assert await table.ticks("one") == [1]


async def test_what_comes_too_late_is_told(table: Timetable) -> None:
    await table.put(interval=3600, catchUp=60)
    assert await table.after(3600 + 300) == 0
    error = (await get_schedule(table.engine, "s")).progress.error
    assert error is not None
    assert (error["code"], error["at"]) == ("MISSED", table.clock.now())
    assert "2030-01-01T01:00:00.000Z" in error["message"]
    assert await table.after(3300) == 1
    assert (await get_schedule(table.engine, "s")).progress.error is None


async def test_a_paused_schedule_starts_nothing_and_goes_on_from_now(table: Timetable) -> None:
    await table.put(overlap="allow")
    assert (await pause_schedule(table.engine, "s", paused=True)).next_runs == []
    assert await table.after(600) == 0
    view = await pause_schedule(table.engine, "s", paused=False)
    assert (view.next_runs[0] - BEGINNING) / MINUTE == 11
    assert await table.after(30) == 0
    assert await table.after(30) == 1
    assert await table.ticks() == [11]


async def test_putting_it_again_as_it_was_changes_nothing(table: Timetable) -> None:
    await table.put(overlap="allow")
    table.clock.move(90)
    before = await table.engine.store.schedule("s")
    await table.put(overlap="allow")
    assert await table.engine.store.schedule("s") == before
    assert await fire_due(table.engine) == 1
    await pause_schedule(table.engine, "s", paused=True)
    assert (await table.put(overlap="allow")).schedule.paused is True
    assert (await table.put(overlap="allow", paused=False)).schedule.paused is False


async def test_other_times_count_from_now_and_other_input_at_once(table: Timetable) -> None:
    await table.put(overlap="allow")
    table.clock.move(90)
    await table.put(overlap="allow", input={"a": 2})
    assert await fire_due(table.engine) == 1
    assert [task.input for task in await table.tasks()] == [{"a": 2}]
    table.clock.move(90)
    await table.put(overlap="allow", interval=120)
    assert await fire_due(table.engine) == 0
    assert await table.after(60) == 1
    assert await table.ticks() == [1, 4]


async def test_what_cannot_be_started_is_refused_when_it_is_put(table: Timetable) -> None:
    with pytest.raises(NotFound):
        await table.put(taskDefinitionId="nothing")
    with pytest.raises(ValidationFailed) as refused:
        await table.put(input={"a": "one"})
    assert refused.value.details[0]["path"] == "/input/a"
    assert (await list_schedules(table.engine, 10, None)).items == []


async def test_a_schedule_whose_definition_was_retired_says_so_and_stops_no_other(table: Timetable) -> None:
    await define(table.engine, [parse_definition({**TABLE, "key": "old"})])
    await table.put("a-broken", taskDefinitionId="old", overlap="allow")
    await table.put("b-good", overlap="allow")
    await retire(table.engine, "old")
    assert await table.after(60) == 1
    error = (await get_schedule(table.engine, "a-broken")).progress.error
    assert error is not None
    assert (error["at"], error["code"]) == (table.clock.now(), "NOT_FOUND")
    assert "old" in error["message"]
    await define(table.engine, [parse_definition({**TABLE, "key": "old"})])
    assert await table.after(60) == 2
    assert (await get_schedule(table.engine, "a-broken")).progress.error is None
    assert await table.ticks("a-broken") == [2]


async def test_an_input_that_no_longer_fits_is_told(table: Timetable) -> None:
    await table.put()
    await define(table.engine, [parse_definition({**TABLE, "inputSchema": {"type": "string"}})])
    assert await table.after(60) == 0
    error = (await get_schedule(table.engine, "s")).progress.error
    assert error is not None
    assert error["code"] == "VALIDATION_ERROR"


async def test_ticks_wait_while_taskyard_takes_no_tasks(table: Timetable) -> None:
    await table.put()
    await table.engine.mode.set(enabled=True, by="test")
    assert await table.after(90) == 0
    await table.engine.mode.set(enabled=False, by="test")
    assert await table.after(0) == 1
    assert await table.ticks() == [1]


async def test_run_now_counts_for_the_overlap(table: Timetable) -> None:
    await table.put(paused=True)
    task = await run_schedule(table.engine, "s", LOCAL)
    assert (task.cause_type, task.cause, task.metadata, task.input) == ("schedule", "s", None, {"a": 1})
    await pause_schedule(table.engine, "s", paused=False)
    assert await table.after(60) == 0
    await table.end(task)
    assert await table.after(60) == 1


async def test_backfill_starts_what_has_no_task_and_only_that(table: Timetable) -> None:
    await table.put(overlap="allow")
    await table.after(60)
    await pause_schedule(table.engine, "s", paused=True)
    await table.after(300)
    await pause_schedule(table.engine, "s", paused=False)
    await table.after(60)
    assert await table.ticks() == [1, 7]
    started = await backfill(table.engine, "s", BEGINNING - 2 * MINUTE, BEGINNING + 9 * MINUTE, LOCAL)
    assert await table.ticks() == [-2, -1, 0, 1, 2, 3, 4, 5, 6, 7]
    assert len(started) == 8
    assert await backfill(table.engine, "s", BEGINNING, BEGINNING + 9 * MINUTE, LOCAL) == []
    assert await table.after(120) == 2
    assert await table.ticks() == list(range(-2, 10))
    with pytest.raises(ValidationFailed):
        await backfill(table.engine, "s", 0, BEGINNING, LOCAL)
    with pytest.raises(NotFound):
        await backfill(table.engine, "other", 0, 1, LOCAL)


async def test_a_removed_schedule_starts_nothing(table: Timetable) -> None:
    await table.put()
    await remove_schedule(table.engine, "s")
    assert await table.after(60) == 0
    for verb in (remove_schedule, get_schedule):
        with pytest.raises(NotFound):
            await verb(table.engine, "s")


async def test_ten_thousand_schedules_that_are_not_due_cost_one_look(table: Timetable) -> None:
    schedules = [
        parse_schedule({"scheduleId": f"s{n}", "taskDefinitionId": "sums", "input": {"a": 1}, "interval": 3600})
        for n in range(10_000)
    ]
    progress = Progress(decided=BEGINNING)
    rows = [ScheduleRow(schedule, progress, BEGINNING + 60 * MINUTE) for schedule in schedules]
    await table.engine.store.write_schedules([ScheduleWrite(row) for row in rows])
    await table.put("due")
    assert await table.after(60) == 1

    async def is_one_look() -> bool:
        begin = time.perf_counter()
        assert await fire_due(table.engine) == 0
        return time.perf_counter() - begin < 0.05

    await eventually(is_one_look)
    assert await table.after(59 * 60) == 10_000  # the last task of `due` has not ended


# ---- more than one who keeps time
async def test_many_leaders_at_once_start_each_tick_once(
    table: Timetable, settings: Settings, clock: ManualClock
) -> None:
    for number in range(20):
        await table.put(f"s{number}", overlap="allow", jitter=45)
    others = [Taskyard(settings=settings, clock=clock) for _ in range(2)]
    for other in others:
        await other.app.open()
    try:
        engines = [table.engine, *(other.engine for other in others)]
        total = 0
        for _ in range(12):
            clock.move(30)
            total += sum(await asyncio.gather(*(fire_due(engine) for engine in engines for _ in range(2))))
    finally:
        for other in others:
            await other.app.close()
    ticks = Counter([(f"s{number}", tick) for number in range(20) for tick in await table.ticks(f"s{number}")])
    assert total == len(ticks) == ticks.total()
    for number in range(20):
        found = sorted(tick for name, tick in ticks if name == f"s{number}")
        assert found == list(range(1, len(found) + 1))
        assert len(found) in (5, 6)


async def test_changes_and_ticks_do_not_undo_each_other(table: Timetable) -> None:
    await table.put(overlap="allow")
    for number in range(1, 11):
        table.clock.move(60)
        fired, _, task = await asyncio.gather(
            fire_due(table.engine),
            table.put(overlap="allow", input={"a": number}),
            run_schedule(table.engine, "s", LOCAL),
        )
        assert fired in (0, 1)
        assert task.metadata is None
        await fire_due(table.engine)
    assert await table.ticks() == list(range(1, 11))
    assert len(await table.tasks()) == 20


async def test_the_time_is_kept_while_a_yard_works_and_over_restarts(
    yard: Taskyard, another_yard: Callable[[], Taskyard]
) -> None:
    yards = [yard, another_yard()]
    for each in yards:
        each.task(greet)
        each.schedule("greeting", "greet", interval=1, input={"name": "Ada"}, overlap="allow")

    async def greeted() -> list[Task]:
        page = await list_tasks(yards[0].engine, Filter(cause="greeting"), 100, None)
        return page.items

    async with yards[0].worker():
        await eventually(greeted)
    async with yards[0], yards[1].worker():
        before = len(await greeted())
        await eventually(lambda: _more(greeted, before))
        found = await greeted()
        assert (await get_schedule(yards[1].engine, "greeting")).schedule.input == {"name": "Ada"}
    ticks = [task.correlation_id for task in found]
    assert len(set(ticks)) == len(ticks)


async def test_another_leader_takes_over_without_a_gap_or_a_repetition(
    yard: Taskyard, another_yard: Callable[[], Taskyard]
) -> None:
    other = another_yard()
    async with yard, other:
        await define(yard.engine, [parse_definition(TABLE)])
        wanted = {"scheduleId": "s", "taskDefinitionId": "sums", "input": {"a": 1}, "interval": 1, "overlap": "allow"}
        await put_schedule(yard.engine, parse_schedule(wanted), LOCAL)
        keepers = [Upkeep(one.engine, 30) for one in (yard, other)]
        for keeper in keepers:
            keeper.start()

        async def seconds() -> list[int]:
            page = await list_tasks(yard.engine, Filter(cause="s"), 100, None)
            return sorted(map(_second, page.items))

        await eventually(lambda: _more(seconds, 1))
        await keepers[0].stop()
        await eventually(lambda: _more(seconds, 4))
        await keepers[1].stop()
        found = await seconds()
    assert found == list(range(found[0], found[0] + len(found)))


async def _more(ask: Callable[[], Any], count: int) -> bool:
    return len(await ask()) > count


async def greet(name: str) -> str:
    return f"hello {name}"


# ---- killed
KEEPER = [sys.executable, "-m", "tests.stories.keeper"]
NAMES = [f"s{number}" for number in range(4)]


async def behind(yard: Taskyard, name: str, seconds: int) -> None:
    """A schedule of every two seconds that nobody has looked at for so long."""
    wanted = {"scheduleId": name, "taskDefinitionId": "sums", "input": {"a": 1}, "interval": 2, "paused": False}
    schedule = parse_schedule({**wanted, "overlap": "allow", "catchUp": 86_400})
    progress = Progress(decided=await yard.engine.store.now() - seconds * 1_000_000)
    row = ScheduleRow(schedule, progress, next_look(schedule, progress))
    await yard.engine.store.write_schedules([ScheduleWrite(row)])


async def test_killing_who_keeps_the_time_neither_loses_nor_doubles_a_tick(
    yard: Taskyard, database_url: str, tmp_path: Path
) -> None:
    async def reached(count: int) -> bool:
        pages = [await yard.engine.store.find(Filter(cause=name), 5000, None) for name in NAMES]
        return sum(len(page.ids) for page in pages) >= count

    async with yard:
        await define(yard.engine, [parse_definition(TABLE)])
        for name in NAMES:
            await behind(yard, name, 3000)
        plant = Plant(yard, database_url, tmp_path)
        for count in (1, 800, 1600, 2400):
            with plant.worker(KEEPER), plant.worker(KEEPER):  # both are killed in the end
                await eventually(lambda count=count: reached(count))
        with plant.worker(KEEPER):
            await eventually(lambda: reached(len(NAMES) * 1500), within=60)
        for name in NAMES:
            page = await list_tasks(yard.engine, Filter(cause=name), 5000, None)
            seconds = sorted(map(_second, page.items))
            assert seconds == list(range(seconds[0], seconds[-1] + 1, 2))
            assert len(seconds) >= 1500


def _second(task: Task) -> int:
    assert task.metadata is not None
    return int(datetime.fromisoformat(task.metadata["scheduledAt"]).timestamp())
