"""`python -m bench.http [--rounds N] [--seconds S]`: creating tasks over HTTP, beside a bare route of one framework.

Both servers are processes of their own on one loop each; 50 connections send the same body and wait for its answer.
The bare route parses the body and answers a constant. Bulk sends 1,000 tasks a request.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from tests.servers.postgres import PostgresServer

from taskyard.benchmark.tasks import KEY, payload

RESULTS = Path(__file__).with_name("results")
CONNECTIONS = 50
ONE = {"taskDefinitionId": KEY, "input": payload(1), "workflowId": "w-1", "correlationId": "c-1"}

_BARE = """
import asyncio, socket, sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from taskyard.domain.json import loads
from taskyard.loops import run

async def create(request):
    loads(await request.body())
    return Response(b'{"ok":true}', 201, media_type="application/json")

async def main():
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    app = Starlette(routes=[Route("/create", create, methods=["POST"])])
    await uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")).serve([listener])

run(main())
"""


async def load(port: int, path: str, token: str, body: bytes, seconds: float, connections: int) -> float:
    """Answers a second."""
    request = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    count, end = 0, time.monotonic() + seconds

    async def send() -> None:
        nonlocal count
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.monotonic() < end:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert b" 201 " in head[:20], head
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length[15:]))
            count += 1
        writer.close()

    began = time.monotonic()
    await asyncio.gather(*(send() for _ in range(connections)))
    return count / (time.monotonic() - began)


@contextlib.asynccontextmanager
async def bare() -> AsyncIterator[int]:
    """The bare route's port."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _BARE, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def ours(url: str, folder: str) -> AsyncIterator[tuple[int, str]]:
    """Our port and a token, on the store at `url`."""
    environment = os.environ | {"TASKYARD_DATABASE_URL": url, "TASKYARD_DATA_DIR": folder, "TASK_LOG_LEVEL": "WARNING"}
    command = ["-m", "taskyard", "serve", "taskyard.benchmark.tasks:yard", "--no-worker", "--port", "0", "--json"]
    migrate = await asyncio.create_subprocess_exec(sys.executable, "-m", "taskyard", "migrate", env=environment)
    await migrate.wait()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        told = ""
        while not told.rstrip().endswith("}"):
            told += (await process.stdout.readline()).decode()
        yield int(json.loads(told)["url"].rpartition(":")[2]), _token(folder)
    finally:
        process.terminate()
        await process.wait()


def _token(folder: str) -> str:
    return next(Path(folder).glob("**/*token*")).read_text().strip()


async def measure(url: str, seconds: float) -> dict[str, float]:
    """One round on one store."""
    one, many = json.dumps(ONE).encode(), json.dumps({"tasks": [ONE] * 1000}).encode()
    with tempfile.TemporaryDirectory(prefix="taskyard-bench-") as folder:
        async with bare() as port:
            plain = await load(port, "/create", "", one, seconds, CONNECTIONS)
        async with ours(url, folder) as (port, token):
            single = await load(port, "/api/internal/tasks", token, one, seconds, CONNECTIONS)
            bulk = 1000 * await load(port, "/api/internal/tasks/bulk", token, many, seconds, 2)
    return {"bare": plain, "single": single, "bulk": bulk}


def table(rounds: dict[str, list[dict[str, float]]]) -> str:
    """Medians and ratios."""
    lines = ["| store | bare route, /s | tasks one by one, /s | of bare | tasks in bulk, /s | of one by one |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for store, measured in rounds.items():
        plain, single, bulk = (statistics.median(each[key] for each in measured) for key in ("bare", "single", "bulk"))
        lines.append(
            f"| {store} | {plain:,.0f} | {single:,.0f} | {single / plain:.2f} | {bulk:,.0f} | {bulk / single:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="bench.http")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    before = os.getloadavg()[0]
    rounds: dict[str, list[dict[str, float]]] = {"SQLite": [], "PostgreSQL": []}
    with PostgresServer.start(durable=True) as server, tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            urls = {"SQLite": f"sqlite:///{folder}/{number}.db", "PostgreSQL": server.create_database("http")}
            for store, url in urls.items():
                rounds[store].append(asyncio.run(measure(url, options.seconds)))
                print(store, {name: round(value) for name, value in rounds[store][-1].items()}, flush=True)
    said = (
        f"`python -m bench.http --rounds {options.rounds} --seconds {options.seconds:g}`, "
        f"{datetime.now(UTC):%Y-%m-%d}; "
        f"{CONNECTIONS} connections, Python {platform.python_version()}, {os.cpu_count()} cores for client, server "
        f"and database together, load before it {before:.1f}; medians."
    )
    (RESULTS / "http.md").write_text(f"# Over HTTP\n\n{said}\n\n{table(rounds)}\n")


if __name__ == "__main__":
    main()
