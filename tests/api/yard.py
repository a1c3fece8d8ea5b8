"""The yard the API is tested with, and the callers who test it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.types import ASGIApp

from taskyard import Context, Taskyard
from taskyard.api.authenticate import Authenticator
from taskyard.api.cursors import Cursors
from taskyard.api.server import create_api
from taskyard.api.services import ApiServices
from taskyard.domain.definition import Definition
from taskyard.domain.queue import TaskType
from taskyard.engine.define import define
from taskyard.security.api_tokens import new_api_token
from taskyard.security.lease import LeaseSigner
from taskyard.security.links import LinkSigner
from taskyard.security.origin import loopback_origins
from taskyard.security.session import LoginLinks, SessionSigner
from taskyard.security.tokens import mint
from taskyard.settings import load
from tests.support import eventually

SECRET = "a test secret of thirty-two bytes or more"
ADMIN_TOKEN = new_api_token().shown
PORT = 8420
BASE = f"http://127.0.0.1:{PORT}"

SUM_SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
    "additionalProperties": False,
}


class Total(BaseModel):
    """A sum."""

    total: int


def make_yard(folder: Path, database_url: str = "sqlite:///:memory:", **changes: Any) -> Taskyard:
    """A yard with tasks of every temper, on a store in memory if no other is named; `changes` are settings."""
    settings = load({}).with_values(TASKYARD_DATA_DIR=str(folder), TASKYARD_GRACE=0.1, **changes)
    yard = Taskyard(database_url, settings=settings)

    @yard.task(trigger="added-up", action="add-up")
    async def add(a: int, b: int) -> Total:
        return Total(total=a + b)

    @yard.task
    async def chatty(ctx: Context, lines: int) -> int:
        for number in range(lines):
            ctx.log.info("line %d", number)
        ctx.progress(1, 1, "said")
        return lines

    @yard.task
    async def verbose(ctx: Context, lines: int) -> None:
        for number in range(lines):
            ctx.log.info("%d %s", number, "x" * 8000)
            if number % 100 == 0:
                await asyncio.sleep(0)

    @yard.task(retry=0)
    async def broken() -> None:
        raise ValueError("it is broken")

    @yard.task
    async def patient(ctx: Context) -> None:
        await asyncio.Event().wait()

    return yard


def token(scopes: Iterable[str], *, subject: str = "ada", groups: Iterable[str] = (), ttl: float = 86_400) -> str:
    """A signed token with these scopes; it outlives the tests, as some have it made before the first of them runs."""
    return mint(SECRET.encode(), subject, scopes, groups, ttl, time.time())


def bearer(*scopes: str, subject: str = "ada", groups: Iterable[str] = ()) -> dict[str, str]:
    """The header with such a token."""
    return {"Authorization": f"Bearer {token(scopes, subject=subject, groups=groups)}"}


def make_services(yard: Taskyard, origins: frozenset[str] = loopback_origins(PORT), **changes: Any) -> ApiServices:
    """The services, wired as the composition root does."""
    authenticator = Authenticator(yard.engine.store, admin_token=ADMIN_TOKEN, jwt_secret=SECRET)
    return ApiServices(
        engine=yard.engine,
        outside=yard.app.outside,
        egress=lambda: yard.app.egress,
        watcher=yard.app.watcher,
        directory=yard.app.directory,
        people_elsewhere=bool(yard.app.settings["TASKYARD_USER_SERVICE_URL"]),
        box=yard.app.box,
        integrations=lambda: yard.app.integrations,
        authenticator=authenticator,
        leases=LeaseSigner(b"l" * 32),
        sessions=SessionSigner(b"s" * 32),
        login_links=LoginLinks(),
        links=LinkSigner(b"k" * 32),
        cursors=Cursors(b"c" * 32),
        allowed_origins=origins,
        version="1.2.3",
        orchestrators=yard.app.orchestrators,
        **changes,
    )


async def define_more(yard: Taskyard) -> None:
    """Definitions that workers of other languages and people carry out."""
    external = {"kind": "external", "topic": "sums"}
    await define(
        yard.engine,
        [
            Definition(key="sums", implementation=external, input_schema=SUM_SCHEMA, output_schema={"type": "integer"}),
            Definition(key="approve", task_type=TaskType.MANUAL, implementation={"kind": "manual"}),
        ],
    )


class Client(httpx.AsyncClient):
    """An admin in process, with the services behind."""

    def __init__(self, app: FastAPI, services: ApiServices, **options: Any) -> None:
        options.setdefault("headers", {"Authorization": f"Bearer {ADMIN_TOKEN}"})
        super().__init__(transport=httpx.ASGITransport(app), base_url=BASE, **options)
        self.app = app
        self.services = services

    async def create(self, key: str, input_: Any = None, **more: Any) -> str:
        """Create a task; its id."""
        body = {"taskDefinitionId": key, "input": input_, **more}
        answer = await self.post("/api/internal/tasks", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["taskId"])

    async def until(self, task_id: str, *statuses: str) -> dict[str, Any]:
        """The task, once it is in one of these states."""

        async def in_one_of_them() -> dict[str, Any] | None:
            task = dict((await self.get(f"/api/v1/tasks/{task_id}")).json())
            return task if task["status"] in statuses else None

        return await eventually(in_one_of_them)

    async def lease(self, queue: str = "task-execution-automated", **more: Any) -> dict[str, Any]:
        """Lease one task; its message."""
        body = {"workerId": "w1", **more}
        answer = await self.post(f"/api/internal/queues/{queue}/dequeue", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["messages"][0])


class _Server(uvicorn.Server):
    """Tells when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()


@contextlib.asynccontextmanager
async def listening(make_app: Callable[[int], ASGIApp]) -> AsyncIterator[int]:
    """A real server on a free loopback port, which is yielded."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        config = uvicorn.Config(make_app(port), log_level="warning", lifespan="off", timeout_graceful_shutdown=2)
        server = _Server(config)
        running = asyncio.create_task(server.serve([listener]))
        try:
            async with asyncio.timeout(60):
                await server.answering.wait()
            yield port
        finally:
            server.should_exit = True
            await running


@contextlib.asynccontextmanager
async def serving(yard: Taskyard, **changes: Any) -> AsyncIterator[tuple[str, ApiServices]]:
    """The API on a real server; its address, `127.0.0.1:port`, and its services."""
    made: list[ApiServices] = []

    def make(port: int) -> FastAPI:
        made.append(make_services(yard, loopback_origins(port), **changes))
        return create_api(made[0])

    async with listening(make) as port:
        try:
            yield f"127.0.0.1:{port}", made[0]
        finally:
            made[0].closing.set()
