"""A yard in a test: time passes when the test says so, and everything that is due by then has run."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from pydantic import Field

from taskyard import Run, TaskEvent
from taskyard.errors import NotFound, ValidationFailed
from taskyard.executors.function.context import Context
from taskyard.executors.function.errors import TaskFailed
from taskyard.testing import World, yard_for_test
from taskyard.yard import Taskyard
from tests.support import PATIENCE

yard = Taskyard("sqlite:////nowhere/at/all.db")
calls: list[float] = []
heard: list[str] = []


@yard.task
async def double(number: int) -> int:
    return number * 2


@yard.task
def in_a_thread(number: int) -> int:
    return number * 3


@yard.task(retry={"maxRetries": 3, "initialDelay": 1, "multiplier": 10, "jitter": 0})
async def third_time_lucky(ctx: Context) -> int:
    calls.append(world_of_test().clock.now() / 1e6)
    if ctx.attempt < 3:
        raise RuntimeError("not yet")
    return ctx.attempt


@yard.task(retry=2, retry_delay=lambda count: 3600.0 * count)
async def hopeless() -> None:
    raise RuntimeError("never")


@yard.task
async def parent(ctx: Context, number: int) -> int:
    return await ctx.run(late_child, {"number": number}) + 1


@yard.task(retry={"maxRetries": 1, "initialDelay": 300, "jitter": 0})
async def late_child(ctx: Context, number: int) -> int:
    if ctx.attempt == 1:
        raise RuntimeError("once more")
    return number


@yard.task(max_concurrent=1)
async def one_at_a_time(ctx: Context) -> str:
    return ctx.id


@yard.task
async def hangs() -> None:
    await asyncio.Event().wait()


@yard.task
async def hourly(count: Annotated[int, Field(ge=0)]) -> None:
    await hourly.options(delay=3600).start(count=count + 1)


@yard.on("taskDoubleDone")
async def listen(event: TaskEvent) -> None:
    await asyncio.sleep(0)
    heard.append(event.data["taskId"])


_worlds: list[World] = []


def world_of_test() -> World:
    return _worlds[-1]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    calls.clear()
    heard.clear()
    async with yard_for_test(yard) as world:
        _worlds.append(world)
        yield world
        _worlds.pop()


async def test_runs_a_task_to_its_typed_result(world: World) -> None:
    assert await world.run(double, {"number": 4}) == 8
    assert await world.run(in_a_thread, {"number": 4}) == 12
    assert await world.run("double", {"number": 5}) == 10


async def test_the_handles_of_the_yard_work_as_ever(world: World) -> None:
    assert await double.run(number=21) == 42
    assert [await run.result() for run in await double.start_many([{"number": 1}, {"number": 2}])] == [2, 4]


async def test_wrong_input_is_refused_as_ever(world: World) -> None:
    with pytest.raises(ValidationFailed):
        await world.run(double, {"number": "four"})
    with pytest.raises(NotFound):
        await world.run("unknown")


async def test_a_delayed_task_runs_at_its_moment_and_not_before(world: World) -> None:
    run = await double.options(delay=86_400).start(number=1)
    await world.advance(86_399.999)
    assert (await run.refresh()).status == "PENDING"
    await world.advance(0.001)
    assert (await run.refresh()).status == "COMPLETED"


async def test_retries_run_each_at_its_own_moment(world: World) -> None:
    start = world.clock.now() / 1e6
    run = await third_time_lucky.start()
    await world.advance(60)
    assert await run.result() == 3
    assert calls == pytest.approx([start, start + 1, start + 11])
    assert world.clock.now() / 1e6 == pytest.approx(start + 60)


async def test_a_result_is_had_over_delay_and_retries(world: World) -> None:
    assert await world.run(third_time_lucky, delay=3600) == 3


async def test_a_failure_for_good_is_raised(world: World) -> None:
    began = world.clock.now()
    with pytest.raises(TaskFailed, match="never"):
        await world.run(hopeless)
    assert (world.clock.now() - began) / 1e6 == pytest.approx(3600 + 7200)


async def test_a_parent_waits_while_time_passes_for_its_child(world: World) -> None:
    assert await world.run(parent, {"number": 6}) == 7


async def test_a_worker_outlives_any_leap_of_time(world: World) -> None:
    run = await parent.start(number=1)
    await world.advance(299.9)
    assert (await run.refresh()).status == "RUNNING"
    await world.advance(0.1)
    assert (await run.refresh()).status == "COMPLETED"
    assert run.task.attempt == 1


async def test_idle_is_when_nothing_is_due_any_more(world: World) -> None:
    runs: list[Run[Any]] = [await double.options(delay=60 * n).start(number=n) for n in range(5)]
    runs.append(await hopeless.start())
    await world.run_until_idle()
    assert [(await run.refresh()).status for run in runs] == ["COMPLETED"] * 5 + ["FAILED"]


async def test_what_never_ends_is_noticed(world: World) -> None:
    await hourly.start(count=0)
    with pytest.raises(AssertionError, match="never ends"):
        await world.run_until_idle(within=86_400)


async def test_limits_hold_and_are_worked_off(world: World) -> None:
    runs = await one_at_a_time.start_many([{}] * 6)
    await world.settle()
    assert [(await run.refresh()).status for run in runs] == ["COMPLETED"] * 6


async def test_listeners_have_heard_when_the_world_is_settled(world: World) -> None:
    run = await double.start(number=1)
    await world.settle()
    assert heard == [run.id]


async def test_what_time_cannot_end_is_told(world: World) -> None:
    await world.yard.engine.store.pause(1, paused=True)
    with pytest.raises(AssertionError, match="the queue task-execution-automated is paused"):
        await world.run(double, {"number": 1})


async def test_a_handler_that_hangs_is_named() -> None:
    async with yard_for_test(yard, patience=2) as world:
        run = await hangs.start()
        with pytest.raises(TimeoutError, match=run.id):
            await world.settle()
        world._patience = PATIENCE
        await run.cancel()
        await world.settle()


async def test_worlds_share_nothing_and_leave_the_yard_as_it_was() -> None:
    usual = yard.app
    async with yard_for_test(yard) as first:
        run = await double.start(number=1)
        await first.settle()
    async with yard_for_test(yard):
        with pytest.raises(NotFound):
            await yard.get(run.id)
    assert yard.app is usual


def test_a_yard_uses_another_app_until_the_block_ends() -> None:
    own, other = Taskyard("sqlite:///:memory:"), Taskyard("sqlite:///:memory:")
    usual = own.app
    with own.using(other.app):
        assert own.engine is other.engine
    assert own.app is usual


async def test_schedules_go_by_the_tests_time() -> None:
    scheduled = Taskyard("sqlite:////nowhere/at/all.db")
    times: list[str] = []

    @scheduled.task
    async def note(ctx: Context, what: str) -> None:
        times.append(f"{what} {ctx.metadata['scheduledAt'][11:16]}")

    scheduled.schedule("odd", note, cron="0 1-23/2 * * *", input={"what": "odd"})
    scheduled.schedule("slow", note, interval=7200, input={"what": "even"})
    async with yard_for_test(scheduled) as world:
        await world.advance(3599)
        assert times == []
        await world.advance(3 * 3600 + 1)
        assert times == ["odd 01:00", "even 02:00", "odd 03:00", "even 04:00"]
        run = await scheduled.start("note", {"what": "now"}, delay=60)
        await world.advance(30)
        assert await run.refresh()
        assert run.status == "PENDING"
