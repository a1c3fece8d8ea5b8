"""What sourceloop-task-service.md promises of the core."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI

from taskyard import Context, Task, TaskEvent, Taskyard, UserTask, WorkflowTask
from taskyard.api import admin
from taskyard.domain.definition import Definition
from taskyard.domain.queue import TaskType
from taskyard.engine.define import define
from tests.cli.command import Command
from tests.promises.fixtures_b import calling, events_of, ids_of, new_yard, words_of, working

DEADLETTERS = "/api/internal/queues/task-execution-deadletter/messages"
WORKFLOW = {
    "workflowId": "w-7",
    "stepId": "check",
    "workflowContext": {"variables": {"order": 4}, "importance": "HIGH"},
}


@pytest.fixture
def yard(tmp_path: Path) -> Taskyard:
    made = new_yard(tmp_path)

    @made.task
    async def add(a: int, b: int) -> int:
        return a + b

    @made.task(retry=1, retry_delay=lambda count: 0)
    async def second_time(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise RuntimeError("not yet")
        return ctx.attempt

    @made.task(retry=0)
    async def broken() -> None:
        raise RuntimeError("for good")

    return made


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


async def test_task_keeps_its_workflow_reference(yard: Taskyard) -> None:
    """sourceloop-task-service.md § Overview: a task made for a step of a workflow keeps its reference for life."""
    async with working(yard) as client:
        task_id = await client.create("add", {"a": 1, "b": 2}, **WORKFLOW)
        done = await client.until(task_id, "COMPLETED")
        assert {name: done[name] for name in WORKFLOW} == WORKFLOW
        listed = (await client.get("/api/internal/tasks/workflow/w-7")).json()["items"]
        assert [task["taskId"] for task in listed] == [task_id]


def _talk(command: Command, *requests: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers to requests of the Model Context Protocol, in order."""
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    answers = []
    with command.begin("mcp") as process:
        for number, (method, params) in enumerate([("initialize", hello), *requests]):
            asked = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            answers.append(json.loads(process.line())["result"])
        process.stdin.close()
        assert process.wait() == 0
    return answers


def test_mcp_microservice_tool_scaffolds_a_service(command: Command) -> None:
    """sourceloop-task-service.md § Available MCP Servers › sourceloop-cli: a tool scaffolds a service in a folder."""
    arguments = {"name": "my-tasks", "folder": str(command / "services"), "connector": "http"}
    hello, tools, made = _talk(
        command, ("tools/list", {}), ("tools/call", {"name": "microservice", "arguments": arguments})
    )
    assert hello["protocolVersion"] == "2025-06-18"
    assert "microservice" in [tool["name"] for tool in tools["tools"]]
    assert made["isError"] is False
    command.done("init", "my-tasks", "--connector", "http")
    by_tool = {path.name: path.read_text() for path in (command / "services" / "my-tasks").iterdir()}
    by_command = {path.name: path.read_text() for path in (command / "my-tasks").iterdir()}
    assert by_tool == by_command


def test_base_package_needs_no_broker_library() -> None:
    """sourceloop-task-service.md § Installation: the base package loads no library of a broker or a cloud."""
    program = "import sys, taskyard, taskyard.cli, taskyard.cli.program; print('\\n'.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    tops = {name.partition(".")[0] for name in loaded.split()}
    assert "taskyard" in tops
    assert not tops & {"aiokafka", "kafka", "confluent_kafka", "aiobotocore", "botocore", "boto3"}


async def test_task_model_has_status_assignee_and_workflow(yard: Taskyard) -> None:
    """sourceloop-task-service.md § Key Models: Task has status, assignee and workflow reference."""
    async with yard.worker():
        run = await yard.start("add", {"a": 1, "b": 2}, workflow_id="w-1", assignee={"type": "USER", "id": "ada"})
        await run.result()
        task = await run.refresh()
    assert isinstance(task, Task)
    assert (task.task_id, task.status, task.workflow_id) == (run.id, "COMPLETED", "w-1")
    assert (task.assignee_type, task.assignee_id) == ("USER", "ada")


