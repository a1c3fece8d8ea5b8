"""When all attempts have failed, a fallback may still give a result."""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from taskyard import TaskFailed, Taskyard
from taskyard.engine.query import list_dead
from tests.stories.tools import events_of, keys_of
from tests.support import eventually


async def price(article: str) -> float:
    raise ConnectionError("no catalogue")


async def test_a_value_stands_in_for_the_result(yard: Taskyard) -> None:
    guess = yard.register("price", price, retry={"maxRetries": 1, "initialDelay": 0}, fallback=1.5)
    async with yard.worker():
        run = await guess.start(article="pen")
        assert await run.result() == 1.5
        assert (run.status, run.task.fallback, run.task.attempt) == ("COMPLETED", True, 2)
        assert (await list_dead(yard.engine, 10, None)).items == []
        assert keys_of(await events_of(yard, run))[-2:] == ["started", "completed"]


async def by_itself(article: str) -> float:
    return len(article) / 2


def by_thread(article: str) -> float:
    time.sleep(0.01)
    return len(article) / 2


@pytest.mark.parametrize("fallback", [by_itself, by_thread])
async def test_a_function_is_called_with_the_same_input(yard: Taskyard, fallback: Callable[..., Any]) -> None:
    guess = yard.register("price", price, retry=0, fallback=fallback)
    async with yard.worker():
        assert await guess.run(article="pen") == 1.5


async def test_it_helps_after_a_timeout_too(yard: Taskyard) -> None:
    @yard.task(timeout=0.1, retry=0, fallback=by_itself)  # it waits for nothing, so its own 0.1 s are enough
    async def slow(article: str) -> float:
        await asyncio.sleep(60)
        return 0.0

    async with yard.worker(concurrency=1):
        assert await slow.run_many([{"article": "pen"}] * 3) == [1.5] * 3


def raises(article: str) -> float:
    raise RuntimeError("nor here")


def exits(article: str) -> float:
    sys.exit(1)


def gives_nonsense(article: str) -> Any:
    return "a lot"


async def hangs(article: str) -> float:
    await asyncio.sleep(60)
    return 0.0


async def cancels(article: str) -> float:
    raise asyncio.CancelledError


@pytest.mark.parametrize("fallback", [raises, exits, gives_nonsense, hangs, cancels])
async def test_a_fallback_that_fails_leaves_the_first_failure(yard: Taskyard, fallback: Callable[..., Any]) -> None:
    guess = yard.register("price", price, retry=0, timeout=0.3 if fallback is hangs else 60, fallback=fallback)

    @yard.task
    async def after() -> str:
        return "fine"

    async with yard.worker(concurrency=1):
        run = await guess.start(article="pen")
        with pytest.raises(TaskFailed, match="no catalogue"):
            await run.result()
        assert (run.status, run.task.fallback) == ("FAILED", False)
        assert await after.run() == "fine"


async def test_a_task_canceled_in_its_fallback_is_canceled_at_once(yard: Taskyard) -> None:
    entered = asyncio.Event()
    left = asyncio.Event()

    async def fall_back(article: str) -> float:
        entered.set()
        try:
            await asyncio.sleep(60)
        finally:
            left.set()
        return 0.0

    guess = yard.register("price", price, retry=0, fallback=fall_back)
    async with yard.worker(concurrency=1):
        run = await guess.start(article="pen")
        await asyncio.wait_for(entered.wait(), 60)
        assert (await run.cancel()).status == "CANCELED"
        await asyncio.wait_for(left.wait(), 60)
        await eventually(lambda: _idle(yard))
        assert (await run.refresh()).status == "CANCELED"


async def _idle(yard: Taskyard) -> bool:
    return all(row.running == 0 for row in await yard.engine.store.workers())
