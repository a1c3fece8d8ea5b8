"""A real Camunda 7.24 on H2, from Maven Central: all instances end, although Taskyard is killed amid them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers.maven import camunda
from tests.servers.ports import free_port
from tests.servers.program import running
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
async def ship(charged: int, amount: int, checked: bool) -> dict[str, str]:
    assert checked
    if amount == 7:
        raise TaskFailed("none left", code="no-stock", retryable=False)
    return {"parcel": f"p-{charged}"}
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    """The address of the engine's REST API."""
    with running(camunda(FOLDER / "Engine.java"), start=False) as server:
        server.start(within=240)
        yield f"http://{server.address}/engine-rest"


class Served:
    """Taskyard at work for the engine, as a group of processes of its own, always at the same address."""

    def __init__(self, folder: Path, engine: str) -> None:
        self._folder = folder
        self._engine = engine
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(Path(sys.executable).with_name("taskyard")), "serve", "jobs:yard", "--port", str(self._port)],
                cwd=self._folder, env={**os.environ, "CAMUNDA_URL": self._engine}, start_new_session=True,
                stdout=log, stderr=log,
            )  # fmt: skip

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {(self._folder / '.taskyard' / 'admin.token').read_text().strip()}"}


async def check_orders(served: Served) -> None:
    """Be the clerk: complete every manual task there is, whoever is away meanwhile."""
    while True:
        with contextlib.suppress(httpx.HTTPError, FileNotFoundError):
            async with httpx.AsyncClient(base_url=served.url, headers=served.headers, timeout=20) as client:
                query: dict[str, str | int] = {"status": "ASSIGNED", "limit": 200}
                for task in (await client.get("/api/v1/tasks", params=query)).json().get("items", []):
                    assert (task["taskDefinitionId"], task["assigneeId"]) == ("order.check", "clerks")
                    await client.post(f"/api/v1/tasks/{task['taskId']}/complete", json={"output": {"checked": True}})
        await asyncio.sleep(0.2)


@pytest.mark.timeout(1200)
async def test_all_instances_end_although_taskyard_is_killed_amid_them(engine: str, tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(JOBS)
    served = Served(tmp_path, engine)
    async with httpx.AsyncClient(base_url=engine, timeout=60) as there:

        async def count(path: str) -> int:
            return int((await there.get(path)).json()["count"])

        async def ended(at_least: int) -> bool:
            return await count("/history/process-instance/count?finished=true") >= at_least

        served.start()
        clerk = asyncio.create_task(check_orders(served))
        try:
            await eventually(lambda: (tmp_path / ".taskyard" / "admin.token").exists(), within=120)
            await deploy(served)
            for number in range(INSTANCES):
                body = {"variables": {"amount": {"value": number, "type": "Integer"}}}
                assert (await there.post("/process-definition/key/order/start", json=body)).status_code == 200
                if number == INSTANCES // 2:
                    await eventually(lambda: ended(10), within=240)
                    served.kill()
                    served.start()
            await eventually(lambda: ended(INSTANCES), within=600)
        finally:
            clerk.cancel()
            served.kill()
        assert await count("/incident/count") == 0
        ends = (await there.get("/history/activity-instance?activityType=noneEndEvent")).json()
    assert sorted(each["activityId"] for each in ends) == ["refused", *["shipped"] * (INSTANCES - 1)]
    with sqlite3.connect(tmp_path / "taskyard.db") as database:
        assert database.execute("SELECT count(*) FROM task").fetchone() == (3 * INSTANCES,)


async def deploy(served: Served) -> None:
    """Have Taskyard deploy the model there."""
    body = {"source": (FOLDER / "order.bpmn").read_text(), "engine": "camunda"}
    async with httpx.AsyncClient(base_url=served.url, headers=served.headers, timeout=60) as client:

        async def answered() -> httpx.Response | None:
            with contextlib.suppress(httpx.TransportError):
                return await client.post("/api/v1/workflows", json=body)
            return None

        deployed = await eventually(answered, within=120)
    assert deployed.status_code == 201, deployed.text
    assert deployed.json()["key"] == "order"