async def test_workflow_task_always_names_its_workflow(yard: Taskyard) -> None:
    """sourceloop-task-service.md § Key Models: WorkflowTask is a task of a workflow, and names it."""
    async with yard:
        of_workflow = await (await yard.start("add", {"a": 1, "b": 2}, workflow_id="w-1")).refresh()
        alone = await (await yard.start("add", {"a": 1, "b": 2})).refresh()
    assert isinstance(of_workflow, WorkflowTask)
    assert isinstance(of_workflow, Task)
    assert of_workflow.workflow_id == "w-1"
    assert not isinstance(alone, WorkflowTask)
    with pytest.raises(msgspec.ValidationError, match="workflow_id"):
        msgspec.convert(msgspec.to_builtins(alone), WorkflowTask)


async def test_user_task_maps_a_manual_task_to_its_user(yard: Taskyard) -> None:
    """sourceloop-task-service.md § Key Models: UserTask tells which user has to do a manual task."""
    async with working(yard) as client:
        manual = Definition(key="approve", task_type=TaskType.MANUAL, implementation={"kind": "manual"})
        await define(yard.engine, [manual])
        task_id = await client.create("approve", assignee={"type": "USER", "id": "ada"})
        await client.until(task_id, "ASSIGNED")
        answer = await client.get("/api/internal/tasks/user/ada")
        tasks = [msgspec.convert(item, UserTask) for item in answer.json()["items"]]
        assert [(task.task_id, task.assignee_type, task.assignee_id) for task in tasks] == [(task_id, "USER", "ada")]
        assert isinstance((await yard.get(task_id)).task, UserTask)


async def test_task_event_model_reads_the_audit_trail(yard: Taskyard) -> None:
    """sourceloop-task-service.md § Key Models: TaskEvent is one fact of a task's life, in order."""
    heard: list[TaskEvent] = []
    ended = asyncio.Event()
    yard.on("*")(heard.append)
    yard.on("taskDone")(lambda event: ended.set())
    async with working(yard) as client:
        task_id = await client.create("add", {"a": 1, "b": 2})
        await client.until(task_id, "COMPLETED")
        async with asyncio.timeout(60):
            await ended.wait()
        stored = await events_of(client, task_id)
    assert all(isinstance(event, TaskEvent) for event in heard)
    assert [_fact(event.envelope()) for event in heard] == [_fact(event) for event in stored]
    assert [event.key for event in heard] == ["task.created", "task.started", "task.completed"]
    sequences = [event.sequence for event in heard]
    assert sequences == sorted(set(sequences))
    assert {event.data["taskId"] for event in heard} == {task_id}


def _fact(envelope: dict[str, Any]) -> dict[str, Any]:
    """An event without the moment at which it was written down."""
    return {name: value for name, value in envelope.items() if name != "timestamp"}


def test_init_scaffolds_for_kafka_and_postgresql(command: Command) -> None:
    """sourceloop-task-service.md § Common Workflows › Workflow 1: Setup Task Service with Kafka: init names both."""
    command.done("init", "my-tasks", "--connector", "kafka", "--database", "postgresql")
    folder = command / "my-tasks"
    assert tomllib.loads((folder / "pyproject.toml").read_text())["project"]["dependencies"] == ["taskyard[kafka]"]
    assert tomllib.loads((folder / "taskyard.toml").read_text())["TASKYARD_DATABASE_URL"].startswith("postgresql://")
    sample = (folder / ".env.example").read_text().splitlines()
    assert "TASKYARD_CONNECTOR=kafka" in sample
    assert any(line.startswith("KAFKA_BROKERS=") for line in sample)


CHOICES = [(connector, database) for connector in ("kafka", "sqs", "http") for database in ("sqlite", "postgresql")]


@pytest.mark.parametrize(("connector", "database"), CHOICES)
def test_init_accepts_each_connector_and_database(command: Command, connector: str, database: str) -> None:
    """sourceloop-task-service.md § Common Workflows › Workflow 1: Setup Task Service with Kafka: what init accepts."""
    made = command.done("init", "my-tasks", "--connector", connector, "--database", database, "--json").json
    assert sorted(made["files"]) == sorted(path.name for path in (command / "my-tasks").iterdir())
    assert f"TASKYARD_CONNECTOR={connector}" in (command / "my-tasks" / ".env.example").read_text()


