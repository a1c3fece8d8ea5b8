"""Processes of every kind on one database, and what may befall them."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import httpx
import psycopg

from taskyard.client import AsyncTaskyardClient
from taskyard.security.keys import load_or_create_admin_token
from tests.recovery.load import EVERYWHERE, IN_PYTHON, Kind, Load, Submit
from tests.servers.ports import free_port
from tests.servers.postgres import PostgresServer
from tests.servers.watchdog import family, send
from tests.stories.processes import LONE, PATIENCE, SUPERVISED, Plant, freeze
from tests.support import eventually

Crew = Literal["supervised", "embedded", "http"]
"""Who works: `taskyard worker --processes 2`, a worker in a program of one's own, or one over HTTP."""

_MEASURED = 3.0
_NEARLY = 0.8
TARGET = "tests.stories.plant:yard"


class Scene:
    """Starts processes and remembers them; whatever is left is killed at the end."""

    def __init__(self, plant: Plant, url: str, folder: Path, server: PostgresServer | None) -> None:
        self.plant = plant
        self.yard = plant.yard
        self.url = url
        self.load = Load()
        self._folder = folder
        self._server = server
        self._stack = contextlib.ExitStack()
        self.workers: dict[Crew, list[subprocess.Popen[bytes]]] = {"supervised": [], "embedded": [], "http": []}
        self.servers: dict[str, subprocess.Popen[bytes]] = {}
        self._wanted = 0
        self.slack = 1.0
        """How many times as long as is promised things may take, where others share the cores."""
        plant.release("open")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in [*self.servers.values(), *self.workers["supervised"]]:
            for pid in family(process.pid)[1:]:
                send(pid, signal.SIGKILL)
        self._stack.close()

    @property
    def server(self) -> PostgresServer:
        """The PostgreSQL."""
        assert self._server is not None
        return self._server

    @property
    def token(self) -> str:
        """What the servers let in."""
        return load_or_create_admin_token(self._folder / "data")

    # Processes

    def start(self, crew: Crew) -> subprocess.Popen[bytes]:
        """One more of a crew."""
        token = self.token  # made here, before several servers make one
        name = f"{crew}-{len(self.workers[crew])}"
        command = {
            "supervised": [*SUPERVISED, "--processes", "2"],
            "embedded": LONE,
            "http": [sys.executable, "-m", "tests.recovery.http_worker", name, token, *self.servers],
        }[crew]
        process = self._stack.enter_context(self.plant.worker(command))
        self.workers[crew].append(process)
        self._wanted += {"supervised": 2, "embedded": 1, "http": 0}[crew]
        return process

    def serve(self, *, worker: bool = False, port: int | None = None) -> str:
        """A server, with a supervised worker beside it or none; its address."""
        self._wanted += worker and port is None
        port = port or free_port()
        command = [SUPERVISED[0], "serve", TARGET, "--port", str(port), *([] if worker else ["--no-worker"])]
        url = f"http://127.0.0.1:{port}"
        self.servers[url] = self._stack.enter_context(self.plant.worker(command))
        return url

    async def cast(self, *crews: Crew, count: int = 2) -> None:
        """So many of each crew, and servers if need be, at work."""
        for _ in range(count if "http" in crews else 0):
            self.serve()
        for crew in crews:
            for _ in range(count):
                self.start(crew)
        await self.at_work()

    async def at_work(self) -> None:
        """Wait until all servers answer, all workers have registered, and somebody leads."""
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
            for url in self.servers:
                await eventually(lambda url=url: _answers(http, url), within=PATIENCE)

        async def all_there() -> bool:
            pids = {each.info.pid for each in await self.yard.engine.store.workers()}
            wanted = {*self._helpers(), *self.worker_pids("supervised"), *self.worker_pids("embedded")}
            return pids >= wanted and len(wanted) >= self._wanted and bool(self.leader())

        await eventually(all_there, within=PATIENCE)

    def _helpers(self) -> list[int]:
        """The workers beside servers."""
        return [pid for url in self.servers for pid in self.tree(url)[1:]]

    @contextlib.asynccontextmanager
    async def loaded(self) -> AsyncIterator[None]:
        """Clients ask for tasks as long as the block lasts: here, and over HTTP where there are servers."""
        async with contextlib.AsyncExitStack() as stack:
            servers = [await stack.enter_async_context(AsyncTaskyardClient(url, self.token)) for url in self.servers]
            ways: list[Submit] = [server.start for server in servers]
            clients: list[list[Submit]] = [[self.yard.start], *(ways[k:] + ways[:k] for k in range(len(ways)))]
            async with self.load.pouring(clients, self.kinds):
                await self.done(40)
                yield

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What somebody here can run."""
        python = self.workers["supervised"] or self.workers["embedded"] or not self.workers["http"]
        return IN_PYTHON if python else EVERYWHERE

    def worker_pids(self, crew: Crew) -> list[int]:
        """The processes of a crew that handle tasks."""
        processes = [each for each in self.workers[crew] if each.poll() is None]
        if crew == "supervised":
            return [pid for each in processes for pid in family(each.pid)[1:]]
        return [each.pid for each in processes]

    def tree(self, url: str) -> list[int]:
        """A server with its workers."""
        return family(self.servers[url].pid)

    # What befalls them

    def leader(self) -> int:
        """The process that leads; 0 if nobody's lead holds now."""
        query = "SELECT holder, until FROM {}leader WHERE role = 'upkeep'"
        if self._server is None:
            with contextlib.closing(sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=10)) as file:
                row = file.execute(query.format("")).fetchone()
        else:
            with psycopg.connect(self.url) as connection:
                row = connection.execute(query.format("taskyard.")).fetchone()
        return int(row[0].partition("-")[0]) if row and row[1] > time.time() * 1e6 else 0

    async def freeze(self, *pids: int) -> float:
        """Stop processes, none of them in the midst of writing to the file that they share with all; the time."""
        for pid in pids:
            await freeze(pid, self.url)
        return time.time()

    async def led_by_another(self, former: int) -> float:
        """Wait until another leads; the time it was first seen."""
        await eventually(lambda: self.leader() not in (0, former), within=PATIENCE)
        return time.time()

    async def done(self, count: int) -> None:
        """Wait until so many more tasks have been done."""
        before = len(self.plant.ledger("ran"))
        await self.plant.ledger_has("ran", before + count)

    async def usual_rate(self) -> float:
        """How many tasks are done in a second, by a few seconds."""
        begin = time.time()
        await eventually(lambda: time.time() > begin + _MEASURED)
        return sum(at >= begin for at in done_at(self.plant)) / _MEASURED

    async def full_rate(self, since: float, rate: float) -> float:
        """Wait until nearly so many tasks have been done in a second; how many seconds after a moment that was."""

        def found() -> float | None:
            done = sorted(at for at in done_at(self.plant) if at >= since)
            enough = max(1, round(_NEARLY * rate))
            return next((b - since for a, b in zip(done, done[enough:], strict=False) if b < a + 1), None)

        return await eventually(found, within=PATIENCE)

    async def ended(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until a process has ended."""
        await eventually(lambda: process.poll() is not None, within=PATIENCE)


async def _answers(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/readyz")).is_success
    except httpx.TransportError:
        return False


def done_at(plant: Plant) -> list[float]:
    """When handlers were done, one time for each run."""
    return [float(line.split()[1]) for line in plant.ledger("ran")]


def kill(*pids: int) -> float:
    """`kill -9` all of them; the time."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return time.time()
