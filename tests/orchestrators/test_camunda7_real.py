"""A real Camunda 7.24 on H2, from Maven Central: all instances end, although Taskyard is killed amid them."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import eventually

pytestmark = pytest.mark.real
INSTANCES = 200
FOLDER = Path(__file__).parent / "camunda"

JOBS = """
import asyncio
from taskyard import TaskFailed, Taskyard

yard = Taskyard()

@yard.task
async def charge(amount: int) -> dict[str, int]:
    await asyncio.sleep(0.05)
    return {"charged": amount + 1}

@yard.task
async def ship(charged: int, amount: int) -> dict[str, str]:
    if amount == 7:
        raise TaskFailed("none left", code="no-stock", retryable=False)
    return {"parcel": f"p-{charged}"}
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the engine's REST API."""
    maven, java = shutil.which("mvn"), shutil.which("java")
    assert maven, "Maven is needed to fetch Camunda: install Debian's maven"
    assert java
    folder = tmp_path_factory.mktemp("camunda")
    for name in ("pom.xml", "Engine.java"):
        shutil.copy(FOLDER / name, folder)
    fetch = [maven, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs"]
    subprocess.run(fetch, cwd=folder, check=True, capture_output=True, timeout=600)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = [f"--server.port={port}", "--server.address=127.0.0.1", "--spring.datasource.url=jdbc:h2:mem:c"]
    command = [java, "-Xmx400m", "-cp", "libs/*", "Engine.java", *settings]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as process:
        yield f"http://127.0.0.1:{port}/engine-rest"
        process.kill()


async def answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/engine")).status_code == 200
    except httpx.TransportError:
        return False


def serve(folder: Path, url: str) -> subprocess.Popen[bytes]:
    """Taskyard at work for the engine; the leader of a group of processes of its own."""
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("taskyard")), "serve", "jobs:yard", "--port", "0"],
        cwd=folder, env={**os.environ, "CAMUNDA_URL": url}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.timeout(900)
async def test_all_instances_end_although_taskyard_is_killed_amid_them(engine: str, tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(JOBS)
    async with httpx.AsyncClient(base_url=engine, timeout=60) as client:
        await eventually(lambda: answers(client), within=300)
        model = {"order.bpmn": ("order.bpmn", (FOLDER / "order.bpmn").read_bytes())}
        deployed = await client.post("/deployment/create", files=model, data={"deployment-name": "order"})
        assert deployed.status_code == 200, deployed.text

        async def count(path: str) -> int:
            return int((await client.get(path)).json()["count"])

        async def ended(at_least: int) -> bool:
            return await count("/history/process-instance/count?finished=true") >= at_least

        taskyard = serve(tmp_path, engine)
        try:
            for number in range(INSTANCES):
                body: dict[str, Any] = {"variables": {"amount": {"value": number, "type": "Integer"}}}
                started = await client.post("/process-definition/key/order/start", json=body)
                assert started.status_code == 200, started.text
                if number == INSTANCES // 2:
                    await eventually(lambda: ended(10), within=120)
                    os.killpg(taskyard.pid, signal.SIGKILL)
                    await asyncio.to_thread(taskyard.wait)
                    taskyard = serve(tmp_path, engine)
            await eventually(lambda: ended(INSTANCES), within=400)
        finally:
            os.killpg(taskyard.pid, signal.SIGKILL)
            await asyncio.to_thread(taskyard.wait)
        assert await count("/incident/count") == 0
        ends = (await client.get("/history/activity-instance?activityType=noneEndEvent")).json()
    assert sorted(each["activityId"] for each in ends) == ["refused", *["shipped"] * (INSTANCES - 1)]
    with sqlite3.connect(tmp_path / "taskyard.db") as database:
        assert database.execute("SELECT count(*) FROM task").fetchone() == (2 * INSTANCES,)
