"""A server on loopback with its own store and a worker, and a way to it that can be cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from taskyard.client import AsyncTaskyardClient
from taskyard.security.keys import load_or_create_admin_token
from taskyard.server import serve
from taskyard.settings import load
from taskyard.yard import Taskyard
from tests.client.samples import register
from tests.servers.ports import free_port

HOST = "127.0.0.1"


class Cable:
    """Leads every connection on to the server; `cut` breaks all there are."""

    def __init__(self) -> None:
        self.port = 0
        self.target = 0
        self.opened = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> "Cable":
        self._server = await asyncio.start_server(self._lead, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        try:
            there, on = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, on}
        await asyncio.gather(_pump(reader, on), _pump(there, writer))
        self._writers -= {writer, on}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class Served:
    """A yard whose server can be stopped and started again on the same port."""

    def __init__(self, yard: Taskyard, folder: Path, cable: Cable) -> None:
        self.yard = yard
        self.cable = cable
        self.token = load_or_create_admin_token(folder)
        self._port = free_port()
        self._running: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.cable.port}"

    async def start(self) -> None:
        ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._running = asyncio.create_task(
            serve(self.yard.app, host=HOST, port=self._port, worker=False, ready=ready.set_result, stop=self._stop)
        )
        await asyncio.wait({self._running, ready}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            await self._running
        self.cable.target = self._port

    async def stop(self) -> None:
        if self._running is not None:
            self._stop.set()
            await self._running
            self._running = None


@contextlib.asynccontextmanager
async def serving(folder: Path, **changes: object) -> AsyncIterator[Served]:
    async with Cable() as cable:
        settings = load({}, folder).with_values(
            TASKYARD_DATABASE_URL=f"sqlite:///{folder / 'taskyard.db'}",
            TASKYARD_DATA_DIR=str(folder),
            TASKYARD_ALLOWED_HOSTS=(f"{HOST}:{cable.port}",),
            **changes,
        )
        yard = register(Taskyard(settings=settings))
        served = Served(yard, folder, cable)
        async with yard.worker(concurrency=4):
            await served.start()
            try:
                yield served
            finally:
                await served.stop()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as served:
        yield served


@pytest.fixture
async def client(served: Served) -> AsyncIterator[AsyncTaskyardClient]:
    async with AsyncTaskyardClient(served.url, served.token) as client:
        yield client
