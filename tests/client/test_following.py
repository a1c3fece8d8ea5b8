"""Every line once and in order, however often the connection breaks, and without sockets too."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from taskyard import errors
from taskyard.client import AsyncTaskyardClient, TaskyardClient
from taskyard.executors.function.errors import TaskFailed
from tests.client.conftest import Served, serving
from tests.client.samples import LINES

EVERY_LINE = [f"line {number}" for number in range(LINES)]
EVERY_STATUS = ["PENDING", "RUNNING", "RETRYING", "RUNNING", "COMPLETED"]


def check_story(messages: list[dict[str, Any]]) -> None:
    """The whole story of `talk`: complete, once, in order."""
    assert [m["text"] for m in messages if m["type"] == "log"] == EVERY_LINE
    assert [m["status"] for m in messages if m["type"] == "status"] == EVERY_STATUS
    assert [m["type"] for m in messages[-2:]] == ["result", "end"]
    assert messages[-2]["output"] == "said it all"
    numbers = [m["sequence"] for m in messages if m["type"] != "progress"]
    assert numbers == sorted(numbers)


async def test_follows_a_run_from_its_start_to_its_end(client: AsyncTaskyardClient) -> None:
    run = await client.start("talk")
    check_story([message async for message in run.follow()])
    check_story([message async for message in run.follow()])


async def test_follows_on_from_a_sequence(client: AsyncTaskyardClient) -> None:
    run = await client.start("talk", {"pause": 0})
    messages = [message async for message in run.follow()]
    middle = messages[len(messages) // 2]["sequence"]
    later = [message async for message in run.follow(middle)]
    assert later[:-1] == [m for m in messages if m["sequence"] > middle][:-1]
    assert [m["type"] async for m in run.follow(messages[-1]["sequence"])] == ["end"]


async def test_has_every_line_once_through_three_breaks(client: AsyncTaskyardClient, served: Served) -> None:
    run = await client.start("talk")
    messages = []
    async for message in run.follow():
        messages.append(message)
        if message["type"] == "log" and message["text"] in ("line 10", "line 25", "line 40"):
            served.cable.cut()
    check_story(messages)
    assert served.cable.opened >= 4


async def test_goes_on_when_the_server_was_started_again(client: AsyncTaskyardClient, served: Served) -> None:
    run = await client.start("talk")
    messages = []
    async for message in run.follow():
        messages.append(message)
        if message["type"] == "log" and message["text"] == "line 10":
            await served.stop()
            await served.start()
    check_story(messages)


async def test_asks_where_sockets_are_refused(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, TASK_WEBSOCKET_ENABLED=False) as served,
        AsyncTaskyardClient(served.url, served.token) as client,
    ):
        run = await client.start("talk")
        messages = [message async for message in run.follow()]
        check_story(messages)
        assert [m["percent"] for m in messages if m["type"] == "progress"][-1] == 100.0
        middle = messages[len(messages) // 2]["sequence"]
        later = [m async for m in run.follow(middle) if m["type"] not in ("progress", "end")]
        assert later == [m for m in messages if m["sequence"] > middle and m["type"] not in ("progress", "end")]
        with pytest.raises(TaskFailed):
            await client.run("fail")


async def test_asking_tells_what_the_socket_tells(tmp_path: Path) -> None:
    async with serving(tmp_path, TASK_WEBSOCKET_ENABLED=False) as served:
        async with AsyncTaskyardClient(served.url, served.token) as client:
            run = await client.start("talk")
            asked = [message async for message in run.follow() if message["type"] not in ("progress", "end")]
        ours = await served.yard.get(run.id)
        told = [message async for message in ours.follow() if message["type"] not in ("progress", "end")]
    assert asked == told


async def test_the_sync_client_follows_through_breaks_too(served: Served) -> None:
    loop = asyncio.get_running_loop()

    def work() -> list[dict[str, object]]:
        messages = []
        with TaskyardClient(served.url, served.token) as client:
            for message in client.start("talk").follow():
                messages.append(message)
                if message["type"] == "log" and message["text"] in ("line 10", "line 40"):
                    loop.call_soon_threadsafe(served.cable.cut)
        return messages

    check_story(await asyncio.to_thread(work))


async def test_what_cannot_be_followed_is_told_at_once(client: AsyncTaskyardClient) -> None:
    with pytest.raises(errors.NotFound):
        [message async for message in client.follow("1")]
    with pytest.raises(errors.NotFound):
        await client.result("no id")
