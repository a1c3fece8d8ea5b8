"""Every loop goes on when the database has been away: whoever claims, settles, keeps time, follows or listens."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from taskyard import Context, Run, TaskEvent, Taskyard
from taskyard.errors import Overloaded
from taskyard.settings import load
from tests.api.yard import ADMIN_TOKEN, serving
from tests.recovery.conftest import postgres_url
from tests.servers.postgres import PostgresServer
from tests.support import eventually

__all__ = ["postgres_url"]

ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
PATIENCE = 60.0
ROUNDS = 3

Restart = Callable[[PostgresServer, str], object]


def restart(server: PostgresServer, url: str) -> None:
    server.restart("immediate")


def end_sessions(server: PostgresServer, url: str) -> None:
    server.terminate_backends(url)


class Told:
    """What a process hears by every way there is."""

    def __init__(self) -> None:
        self.listeners: set[str] = set()
        self.stream: set[str] = set()
        self.socket: list[str] = []
        self.follower: list[str] = []


@contextlib.asynccontextmanager
async def in_the_background(*works: Awaitable[object]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_stream(address: str, told: Told) -> None:
    """As browsers do: when the stream ends they come again with the last id they have."""
    last: dict[str, str] = {}
    async with httpx.AsyncClient(headers=ADMIN, trust_env=False, timeout=PATIENCE) as http:
        while True:
            with contextlib.suppress(httpx.TransportError):
                headers = {"Accept": "text/event-stream", **last}
                async with http.stream("GET", f"http://{address}/api/v1/events", headers=headers) as answer:
                    async for line in answer.aiter_lines():
                        if line.startswith("id: "):
                            last = {"Last-Event-ID": line.removeprefix("id: ")}
                        if line.startswith("data: ") and '"taskId"' in line:
                            told.stream.add(json.loads(line.removeprefix("data: "))["data"]["taskId"])
            await asyncio.sleep(0.05)


async def read_socket(address: str, run: Run[None], told: Told) -> None:
    url = f"ws://{address}/ws/task/{run.id}"
    async with connect(url, proxy=None, additional_headers=ADMIN) as socket:
        async for message in socket:
            one = json.loads(message)
            if one["type"] == "log":
                told.socket.append(one["text"])


async def follow(run: Run[None], told: Told) -> None:
    async for message in run.follow():
        if message["type"] == "log":
            told.follower.append(message["text"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("strike", [restart, end_sessions])
async def test_every_loop_comes_back(
    postgres_server: PostgresServer, postgres_url: str, tmp_path: Path, strike: Restart
) -> None:
    yard = Taskyard(settings=load({}).with_values(TASKYARD_DATABASE_URL=postgres_url, TASKYARD_DATA_DIR=str(tmp_path)))
    told, said = Told(), asyncio.Event()

    @yard.task
    async def talk(ctx: Context) -> None:
        for number in range(ROUNDS):
            await said.wait()
            said.clear()
            ctx.log.info("%d", number)

    @yard.task
    async def job(number: int) -> int:
        return number

    @yard.on("task.completed")
    async def hear(event: TaskEvent) -> None:
        told.listeners.add(event.data["taskId"])

    async with yard.worker(concurrency=4), serving(yard) as (address, _):
        talking = await talk.start()
        works = (read_stream(address, told), read_socket(address, talking, told), follow(talking, told))
        async with in_the_background(*works):
            for number in range(ROUNDS):
                if number:
                    strike(postgres_server, postgres_url)
                said.set()
                await work_is_done_and_heard(yard, told)
                lines = [str(n) for n in range(number + 1)]
                await eventually(lambda lines=lines: told.socket == told.follower == lines, within=PATIENCE)


async def work_is_done_and_heard(yard: Taskyard, told: Told) -> None:
    """A task at once and one that is promoted: claimed, run, settled, and told to all; the worker beats, one leads."""
    runs = [await patiently(lambda delay=delay: yard.start("job", {"number": 1}, delay=delay)) for delay in (None, 0.5)]
    assert [await run.result() for run in runs] == [1, 1]
    ids = {run.id for run in runs}
    await eventually(lambda: told.listeners >= ids, within=PATIENCE)
    await eventually(lambda: told.stream >= ids, within=PATIENCE)
    (worker,) = await yard.engine.store.workers()
    await eventually(lambda: has_beaten(yard, worker.beat_at), within=PATIENCE)


async def has_beaten(yard: Taskyard, since: int) -> bool:
    return any(worker.beat_at > since for worker in await yard.engine.store.workers())


async def patiently(ask: Callable[..., Awaitable[Run[Any]]]) -> Run[Any]:
    while True:
        try:
            return await ask()
        except Overloaded:
            await asyncio.sleep(0.1)
