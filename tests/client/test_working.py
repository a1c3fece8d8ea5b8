"""A worker in Python over HTTP."""

import asyncio
from typing import Any

import pytest

from taskyard import errors
from taskyard.client import AsyncTaskyardClient, QueueMessage, TaskyardClient
from tests.client.conftest import Served

ELSEWHERE = {"key": "elsewhere", "implementation": {"kind": "external", "topic": "x"}, "retryPolicy": {"maxRetries": 1}}


async def leased(client: AsyncTaskyardClient, **options: Any) -> QueueMessage:
    (message,) = await client.dequeue(worker_id="w", wait_time=10, definitions=["elsewhere"], **options)
    return message


async def test_a_worker_takes_reports_and_completes(client: AsyncTaskyardClient) -> None:
    await client.push_definition(ELSEWHERE)
    run = await client.start("elsewhere", {"n": 1})
    message = await leased(client)
    assert (message.task_id, message.input, message.dequeue_count) == (run.id, {"n": 1}, 1)
    progress = {"current": 1, "total": 2, "action": "halfway"}
    assert await client.heartbeat(message, progress=progress, logs=[{"text": "hi"}], visibility_timeout=60) is False
    assert (await run.refresh()).progress == {**progress, "percent": 50.0}
    assert (await client.complete_message(message, {"n": 2})).status == "COMPLETED"
    assert await run.result() == {"n": 2}
    with pytest.raises(errors.StaleLease):
        await client.complete_message(message, {"n": 3})


async def test_a_worker_fails_and_postpones(client: AsyncTaskyardClient) -> None:
    await client.push_definition(ELSEWHERE)
    await client.start("elsewhere")
    assert (await client.retry_message(await leased(client), delay=0)).retry_count == 0
    assert (await client.retry_message(await leased(client), delay=0, error="not now")).retry_count == 1
    failed = await client.fail_message(await leased(client), "never", code="MY_CODE", details={"why": "so"})
    assert (failed.status, failed.error["code"], failed.error["details"]) == ("FAILED", "MY_CODE", {"why": "so"})


async def test_a_worker_hears_that_its_task_was_canceled(client: AsyncTaskyardClient) -> None:
    await client.push_definition(ELSEWHERE)
    run = await client.start("elsewhere")
    message = await leased(client)
    await run.cancel()
    assert await client.heartbeat(message) is True


async def test_nothing_to_do_is_an_empty_list(client: AsyncTaskyardClient) -> None:
    assert await client.dequeue(worker_id="w", wait_time=0, definitions=["elsewhere"]) == []


async def test_a_sync_worker_is_ten_lines(served: Served) -> None:
    def work() -> None:
        with TaskyardClient(served.url, served.token) as client:
            client.push_definition(ELSEWHERE)
            runs = client.start_many("elsewhere", [{"n": n} for n in range(3)])
            left = len(runs)
            while left:
                for message in client.dequeue(worker_id="w", max_messages=2, wait_time=5, definitions=["elsewhere"]):
                    client.complete_message(message, message.input["n"] ** 2)
                    left -= 1
            assert [run.result() for run in runs] == [0, 1, 4]

    await asyncio.to_thread(work)
