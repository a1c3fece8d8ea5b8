"""Workers that others wrote for Camunda 7 drain our external tasks as they are: the official one for JavaScript, and
one for Python, which is installed with the tests. The first is fetched from its registry when this runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskyard import AsyncTaskyardClient, Taskyard
from taskyard.client.asynchronous import AsyncClientRun
from taskyard.server import Address, serve
from taskyard.settings import load
from tests.support import eventually

COUNT = 20

JAVASCRIPT = """
import { Client, Variables } from "camunda-external-task-client-js";
const headers = { Authorization: `Bearer ${process.env.TOKEN}` };
const bearer = (config) => ({ ...config, headers: { ...config.headers, ...headers } });
const client = new Client({ baseUrl: process.env.URL, interceptors: bearer, asyncResponseTimeout: 2000, maxTasks: 5 });
client.subscribe("double", { lockDuration: 20000 }, async ({ task, taskService }) => {
  const number = task.variables.get("number");
  if (number === 3 && task.retries === null) {
    await taskService.handleFailure(task, { errorMessage: "not yet", retries: 1, retryTimeout: 0 });
  } else if (number === 5) {
    await taskService.handleBpmnError(task, "unlucky", "five is unlucky");
  } else {
    await taskService.extendLock(task, 30000);
    const variables = new Variables();
    variables.setAll({ doubled: 2 * number, items: { by: "javascript" } });
    await taskService.complete(task, variables);
  }
});
"""

PYTHON = """
import os
from camunda.external_task.external_task import ExternalTask
from camunda.external_task.external_task_worker import ExternalTaskWorker

def handle(task: ExternalTask):
    number = task.get_variable("number")
    if number == 5:
        return task.bpmn_error("unlucky", "five is unlucky")
    return task.complete({"doubled": 2 * number, "by": "python"})

config = {"maxTasks": 5, "lockDuration": 20000, "asyncResponseTimeout": 2000, "sleepSeconds": 1,
          "auth_bearer": {"access_token": os.environ["TOKEN"]}}
ExternalTaskWorker(worker_id="py", base_url=os.environ["URL"], config=config).subscribe("double", handle)
"""


@contextlib.asynccontextmanager
async def server(folder: Path) -> AsyncIterator[tuple[str, str]]:
    """A server without workers of its own: its address and a token."""
    settings = load({}).with_values(
        TASKYARD_DATABASE_URL=f"sqlite:///{folder / 'tasks.db'}", TASKYARD_DATA_DIR=str(folder / "data")
    )
    stop: asyncio.Event = asyncio.Event()
    ready: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
    yard = Taskyard(settings=settings)
    running = asyncio.create_task(
        serve(yard.app, host="127.0.0.1", port=0, worker=False, ready=ready.set_result, stop=stop)
    )
    address = await ready
    try:
        yield address.url, (folder / "data" / "admin.token").read_text().strip()
    finally:
        stop.set()
        await running


async def run(*command: str, cwd: Path, **environment: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()[-2000:]


async def end_of(task: AsyncClientRun) -> tuple[str, object] | None:
    """Its status and its output, or the code of its error; None while it goes on."""
    now = await task.refresh()
    if now.status not in ("COMPLETED", "FAILED"):
        return None
    return str(now.status), now.output or (now.error or {}).get("code")


async def drained(folder: Path, command: list[str], **environment: str) -> dict[int, tuple[str, object]]:
    """How each number's task ended, with this worker at work."""
    async with server(folder) as (url, token), AsyncTaskyardClient(url, token) as client:
        await client.push_definition(
            {"key": "double", "implementation": {"kind": "external", "topic": "double"}, "retryPolicy": {"jitter": 0}}
        )
        numbers = range(1, COUNT + 1)
        runs = {
            number: await client.start("double", {"number": number}, correlation_id=f"k{number}") for number in numbers
        }
        worker = await asyncio.create_subprocess_exec(
            *command, cwd=folder, env={**os.environ, "URL": f"{url}/engine-rest", "TOKEN": token, **environment},
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(120):
                return {
                    number: await eventually(lambda one=one: end_of(one), within=120) for number, one in runs.items()
                }
        finally:
            worker.kill()
            await worker.wait()


@pytest.mark.real
@pytest.mark.timeout(300)
async def test_the_official_javascript_client_drains_them(tmp_path: Path) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    assert npm, "npm is needed to fetch camunda-external-task-client-js: install Debian's npm"
    assert node
    (tmp_path / "package.json").write_text('{"type": "module"}')
    await run(npm, "install", "--no-audit", "--no-fund", "camunda-external-task-client-js@3", cwd=tmp_path)
    (tmp_path / "worker.js").write_text(JAVASCRIPT)
    ended = await drained(tmp_path, [node, "worker.js"])
    assert ended.pop(5) == ("FAILED", "unlucky")
    assert ended == {number: ("COMPLETED", {"doubled": 2 * number, "items": {"by": "javascript"}}) for number in ended}
    assert len(ended) == COUNT - 1


async def test_a_python_client_drains_them(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(PYTHON)
    ended = await drained(tmp_path, [sys.executable, "worker.py"])
    assert ended.pop(5) == ("FAILED", "unlucky")
    assert ended == {number: ("COMPLETED", {"doubled": 2 * number, "by": "python"}) for number in ended}