@pytest.mark.parametrize("option", [("--connector", "amqp"), ("--database", "mysql")])
def test_init_refuses_other_connectors_and_databases(command: Command, option: tuple[str, str]) -> None:
    """sourceloop-task-service.md § Common Workflows › Workflow 1: Setup Task Service with Kafka: what init refuses."""
    assert command("init", "my-tasks", *option).code == 2
    assert list(command.folder.iterdir()) == []


@pytest.fixture
def project(command: Command) -> Command:
    """The command line in a scaffolded project."""
    command.done("init", "my-tasks", "--connector", "http", "--database", "sqlite")
    return Command(command / "my-tasks")


def test_scaffolded_project_passes_its_own_test(project: Command) -> None:
    """sourceloop-task-service.md § Common Workflows › Workflow 1: Setup Task Service with Kafka: it runs unedited."""
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=project.folder, env=project.environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert " passed" in tested.stdout


def test_scaffolded_project_migrates_its_database(project: Command) -> None:
    """sourceloop-task-service.md § Common Workflows › Workflow 1: Setup Task Service with Kafka: it has migrations."""
    assert "nothing to do" not in project.done("migrate").out
    assert "nothing to do" in project.done("migrate").out
    assert project.done("tasks", "--json").json["items"] == []


async def test_one_object_makes_an_application_a_task_service(yard: Taskyard) -> None:
    """sourceloop-task-service.md § Common Workflows › Workflow 1: Setup Task Service with Kafka: one object mounted."""
    app = FastAPI()

    @app.get("/own")
    async def own() -> str:
        return "mine"

    async with yard.worker():
        app.mount("/tasks", yard.asgi())
        token = (Path(yard.app.settings["TASKYARD_DATA_DIR"]) / "admin.token").read_text().strip()
        transport, headers = httpx.ASGITransport(app), {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420", headers=headers) as client:
            body = {"taskDefinitionId": "add", "input": {"a": 1, "b": 2}}
            created = await client.post("/tasks/api/v1/tasks", json=body)
            assert created.status_code == 201, created.text
            read = await client.get(f"/tasks/api/v1/tasks/{created.json()['taskId']}")
            assert read.json()["taskId"] == created.json()["taskId"]
            assert (await client.get("/own")).json() == "mine"


async def test_same_idempotency_key_gives_one_task(yard: Taskyard) -> None:
    """sourceloop-task-service.md § Best Practices › Do:: one idempotency key is one task."""
    body = {"taskDefinitionId": "add", "input": {"a": 1, "b": 2}, "idempotencyKey": "k-1"}
    async with yard, calling(yard) as client:
        first = await client.post("/api/internal/tasks", json=body)
        again = await client.post("/api/internal/tasks", json=body)
        other = await client.post("/api/internal/tasks", json={**body, "input": {"a": 9, "b": 9}})
        assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
        assert again.json()["reused"] is True
        assert other.json()["error"]["code"] == "CONFLICT"
        assert await ids_of(client) == [first.json()["taskId"]] == [again.json()["taskId"]]


async def test_state_changes_can_be_read_as_an_audit_trail(yard: Taskyard) -> None:
    """sourceloop-task-service.md § Best Practices › Do:: each change of state is kept with time, cause and order."""
    async with working(yard) as client:
        task_id = await client.create("second_time", causeType="order", cause="o-1")
        await client.until(task_id, "COMPLETED")
        events = await events_of(client, task_id)
        assert await words_of(client, task_id) == ["created", "started", "retry", "started", "completed"]
        assert events[2]["data"]["lastErrorMessage"].endswith("not yet")
        for name in ("timestamp", "sequence"):
            assert [event[name] for event in events] == sorted(event[name] for event in events)
        attempts = (await client.get(f"/api/v1/tasks/{task_id}/attempts")).json()["items"]
        assert [(each["attempt"], each["outcome"]) for each in attempts] == [(1, "RETRY"), (2, "COMPLETED")]
        by_cause = (await client.get("/api/v1/events?causeType=order&cause=o-1&limit=200")).json()["items"]
        assert [event["id"] for event in by_cause] == [event["id"] for event in events]


async def test_long_work_never_blocks_its_submitter(yard: Taskyard, monkeypatch: pytest.MonkeyPatch) -> None:
    """sourceloop-task-service.md § Best Practices › Don't:: long work is submitted, not waited for."""
    released = asyncio.Event()

    @yard.task
    async def long() -> str:
        await released.wait()
        return "done"

    assert admin.LONGEST_WAIT == 30
    monkeypatch.setattr(admin, "LONGEST_WAIT", 0.05)
    async with working(yard) as client:
        started = await client.post("/admin/task/long/start")
        waited = await client.post("/admin/task/long/run")
        assert (started.status_code, waited.status_code) == (202, 202)
        ids = [answer.json()["runId"] for answer in (started, waited)]
        assert len(set(ids)) == 2
        for task_id in ids:
            await client.until(task_id, "PENDING", "RUNNING")
        released.set()
        assert [(await client.until(task_id, "COMPLETED"))["output"] for task_id in ids] == ["done"] * 2


async def test_failed_tasks_stay_in_the_dead_letter_queue(yard: Taskyard) -> None:
    """sourceloop-task-service.md § Best Practices › Don't:: dead letters stay until somebody sees to them."""

    async def listed() -> list[str]:
        return [task["taskId"] for task in (await client.get(DEADLETTERS)).json()["items"]]

    async with working(yard) as client:
        again, gone = [await client.create("broken") for _ in range(2)]
        for task_id in (again, gone):
            assert (await client.until(task_id, "FAILED"))["deadLetteredAt"]
        assert sorted(await listed()) == sorted([again, gone])
        queues = {queue["name"]: queue for queue in (await client.get("/api/v1/queues")).json()["items"]}
        assert queues["task-execution-deadletter"]["depth"] == 2
        await client.post("/api/internal/deadletters/discard", json={"taskIds": [gone]})
        assert await listed() == [again]
        await client.post("/api/v1/queues/task-execution-automated/pause")
        await client.post("/api/internal/deadletters/requeue", json={"taskIds": [again]})
        assert await listed() == []


async def test_postgresql_keeps_all_state_between_processes(yard: Taskyard, postgres_dsn: str, tmp_path: Path) -> None:
    """sourceloop-task-service.md § Database: all state is in PostgreSQL and outlives the process."""

    def process() -> Taskyard:
        made = Taskyard(settings=new_yard(tmp_path).app.settings.with_values(TASKYARD_DATABASE_URL=postgres_dsn))
        made.register("double", _double)
        return made

    Command(tmp_path, {"TASKYARD_DATABASE_URL": postgres_dsn}).done("migrate")
    first = process()
    async with first.worker():
        done = await first.start("double", {"number": 2})
        assert await done.result() == 4
    async with first:
        waiting = await first.start("double", {"number": 3})
    async with working(second := process()) as client:
        assert (await second.get(done.id)).status == "COMPLETED"
        assert await words_of(client, done.id) == ["created", "started", "completed"]
        assert await (await second.get(waiting.id)).result() == 6
        assert sorted(await ids_of(client)) == sorted([done.id, waiting.id])


async def _double(number: int) -> int:
    return number * 2


def test_migrate_prepares_an_empty_postgresql(postgres_dsn: str, tmp_path: Path) -> None:
    """sourceloop-task-service.md § Database: migrations may run again, and at the same time."""
    command = Command(tmp_path, {"TASKYARD_DATABASE_URL": postgres_dsn})
    running = [command.begin("migrate") for _ in range(2)]
    ended = []
    for process in running:
        with process:
            ended.append(process.end())
    assert [each.code for each in ended] == [0] * 2, ended
    assert "nothing to do" in command.done("migrate").out
