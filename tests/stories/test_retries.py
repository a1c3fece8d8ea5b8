"""Failing and trying again: back-off, budgets, and errors that know better."""

import asyncio
from datetime import timedelta

import pytest

from taskyard import Context, TaskFailed, Taskyard
from taskyard.domain.retry import RetryPolicy
from taskyard.errors import Overloaded
from tests.stories.tools import events_of, keys_of

AT_ONCE = {"maxRetries": 5, "initialDelay": 0, "jitter": 0}


def test_the_delays_double_up_to_their_ceiling() -> None:
    policy = RetryPolicy(initial_delay=1, multiplier=2, max_delay=300, jitter=0)
    assert [policy.delay(retry, 0.5) for retry in range(1, 12)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert policy.delay(10_000, 0.5) == 300


def test_jitter_spreads_them_evenly_to_both_sides() -> None:
    policy = RetryPolicy(initial_delay=10, multiplier=1, jitter=0.2)
    assert (policy.delay(1, 0.0), policy.delay(1, 0.5), policy.delay(1, 1.0)) == (8, 10, 12)


async def test_a_flaky_task_recovers(yard: Taskyard) -> None:
    @yard.task(retry=AT_ONCE)
    async def flaky(ctx: Context) -> str:
        if ctx.attempt < 3:
            raise ConnectionError(f"attempt {ctx.attempt}")
        return "recovered"

    async with yard.worker():
        run = await flaky.start()
        assert await run.result() == "recovered"
        assert (run.task.attempt, run.task.retry_count, run.task.error) == (3, 2, None)
        events = await events_of(yard, run)
    assert keys_of(events) == ["created", "started", "retry", "started", "retry", "started", "completed"]
    assert [(e.data["retryCount"], e.data["lastErrorMessage"]) for e in events if e.key == "task.retry"] == [
        (1, "ConnectionError: attempt 1"),
        (2, "ConnectionError: attempt 2"),
    ]


async def test_while_it_waits_it_is_retrying_and_says_when(yard: Taskyard) -> None:
    @yard.task(retry={"maxRetries": 3, "initialDelay": 200, "jitter": 0})
    async def fail() -> None:
        raise ValueError("no")

    async with yard.worker():
        run = await fail.start()
        async for message in run.follow():
            if message.get("status") == "RETRYING":
                break
        task = await run.refresh()
        assert (task.status, task.retry_count, task.max_retries) == ("RETRYING", 1, 3)
        assert task.error is not None
        assert task.error["message"] == "ValueError: no"
        assert task.next_retry_time is not None
        assert timedelta(seconds=199) < task.next_retry_time - task.created_at < timedelta(seconds=260)


async def test_the_retries_come_after_the_first_attempt_and_then_it_fails(yard: Taskyard) -> None:
    attempts: list[int] = []

    @yard.task(retry={**AT_ONCE, "maxRetries": 2})
    async def fail(ctx: Context) -> None:
        attempts.append(ctx.attempt)
        raise ValueError("no")

    async with yard.worker():
        run = await fail.start()
        with pytest.raises(TaskFailed, match="ValueError: no") as failed:
            await run.result()
    assert attempts == [1, 2, 3]
    assert failed.value.code == "EXECUTION_ERROR"
    assert (run.status, run.task.retry_count) == ("FAILED", 2)
    assert run.task.dead_lettered_at is not None


async def test_retry_delay_maps_the_retry_to_seconds(yard: Taskyard) -> None:
    asked: list[int] = []

    def delay(retry: int) -> float:
        asked.append(retry)
        return 0.0

    @yard.task(retry=2, retry_delay=delay)
    async def fail() -> None:
        raise ValueError("no")

    async with yard.worker():
        run = await fail.start()
        with pytest.raises(TaskFailed):
            await run.result()
        delays = [event.data["retryDelay"] for event in await events_of(yard, run) if event.key == "task.retry"]
    assert asked[:2] == [1, 2]
    assert delays == [0, 0]


async def test_retry_delay_holds_after_a_timeout_too(yard: Taskyard) -> None:
    @yard.task(retry={"maxRetries": 1, "initialDelay": 200}, retry_delay=lambda _: 0.0, timeout=0.1)
    async def slow(ctx: Context) -> str:
        if ctx.attempt == 1:
            await asyncio.sleep(60)
        return "in time"

    async with yard.worker():
        assert await slow.run() == "in time"


async def test_an_error_may_name_its_own_delay(yard: Taskyard) -> None:
    @yard.task(retry={"maxRetries": 3, "initialDelay": 600})
    async def busy(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise TaskFailed("come back", code="BUSY", delay=0)
        if ctx.attempt == 2:
            raise Overloaded("not now", retry_after=0.01)
        return ctx.attempt

    async with yard.worker():
        run = await busy.start()
        assert await run.result() == 3
        retries = [event.data for event in await events_of(yard, run) if event.key == "task.retry"]
    assert [(data["lastErrorCode"], data["retryDelay"]) for data in retries] == [("BUSY", 0), ("OVERLOADED", 0.01)]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TaskFailed("no", code="GONE"), "GONE"),
        (TaskFailed("no", code="OTHER", retryable=False), "OTHER"),
        (TaskFailed("no", code="VALIDATION_ERROR"), "VALIDATION_ERROR"),
        (TaskFailed("no", code="SANDBOX_UNAVAILABLE"), "SANDBOX_UNAVAILABLE"),
    ],
)
async def test_some_errors_are_never_retried(yard: Taskyard, error: TaskFailed, code: str) -> None:
    @yard.task(retry={**AT_ONCE, "nonRetryable": ["GONE"]})
    async def fail() -> None:
        raise error

    async with yard.worker():
        run = await fail.start()
        with pytest.raises(TaskFailed) as failed:
            await run.result()
    assert (failed.value.code, run.task.attempt) == (code, 1)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("half \ud800 a pair"),
        ValueError("nothing \0 there"),
        TaskFailed("odd details", details={"set": {1, 2}, "object": object(), "nan": float("nan"), "big": 2**70}),
        TaskFailed("odder details", details={"half": "\ud800"}),
        TaskFailed("odd code", code="\ud800"),
        Overloaded("odd details", details=object()),
        ValueError("x" * 1_000_000),
    ],
)
async def test_an_error_that_cannot_be_written_down_is_written_down_somehow(yard: Taskyard, error: Exception) -> None:
    @yard.task(retry=0)
    async def fail() -> None:
        raise error

    @yard.task
    async def after() -> str:
        return "fine"

    async with yard.worker(concurrency=1):
        run = await fail.start()
        with pytest.raises(TaskFailed):
            await run.result()
        assert run.task.error is not None
        assert len(run.task.error["message"]) < 10_000
        assert await after.run() == "fine"


async def test_a_broken_retry_delay_is_an_error_and_no_more(yard: Taskyard) -> None:
    def broken(retry: int) -> float:
        raise RuntimeError(f"no idea about {retry}")

    @yard.task(retry=1, retry_delay=broken)
    async def fail() -> None:
        raise ValueError("no")

    @yard.task
    async def after() -> str:
        return "fine"

    async with yard.worker(concurrency=1):
        run = await fail.options(execution_config={"retryPolicy": AT_ONCE | {"maxRetries": 1}}).start()
        with pytest.raises(TaskFailed, match="no"):
            await run.result()
        assert await after.run() == "fine"
