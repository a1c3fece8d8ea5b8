"""task-execution-layer.md: what the layer is promised to do. Limits and overload."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from taskyard import Taskyard
from taskyard.domain.definition import Definition
from taskyard.engine.define import define
from taskyard.testing import yard_for_test
from tests.api.yard import Client
from tests.promises.yard import (
    AUTOMATED,
    INTEGRATION,
    INTERNAL,
    MANUAL,
    SUM,
    client_of,
    define_more,
    dequeue,
    make_yard,
    refusal,
    settle,
)  # fmt: skip

BODY = {"taskDefinitionId": "sums", "input": SUM}


async def machines(stack: AsyncExitStack, folder: Path, **settings: Any) -> list[Client]:
    """Two servers on one database, without workers."""
    clients = []
    for _ in range(2):
        yard = Taskyard(f"sqlite:///{folder / 'tasks.db'}", settings=make_yard(folder, **settings).settings)
        await stack.enter_async_context(yard)
        await define_more(yard)
        clients.append(await stack.enter_async_context(client_of(yard)))
    return clients


async def expect_two_at_once(one: Client, two: Client, queue: str, output: Any) -> None:
    """Both machines together are given two tasks, and another one for each that ends."""
    (first,) = await dequeue(one, queue, maxMessages=1)
    (second,) = await dequeue(two, queue)
    assert await dequeue(one, queue) == await dequeue(two, queue) == []
    await settle(one, first, "complete", output=output)
    (third,) = await dequeue(two, queue)
    assert await dequeue(one, queue) == []
    assert len({message["taskId"] for message in (first, second, third)}) == 3


@pytest.mark.parametrize(
    ("name", "key", "queue"),
    [("AUTOMATED", "sums", AUTOMATED), ("INTEGRATION", "fetch", INTEGRATION), ("MANUAL", "approve", MANUAL)],
)
async def test_ceilings_of_task_types_hold_everywhere(tmp_path: Path, name: str, key: str, queue: str) -> None:
    """task-execution-layer.md § Configuration: no more of a type run on all machines together than is set."""
    async with AsyncExitStack() as stack:
        one, two = await machines(stack, tmp_path, **{f"TASK_MAX_CONCURRENT_{name}": 2})
        waiting = [await one.create(key, SUM) for _ in range(5)]
        await expect_two_at_once(one, two, queue, 3)
        figures = {each["name"]: each["slots"] for each in (await one.get("/api/v1/queues")).json()["items"]}
        assert figures[queue] == {"used": 2, "limit": 2}
        why = (await two.get(f"/api/v1/tasks/{waiting[-1]}/why")).json()
        assert why["ceiling"] == {"taskType": name, "limit": 2, "running": 2}
        assert "2 may on all machines together" in why["reason"]


async def test_max_concurrent_of_a_definition_holds_everywhere(tmp_path: Path) -> None:
    """task-execution-layer.md § Configuration: `maxConcurrent` limits a definition on all machines together."""
    async with AsyncExitStack() as stack:
        one, two = await machines(stack, tmp_path)
        limited = Definition(key="limited", implementation={"kind": "external"}, max_concurrent=2)
        for client in (one, two):
            await define(client.services.engine, [limited])
        for _ in range(5):
            await one.create("limited")
        await expect_two_at_once(one, two, AUTOMATED, None)


async def test_retry_after_follows_from_the_drain_rate(tmp_path: Path) -> None:
    """task-execution-layer.md § Operational Considerations › Scalability: `Retry-After` says when there is room."""
    async with make_yard(tmp_path, TASKYARD_MAX_DEPTH=30) as yard, client_of(yard) as http:
        await define_more(yard)
        for _ in range(30):
            await http.create("sums", SUM)
        stuck = await http.post(INTERNAL, json=BODY)
        assert (refusal(stuck), stuck.headers["retry-after"]) == ((503, "OVERLOADED"), "300")
        assert len(await dequeue(http, AUTOMATED)) == 30
        for _ in range(30):
            await http.create("sums", SUM)
        busy = await http.post(f"{INTERNAL}/bulk", json={"tasks": [BODY] * 5})
        assert (refusal(busy), busy.headers["retry-after"]) == ((503, "OVERLOADED"), "10")


async def test_overload_harms_no_accepted_work(tmp_path: Path) -> None:
    """task-execution-layer.md § Operational Considerations › Resilience: what was accepted runs, the urgent first."""
    yard, order = make_yard(tmp_path, TASKYARD_MAX_DEPTH=20), []

    @yard.task
    async def work(name: str) -> None:
        order.append(name)

    async with yard_for_test(yard, concurrency=1) as world, client_of(yard) as http:
        await http.post(f"/api/v1/queues/{AUTOMATED}/pause")
        low = [await work.options(priority="LOW").start(name="low") for _ in range(10)]
        high = [await work.options(priority="HIGH").start(name="high") for _ in range(10)]
        body = {"taskDefinitionId": "work", "input": {"name": "more"}}
        answers = await asyncio.gather(*[http.post(INTERNAL, json=body) for _ in range(100)])
        assert {refusal(answer) for answer in answers} == {(503, "OVERLOADED")}
        await http.post(f"/api/v1/queues/{AUTOMATED}/resume")
        for run in low + high:
            await run.result()
        assert order == ["high"] * 10 + ["low"] * 10
        again = await http.post(INTERNAL, json=body)
        assert again.status_code == 201
        await world.settle()
    assert order[-1] == "more"
