"""task-execution-layer.md: what the layer is promised to do. Running tasks, and checking them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from taskyard import Taskyard
from taskyard.errors import ValidationFailed
from taskyard.executors.function.handler import Isolation
from taskyard.testing import World
from tests.api.yard import Client, serving
from tests.cli.command import Command
from tests.promises.handlers import spin_once
from tests.promises.yard import (
    AUTOMATED,
    INTEGRATION,
    INTERNAL,
    SUM,
    client_of,
    count,
    define_more,
    dequeue,
    event_of,
    make_yard,
    refusal,
    settle,
    task_of,
    types_of,
)  # fmt: skip
from tests.stories import handlers
from tests.stories.test_curl_worker import curl
from tests.support import eventually

JOBS = """
import asyncio
from pathlib import Path

from taskyard import Taskyard

yard = Taskyard()


@yard.task
async def add(a: int, b: int) -> int:
    return a + b


@yard.task
async def hang_once() -> str:
    if Path("hanging").exists():
        return "done"
    Path("hanging").touch()
    await asyncio.Event().wait()
    return "never"
"""


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """The command line in a folder with a yard in a file."""
    (tmp_path / "jobs.py").write_text(JOBS)
    settings = {"TASKYARD_DATABASE_URL": f"sqlite:///{tmp_path / 'tasks.db'}", "TASKYARD_DATA_DIR": str(tmp_path)}
    return Command(tmp_path, settings)


@pytest.mark.parametrize("key", ["add", "fetch", "approve"])
async def test_one_interface_for_all_task_types(idle: Client, key: str) -> None:
    """task-execution-layer.md § Overview: whatever runs a task, it is handled through the same calls."""
    task_id = await idle.create(key, SUM)
    task = await task_of(idle, task_id)
    assert set(task) == set(await task_of(idle, await idle.create("sums", SUM)))
    listed = (await idle.get(f"/api/v1/tasks?definition={key}")).json()["items"]
    assert [each["taskId"] for each in listed] == [task_id]
    assert await types_of(idle, task_id) == ["created"]
    assert (await idle.post(f"{INTERNAL}/{task_id}/cancel")).json()["status"] == "CANCELED"


async def test_definition_decides_the_executor(world: World, http: Client) -> None:
    """task-execution-layer.md § Responsibilities: the definition alone says what executes a task."""
    made = {key: await http.create(key, SUM) for key in ("add", "fetch", "approve")}
    await world.settle()
    assert (await task_of(http, made["add"]))["status"] == "COMPLETED"
    assert (await task_of(http, made["approve"]))["status"] == "ASSIGNED"
    assert [message["taskId"] for message in await dequeue(http, INTEGRATION)] == [made["fetch"]]


async def test_state_survives_the_process(command: Command) -> None:
    """task-execution-layer.md § Responsibilities: a task outlives the process that ran it, history and all."""
    done = command.done("run", "add", "--app", "jobs:yard", "--a", "1", "--b", "2", "--json").json
    hanging = command.done("start", "hang_once", "--json").json
    with command.begin("worker", "jobs:yard") as worker:
        await eventually((command / "hanging").exists)
        worker.end(signal.SIGKILL)
    yard = Taskyard(command.settings["TASKYARD_DATABASE_URL"])
    async with yard, client_of(yard) as http:
        task_id = done.get("taskId") or done["runId"]
        assert (await task_of(http, task_id))["output"] == 3
        assert await types_of(http, task_id) == ["created", "started", "completed"]
        other = hanging.get("taskId") or hanging["runId"]
        assert (await task_of(http, other))["status"] in ("RUNNING", "PENDING")
        with command.begin("worker", "jobs:yard"):
            await http.until(other, "COMPLETED")


@pytest.mark.parametrize("isolation", ["inline", "thread", "process"])
async def test_timeouts_stop_and_retry(tmp_path: Path, isolation: Isolation) -> None:
    """task-execution-layer.md § Responsibilities: an attempt that takes too long is stopped, and tried again."""
    yard = make_yard(tmp_path)
    policy = {"maxRetries": 4, "initialDelay": 0.01, "jitter": 0}  # one, and some for what is late to come up
    timeout = 12 if isolation == "process" else 0.3  # a process has to come up before it can hang
    tries: list[int] = []

    async def inline(started: str) -> None:
        tries.append(1)
        if len(tries) == 1:
            await asyncio.Event().wait()

    def in_thread(started: str) -> None:
        tries.append(1)
        until = time.monotonic() + (1 if len(tries) == 1 else 0)
        while time.monotonic() < until:
            time.sleep(0.01)

    function = {"inline": inline, "thread": in_thread, "process": spin_once}[isolation]
    slow = yard.register("slow", function, isolation=isolation, timeout=timeout, retry=policy)
    async with yard.worker(), client_of(yard) as http:
        run = await slow.start(started=str(tmp_path / "started"))
        await run.result()
        attempts = (await http.get(f"/api/v1/tasks/{run.id}/attempts")).json()["items"]
        stopped = [attempt["error"]["code"] for attempt in attempts[:-1]]
        assert stopped == ["TIMEOUT"] * max(1, len(stopped))
        assert (await run.refresh()).status == "COMPLETED"


async def test_manual_task_comes_to_its_assignee(world: World, http: Client) -> None:
    """task-execution-layer.md § Responsibilities: a manual task comes to whom its definition names."""
    task_id = await http.create("approve")
    await world.settle()
    (task,) = (await http.get(f"{INTERNAL}/user/ada")).json()["items"]
    assert (task["taskId"], task["status"], task["assigneeType"]) == (task_id, "ASSIGNED", "USER")


async def test_inputs_and_outputs_are_validated(idle: Client) -> None:
    """task-execution-layer.md § Responsibilities: what goes in is checked before it is kept, what comes out too."""
    body = {"taskDefinitionId": "sums", "input": {"a": "1"}}
    assert refusal(await idle.post(INTERNAL, json=body)) == (422, "VALIDATION_ERROR")
    assert await count(idle) == 0
    task_id = await idle.create("sums", SUM)
    (message,) = await dequeue(idle, AUTOMATED)
    await settle(idle, message, "complete", output="three")
    task = await task_of(idle, task_id)
    assert (task["status"], task["error"]["code"]) == ("FAILED", "OUTPUT_VALIDATION_ERROR")


async def test_results_are_reported(world: World, http: Client) -> None:
    """task-execution-layer.md § Responsibilities: who owns the workflow learns how each task ended."""
    good = await http.create("add", SUM, workflowId="w1")
    bad = await http.create("refused", {"code": "NO"}, workflowId="w1")
    await world.settle()
    tasks = {task["taskId"]: task for task in (await http.get(f"{INTERNAL}/workflow/w1")).json()["items"]}
    assert (tasks[good]["output"], tasks[bad]["error"]["code"]) == (3, "NO")
    assert (await event_of(http, good, "task.instance.completed"))["data"]["workflowId"] == "w1"
    assert (await event_of(http, bad, "task.instance.failed"))["data"]["errorCode"] == "NO"


async def test_requests_are_accepted_at_every_door(command: Command) -> None:
    """task-execution-layer.md § Key Components › Task Router: from whatever side it is asked, it is the same task."""
    yard = Taskyard(command.settings["TASKYARD_DATABASE_URL"])

    @yard.task
    async def add(a: int, b: int) -> int:
        return a + b

    async with yard, client_of(yard) as http:
        from_python = (await add.start(**SUM)).id
        over_http = await http.create("add", SUM)
        answer = command.done("start", "add", "--a", "1", "--b", "2", "--json").json
        made = [await task_of(http, task_id) for task_id in (from_python, over_http, answer.get("taskId"))]
        asked = ("taskDefinitionId", "definitionVersion", "taskType", "status", "priority", "input", "maxRetries")
        assert len({str([task[name] for name in asked]) for task in made}) == 1


async def test_task_without_a_worker_waits_and_says_why(world: World, http: Client) -> None:
    """task-execution-layer.md § Key Components › Task Router: a task nobody can run waits, and says so."""
    definition = {"implementation": {"kind": "function", "name": "elsewhere"}}
    assert (await http.put("/api/v1/definitions/elsewhere", json=definition)).status_code == 201
    task_id = await http.create("elsewhere", {})
    await world.settle()
    why = (await http.get(f"/api/v1/tasks/{task_id}/why")).json()
    assert why["status"] == "PENDING"
    assert "worker" in why["reason"]


async def test_unknown_kind_is_refused(idle: Client) -> None:
    """task-execution-layer.md § Key Components › Task Router: a kind that nothing executes is refused at once."""
    answer = await idle.put("/api/v1/definitions/x", json={"implementation": {"kind": "cobol"}})
    assert refusal(answer) == (422, "VALIDATION_ERROR")
    assert [each["path"] for each in answer.json()["error"]["details"]] == ["/implementation/kind"]


async def test_work_is_shared_between_workers(tmp_path: Path) -> None:
    """task-execution-layer.md § Key Components › Task Router: workers of one store share the work, none doubles it."""
    url = f"sqlite:///{tmp_path / 'tasks.db'}"
    ran: list[int] = []
    both = asyncio.Barrier(2)

    def join() -> Taskyard:
        yard = Taskyard(url, settings=make_yard(tmp_path).app.settings)

        @yard.task
        async def meet() -> None:
            await both.wait()

        @yard.task
        async def note(number: int) -> None:
            ran.append(number)

        return yard

    first, second = join(), join()
    async with first.worker(concurrency=1), second.worker(concurrency=1), client_of(first) as http:
        met = [await first.start("meet") for _ in range(2)]
        async with asyncio.timeout(60):
            for run in met:
                await run.result()
        executors = {(await task_of(http, run.id))["executorId"] for run in met}
        assert len(executors) == 2
        for run in await first.start_many("note", [{"number": n} for n in range(100)]):
            await run.result()
    assert sorted(ran) == list(range(100))


async def test_execution_can_be_monitored(http: Client) -> None:
    """task-execution-layer.md § Key Components › Task Router: who runs a task, since when and how far, can be seen."""
    task_id = await http.create("patient")

    async def progress() -> dict[str, Any]:
        task = await task_of(http, task_id)
        return task if task["progress"] else {}

    task: dict[str, Any] = await eventually(progress)
    assert (task["status"], task["progress"]["percent"]) == ("RUNNING", 25)
    assert task["startTime"]
    (worker,) = (await http.get("/api/v1/workers")).json()["items"]
    assert (worker["workerId"], worker["heartbeatAge"]) == (task["executorId"], 0)
    await http.post(f"{INTERNAL}/{task_id}/cancel")


@pytest.mark.parametrize("isolation", ["inline", "thread", "process"])
async def test_registered_functions_run_in_each_isolation(tmp_path: Path, isolation: Isolation) -> None:
    """task-execution-layer.md § Key Components › Automated Task Executor: functions run on the loop, or apart."""
    yard = make_yard(tmp_path)

    async def whoami() -> int:
        return os.getpid()

    function = whoami if isolation == "inline" else handlers.whoami
    run_it = yard.register("whoami", function, isolation=isolation)
    async with yard.worker():
        assert (await run_it.run() == os.getpid()) is (isolation != "process")


async def test_a_worker_in_any_language(tmp_path: Path) -> None:
    """task-execution-layer.md § Key Components › Automated Task Executor: three requests make a worker."""
    async with make_yard(tmp_path) as yard, serving(yard) as (address, _):
        await define_more(yard)
        api = f"http://{address}/api/internal"
        _, task = await curl("POST", f"{api}/tasks", {"taskDefinitionId": "sums", "input": SUM})
        _, given = await curl("POST", f"{api}/queues/{AUTOMATED}/dequeue", {"workerId": "curl"})
        (message,) = given["messages"]
        verbs = f"{api}/queues/messages/{task['taskId']}"
        held = {"leaseToken": message["leaseToken"]}
        sign = {**held, "progress": {"current": 1, "total": 2}}
        assert await curl("POST", f"{verbs}/heartbeat", sign) == (200, {"cancelRequested": False})
        status, done = await curl("POST", f"{verbs}/complete", {**held, "output": 3})
        assert (status, done["status"], done["progress"]["percent"]) == (200, "COMPLETED", 50)


async def test_input_schema_holds_at_every_door(command: Command) -> None:
    """task-execution-layer.md § Key Components › Task Validator: a bad input is refused wherever it comes in."""
    yard = Taskyard(command.settings["TASKYARD_DATABASE_URL"])

    @yard.task
    async def add(a: int, b: int) -> int:
        return a + b

    async with yard, client_of(yard) as http:
        with pytest.raises(ValidationFailed) as failed:
            await yard.start("add", {"a": "x", "b": 2})
        over_http = await http.post(INTERNAL, json={"taskDefinitionId": "add", "input": {"a": "x", "b": 2}})
        refused = command("start", "add", "--input", '{"a": "x", "b": 2}')
        assert (over_http.status_code, refused.code) == (422, 2)
        assert over_http.json()["error"]["details"] == failed.value.details
        assert [each["path"] for each in failed.value.details] == ["/input/a"]
        assert "/input/a" in refused.err or "a:" in refused.err or "'a'" in refused.err
        assert await count(http) == 0


async def test_output_schema_holds_for_every_completion(world: World, http: Client) -> None:
    """task-execution-layer.md § Key Components › Task Validator: whoever supplies an output, it has to fit."""
    by_message, by_status = await http.create("sums", SUM), await http.create("sums", SUM)
    messages = await dequeue(http, AUTOMATED)
    await settle(http, messages[0], "complete", output="three")
    change = {"status": "COMPLETED", "output": "three", "leaseToken": messages[1]["leaseToken"]}
    await http.put(f"{INTERNAL}/{by_status}/status", json=change)
    for task_id in (by_message, by_status):
        task = await task_of(http, task_id)
        assert (task["status"], task["error"]["code"]) == ("FAILED", "OUTPUT_VALIDATION_ERROR")
    right = await http.create("sums", SUM)
    (message,) = await dequeue(http, AUTOMATED)
    assert (await settle(http, message, "complete", output=3)).json()["status"] == "COMPLETED"
    assert (await task_of(http, right))["output"] == 3


async def test_validation_errors_name_every_violation(idle: Client) -> None:
    """task-execution-layer.md § Key Components › Task Validator: each violation is named with place, words and rule."""
    items = [{"name": "nut", "count": "2"}, {"name": "screw", "count": 1}, {"name": "bolt"}]
    answer = await idle.post(INTERNAL, json={"taskDefinitionId": "order", "input": {"items": items, "extra": 1}})
    details = answer.json()["error"]["details"]
    assert {(each["path"], each["keyword"]) for each in details} == {
        ("/input/items/0/count", "type"), ("/input/items/1/name", "enum"), ("/input/items/2/count", "required"),
        ("/input/extra", "additionalProperties"),
    }  # fmt: skip
    assert all(each["message"] for each in details)


@pytest.mark.parametrize(
    "item",
    [{"name": "nut", "count": "1"}, {"name": "nut", "count": 0}, {"name": "nut", "count": 1.5}, {"name": 1, "count": 1},
     {"name": "nut", "count": True}, {"name": "nut", "count": 1, "extra": 1}],
)  # fmt: skip
async def test_types_and_constraints_are_enforced(idle: Client, item: dict[str, Any]) -> None:
    """task-execution-layer.md § Key Components › Task Validator: the hints hold, and nothing is turned to fit them."""
    answer = await idle.post(INTERNAL, json={"taskDefinitionId": "order", "input": {"items": [item]}})
    assert refusal(answer) == (422, "VALIDATION_ERROR")
    assert await count(idle) == 0
