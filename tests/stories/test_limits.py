"""Concurrency: per worker, per definition, per key."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from taskyard import Context, TaskFailed, Taskyard
from taskyard.engine.why import why
from taskyard.settings import Settings
from tests.support import eventually


class Meter:
    """How many were inside at the same time, at most."""

    def __init__(self) -> None:
        self.now, self.most = Counter[str](), Counter[str]()

    async def stay(self, name: str, seconds: float = 0.01) -> None:
        self.now[name] += 1
        self.most[name] = max(self.most[name], self.now[name])
        try:
            await asyncio.sleep(seconds)
        finally:
            self.now[name] -= 1


async def test_a_worker_runs_no_more_than_its_slots(settings: Settings) -> None:
    yard = Taskyard(settings=settings.with_values(TASK_MAX_CONCURRENT=3))
    meter = Meter()

    @yard.task
    async def job(number: int) -> None:
        await meter.stay("job")

    async with yard.worker():
        await job.run_many([{"number": n} for n in range(30)])
    assert meter.most["job"] == 3


async def test_a_definitions_limit_holds_over_all_workers(settings: Settings) -> None:
    meter = Meter()

    async def limited(number: int) -> None:
        await meter.stay("limited")

    async def free(number: int) -> None:
        await meter.stay("free")

    yards = [Taskyard(settings=settings) for _ in range(2)]
    for yard in yards:
        yard.register("limited", limited, max_concurrent=2)
        yard.register("free", free)
    one, two = yards
    async with one.worker(concurrency=8), two.worker(concurrency=8):
        runs = await one.start_many("limited", [{"number": n} for n in range(40)])
        others = await one.start_many("free", [{"number": n} for n in range(40)])
        for run in runs + others:
            await run.result()
    assert meter.most["limited"] == 2
    assert meter.most["free"] > 2


async def test_a_concurrency_key_lets_one_in_at_a_time(yard: Taskyard) -> None:
    meter = Meter()
    order: list[tuple[str, int]] = []

    @yard.task
    async def job(key: str, number: int) -> None:
        order.append((key, number))
        await meter.stay(key)

    async with yard.worker(concurrency=10):
        runs = []
        for number in range(8):
            for key in "ab":
                runs.append(await job.options(concurrency_key=key).start(key=key, number=number))
        for run in runs:
            await run.result()
    assert (meter.most["a"], meter.most["b"]) == (1, 1)
    for key in "ab":
        assert [number for name, number in order if name == key] == list(range(8))


async def test_who_waits_for_a_slot_is_told_whose(yard: Taskyard) -> None:
    release = asyncio.Event()

    @yard.task(max_concurrent=1)
    async def job() -> None:
        await release.wait()

    async with yard.worker(concurrency=5):
        first = await job.start()
        second = await job.start()
        await eventually(lambda: _is(first, "RUNNING"))
        answer = await why(yard.engine, int(second.id))
        assert first.id in answer["reason"]
        assert answer["slots"] == [{"key": "definition:job", "limit": 1, "taskIds": [first.id]}]
        release.set()
        await second.result()


async def _is(run: Any, status: str) -> bool:
    return (await run.refresh()).status == status


async def test_a_slot_is_free_again_however_its_task_ended(yard: Taskyard) -> None:
    @yard.task(max_concurrent=1, retry={"maxRetries": 1, "initialDelay": 0}, timeout=0.2)
    async def job(ctx: Context, how: str) -> str:
        if how == "hang":
            await asyncio.sleep(60)
        if how == "fail" or (how == "flaky" and ctx.attempt == 1):
            raise ValueError("no")
        return how

    async with yard.worker(concurrency=5):
        for how in ("fail", "hang", "flaky", "fine"):
            run = await job.start(how=how)
            if how in ("fail", "hang"):
                with pytest.raises(TaskFailed):
                    await run.result()
            else:
                assert await run.result() == how
        running = await job.options(execution_config={"timeout": 60}).start(how="hang")
        waiting = await job.start(how="fine")
        await eventually(lambda: _is(running, "RUNNING"))
        await running.cancel()
        assert await waiting.result() == "fine"
        first = await job.options(delay=0.05).start(how="fine")
        second = await job.start(how="fine")
        third = await job.start(how="fine")
        assert [await run.result() for run in (first, second, third)] == ["fine"] * 3


async def test_a_canceled_waiter_leaves_the_line(yard: Taskyard) -> None:
    release = asyncio.Event()

    @yard.task(max_concurrent=1)
    async def job(number: int) -> int:
        await release.wait()
        return number

    async with yard.worker(concurrency=5):
        first, second, third = await job.start_many([{"number": n} for n in range(3)])
        await eventually(lambda: _is(first, "RUNNING"))
        await second.cancel()
        release.set()
        assert [await first.result(), await third.result()] == [0, 2]
