"""What project-forge-task-engine.md promises of the core."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import hashlib
import io
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from xml.etree import ElementTree as ET

import httpx
import pytest
import yaml
from fastapi import Depends, FastAPI
from prometheus_client.parser import text_string_to_metric_families
from pydantic import Field
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from taskyard import Context, TaskFailed, Taskyard, UploadedFile
from taskyard.domain.category import CATEGORIES
from taskyard.engine.why import why
from taskyard.errors import ConfigurationError, NotFound, ValidationFailed
from taskyard.runtime.follow import follow_in_batches
from taskyard.runtime.upkeep import Upkeep
from taskyard.settings import load
from taskyard.testing import yard_for_test
from tests.api.yard import ADMIN_TOKEN, bearer, serving
from tests.cli.command import Command
from tests.promises.fixtures_b import calling, events_of, ids_of, new_yard, working
from tests.support import eventually

ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


@pytest.fixture
def yard(tmp_path: Path) -> Taskyard:
    return new_yard(tmp_path)


@contextlib.asynccontextmanager
async def socket_of(address: str, task_id: str, after: int = 0, **options: Any) -> AsyncIterator[ClientConnection]:
    """A WebSocket that follows a run from a sequence on."""
    options.setdefault("additional_headers", ADMIN)
    async with connect(f"ws://{address}/ws/task/{task_id}?after={after}", proxy=None, **options) as socket:
        yield socket


async def read_all(socket: ClientConnection) -> list[dict[str, Any]]:
    return [json.loads(message) async for message in socket]


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [message["text"] for message in messages if message["type"] == "log"]


def statuses(messages: list[dict[str, Any]]) -> list[str]:
    return [message["status"] for message in messages if message["type"] == "status"]


class Gauge:
    """Counts how many are inside at once, and keeps them there until they are let go."""

    def __init__(self) -> None:
        self.now = self.peak = self.total = 0
        self.let_go = asyncio.Event()

    async def pass_through(self) -> None:
        self.now += 1
        self.total += 1
        self.peak = max(self.peak, self.now)
        await self.let_go.wait()
        self.now -= 1


# ---- Task Engine, Overview


async def test_register_execute_and_watch_in_one_process(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Task Engine: one library registers, executes and watches tasks."""

    async def backup(ctx: Context) -> str:
        ctx.log.info("dumping")
        ctx.progress(1, 2, "half")
        return "done"

    yard.register("backup", backup)
    async with yard.worker():
        run = await yard.start("backup")
        messages = [message async for message in run.follow()]
    assert statuses(messages) == ["PENDING", "RUNNING", "COMPLETED"]
    assert texts(messages) == ["dumping"]
    assert {"progress", "result"} <= {message["type"] for message in messages}
    assert (messages[-2]["output"], messages[-1]["type"]) == ("done", "end")
    sequences = [message["sequence"] for message in messages]
    assert sequences == sorted(sequences)


async def test_results_keep_logs_timings_and_output(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Overview: results are kept with logs, timings and structured output."""

    @yard.task
    async def backup(ctx: Context) -> dict[str, Any]:
        ctx.log.info("first")
        ctx.log.warning("second")
        return {"file": "backup.sql", "size": 1024000}

    async with working(yard) as client:
        task = await client.until(await client.create("backup"), "COMPLETED")
        logs = (await client.get(f"/api/v1/tasks/{task['taskId']}/logs")).json()["items"]
    assert task["output"] == {"file": "backup.sql", "size": 1024000}
    assert task["createdAt"] <= task["startTime"] <= task["endTime"]
    assert isinstance(task["executionTime"], int)
    assert [(line["level"], line["text"]) for line in logs] == [("info", "first"), ("warning", "second")]


# ---- Task Management


async def test_registration_keeps_title_description_category_icon(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Key Features › Task Management: title, description, category and icon."""
    named: dict[str, Any] = {
        "title": "Database Backup", "description": "Copies it.", "category": "maintenance", "icon": "database",
    }  # fmt: skip

    @yard.task(**named)
    async def backup() -> None: ...

    @yard.task
    async def tidy_up() -> None:
        """Puts everything back."""

    async with yard, calling(yard) as client:
        shown = (await client.get("/api/v1/definitions/backup")).json()
        plain = (await client.get("/api/v1/definitions/tidy_up")).json()
    assert {name: shown[name] for name in named} == named
    assert [plain[name] for name in named] == ["Tidy up", "Puts everything back.", "", ""]


async def test_parameters_give_schema_and_form(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Key Features › Task Management: parameters have a schema that gives a form."""

    @yard.task
    async def backup(
        name: Annotated[str, Field(min_length=2, title="Name")], format: Literal["sql", "tar"] = "sql"
    ) -> None: ...

    async with yard, calling(yard) as client:
        shown = (await client.get("/admin/task/backup", headers={"Accept": "application/json"})).json()
        refused = await client.post("/admin/task/backup/start", json={"name": "x", "format": "zip"})
    schema = shown["inputSchema"]
    assert (schema["required"], schema["additionalProperties"]) == (["name"], False)
    assert (schema["properties"]["name"]["minLength"], schema["properties"]["name"]["title"]) == (2, "Name")
    assert (schema["properties"]["format"]["enum"], schema["properties"]["format"]["default"]) == (
        ["sql", "tar"], "sql",
    )  # fmt: skip
    assert "uiSchema" in shown
    assert refused.status_code == 422


async def test_danger_and_expense_are_shown(tmp_path: Path) -> None:
    """project-forge-task-engine.md § Key Features › Task Management: a danger warning and an expense note."""
    (tmp_path / "jobs.py").write_text(
        "from taskyard import Taskyard\nyard = Taskyard()\n"
        "@yard.task(danger='Drops all data.', expense='Takes an hour.')\nasync def reset() -> None: ...\n"
    )
    shown = Command(tmp_path).done("definitions", "show", "reset", "--app", "jobs:yard", "--json").json
    assert (shown["danger"], shown["expense"]) == ("Drops all data.", "Takes an hour.")


# ---- Execution Engine


async def test_synchronous_execution_returns_the_result(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Key Features › Execution Engine: a synchronous run answers the result."""

    @yard.task
    async def double(number: int) -> int:
        return number * 2

    async with working(yard) as client:
        assert await double.run(number=4) == 8
        ran = (await client.post("/admin/task/double/run", json={"number": 5})).json()
    assert (ran["status"], ran["output"]) == ("COMPLETED", 10)


async def test_asynchronous_execution_streams_progress(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Key Features › Execution Engine: an asynchronous run streams its progress."""
    going_on = asyncio.Event()

    @yard.task
    async def climb(ctx: Context) -> str:
        ctx.progress(1, 4, "climbing")
        await going_on.wait()
        return "up"

    async with yard.worker(), serving(yard) as (address, _):
        run = await climb.start()
        assert run.status == "PENDING"
        async with socket_of(address, run.id) as socket:
            while (message := json.loads(await socket.recv()))["type"] != "progress":
                assert message["type"] == "status"
            assert (message["current"], message["total"], message["percent"]) == (1, 4, 25)
            going_on.set()
            rest = await read_all(socket)
    assert [message["output"] for message in rest if message["type"] == "result"] == ["up"]


@pytest.mark.parametrize("limit", [None, 3])
async def test_concurrency_defaults_to_the_cpu_count(tmp_path: Path, limit: int | None) -> None:
    """project-forge-task-engine.md § Key Features › Execution Engine: as many tasks at once as there are CPUs."""
    yard = new_yard(tmp_path, **({} if limit is None else {"TASK_MAX_CONCURRENT": limit}))
    await _expect_peak(yard, limit or os.cpu_count() or 1)


async def test_task_max_concurrent_setting() -> None:
    """project-forge-task-engine.md § Configuration › Execution Control: TASK_MAX_CONCURRENT; bad values are refused."""
    assert load({})["TASK_MAX_CONCURRENT"] == os.cpu_count()
    assert load({"TASK_MAX_CONCURRENT": "2"})["TASK_MAX_CONCURRENT"] == 2
    for bad in ("0", "-1", "many", "1.5"):
        with pytest.raises(ConfigurationError, match="TASK_MAX_CONCURRENT"):
            load({"TASK_MAX_CONCURRENT": bad})


async def test_task_max_concurrent_bounds_a_worker(tmp_path: Path) -> None:
    """project-forge-task-engine.md § Configuration › Execution Control: TASK_MAX_CONCURRENT bounds a process."""
    await _expect_peak(new_yard(tmp_path, TASK_MAX_CONCURRENT=2), 2)


async def test_finished_tasks_are_kept_for_a_time_and_unfinished_ones_always(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Configuration › Performance Tuning: TASK_RETENTION_DAYS; unfinished ones stay."""

    @yard.task
    async def note() -> str:
        return "noted"

    @yard.task
    async def marker() -> None: ...

    days = load({})["TASK_RETENTION_DAYS"]
    async with yard_for_test(yard) as world:
        oldest = await marker.start()
        await world.advance(2 * 86_400)
        kept = await note.start()
        later = await note.options(delay=(days + 60) * 86_400).start()
        await world.advance((days - 1) * 86_400)
        for gone in (oldest, kept):
            upkeep = Upkeep(yard.engine, days)
            upkeep.start()
            await eventually(lambda run=gone: _is_unknown(yard, run.id))
            await upkeep.stop()
            assert (await later.refresh()).status == "PENDING"
            if gone is oldest:
                assert (await kept.refresh()).status == "COMPLETED"
            await world.advance(2 * 86_400)
        assert await world.result(later) == "noted"


async def _is_unknown(yard: Taskyard, run_id: str) -> bool:
    return not await yard.engine.store.facts([int(run_id)])


async def _expect_peak(yard: Taskyard, peak: int) -> None:
    gauge = Gauge()
    yard.register("wait", gauge.pass_through)
    async with yard.worker():
        runs = await yard.start_many("wait", [{}] * (3 * peak))
        await eventually(lambda: gauge.now == peak)
        gauge.let_go.set()
        for run in runs:
            await run.result()
    assert (gauge.peak, gauge.total) == (peak, 3 * peak)


async def test_definition_limits_its_concurrency(tmp_path: Path) -> None:
    """project-forge-task-engine.md § Key Features › Execution Engine: a definition limits its own tasks at once."""
    gauge, yard = Gauge(), new_yard(tmp_path, TASK_MAX_CONCURRENT=4)
    yard.register("wait", gauge.pass_through, max_concurrent=1)

    @yard.task
    async def other() -> str:
        return "ran"

    async with working(yard) as client:
        runs = await yard.start_many("wait", [{}] * 4)
        await eventually(lambda: gauge.now == 1)
        assert await other.run() == "ran"
        states = [str((await run.refresh()).status) for run in runs]
        assert sorted(states) == ["PENDING"] * 3 + ["RUNNING"]
        why = (await client.get(f"/api/v1/tasks/{runs[states.index('PENDING')].id}/why")).json()
        assert runs[states.index("RUNNING")].id in json.dumps(why)
        gauge.let_go.set()
        for run in runs:
            await run.result()
    assert (gauge.peak, gauge.total) == (1, 4)


async def test_definition_limits_its_rate(tmp_path: Path) -> None:
    """project-forge-task-engine.md § Key Features › Execution Engine: a definition limits its starts per time."""
    yard = new_yard(tmp_path)
    starts: list[int] = []

    @yard.task(rate_limit="2/s")
    async def call() -> None:
        starts.append(world.clock.now())

    async with yard_for_test(yard) as world:
        runs = await call.start_many([{}] * 7)
        await world.settle()
        assert len(starts) == 2
        answer = await why(yard.engine, int(runs[6].id))
        assert answer["rateLimit"]["rate"] == "2/s"
        assert answer["reason"].startswith("'call' may start 2/s, the next at ")
        await world.run_until_idle()
        assert [round((at - starts[0]) / 1e6, 1) for at in starts] == [0, 0, 0.5, 1, 1.5, 2, 2.5]


# ---- Real-time Monitoring


async def test_socket_streams_terminal_output(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Key Features › Real-time Monitoring: log lines in order, colours kept."""

    @yard.task
    async def paint(ctx: Context) -> None:
        ctx.log.info("\x1b[32mgreen\x1b[0m")
        ctx.log.warning("\x1b[2Jcleared\x1b[1;1H")
        ctx.log.error("plain")

    async with yard.worker(), serving(yard) as (address, _):
        run = await paint.start()
        async with socket_of(address, run.id) as socket:
            messages = await read_all(socket)
    lines = [(message["level"], message["text"]) for message in messages if message["type"] == "log"]
    assert lines == [("info", "\x1b[32mgreen\x1b[0m"), ("warning", "cleared"), ("error", "plain")]


async def test_socket_streams_status_changes(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Key Features › Real-time Monitoring: changes of state are told as they happen."""
    going_on = asyncio.Event()

    @yard.task(retry_delay=lambda count: 0)
    async def flaky(ctx: Context) -> None:
        if ctx.attempt == 1:
            await going_on.wait()
            raise RuntimeError("not yet")

    async with yard.worker(), serving(yard) as (address, _):
        run = await flaky.start()
        async with socket_of(address, run.id) as socket:
            first = [json.loads(await socket.recv()) for _ in range(2)]
            assert statuses(first) == ["PENDING", "RUNNING"]
            going_on.set()
            messages = first + await read_all(socket)
    assert statuses(messages) == ["PENDING", "RUNNING", "RETRYING", "RUNNING", "COMPLETED"]
    sequences = [message["sequence"] for message in messages if message["type"] == "status"]
    assert sequences == sorted(set(sequences))


async def test_timings_are_recorded(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Key Features › Real-time Monitoring: wait, start, end and duration are kept."""

    @yard.task(retry_delay=lambda count: 30)
    async def flaky(ctx: Context) -> None:
        world.clock.move(2)
        if ctx.attempt == 1:
            raise RuntimeError("not yet")

    async with yard_for_test(yard) as world, calling(yard) as client:
        run = await flaky.start()
        await world.result(run)
        task = (await client.get(f"/api/v1/tasks/{run.id}")).json()
        attempts = (await client.get(f"/api/v1/tasks/{run.id}/attempts")).json()["items"]
    first, second = attempts
    assert _seconds(task["createdAt"], first["startTime"]) == 0
    for attempt in attempts:
        assert _seconds(attempt["startTime"], attempt["endTime"]) == 2
    assert _seconds(first["endTime"], second["startTime"]) == 30
    assert (task["startTime"], task["endTime"]) == (second["startTime"], second["endTime"])
    assert isinstance(task["executionTime"], int)
    assert [attempt["executionTime"] for attempt in attempts][1] == task["executionTime"]
    assert [attempt["queueWait"] for attempt in attempts] == [0, 0]


async def test_queue_wait_of_each_attempt_is_recorded(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Key Features › Real-time Monitoring: each attempt tells how long it was queued."""

    @yard.task(retry=0)
    async def once(ctx: Context) -> None:
        if ctx.attempt == 1:
            raise RuntimeError("not yet")

    async with yard_for_test(yard) as world, calling(yard) as client:
        queue = "/api/v1/queues/task-execution-automated"
        await client.post(f"{queue}/pause")
        task_id = await client.create("once", delay=60)
        for waited in (100, 7):
            await world.advance(waited)
            await client.post(f"{queue}/resume")
            await world.advance(0)
            await client.until(task_id, "FAILED" if waited == 100 else "COMPLETED")
            await client.post(f"{queue}/pause")
            if waited == 100:
                await client.post(f"/api/v1/tasks/{task_id}/retry")
        attempts = (await client.get(f"/api/v1/tasks/{task_id}/attempts")).json()["items"]
    assert [attempt["queueWait"] for attempt in attempts] == [40_000, 7_000]


def _seconds(start: str, end: str) -> float:
    return round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(), 2)


async def test_socket_reports_failures(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Key Features › Real-time Monitoring: followers are told what failed."""

    @yard.task
    async def refuse() -> None:
        raise TaskFailed("it will not", code="UNWILLING", retryable=False)

    async with yard.worker(), serving(yard) as (address, _):
        run = await refuse.start()
        async with socket_of(address, run.id) as socket:
            messages = await read_all(socket)
            assert socket.close_code == 1000
    result, end = messages[-2:]
    assert (result["type"], result["status"], end["type"]) == ("result", "FAILED", "end")
    assert (result["error"]["code"], result["error"]["message"]) == ("UNWILLING", "it will not")


# ---- Core Components


async def test_definitions_can_be_managed(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Package Structure › Core Components: definitions are managed by key."""
    body = {"title": "Report", "implementation": {"kind": "external", "topic": "reports"}}
    path = "/api/v1/definitions/report"
    async with yard, calling(yard) as client:
        assert (await client.put(path, json=body)).status_code == 201
        assert (await client.put(path, json={**body, "title": "Reports"})).status_code == 200
        assert (await client.get(path)).json()["title"] == "Reports"
        assert "report" in [each["key"] for each in (await client.get("/api/v1/definitions")).json()["items"]]
        task_id = await client.create("report", {})
        assert (await client.delete(path)).status_code == 204
        assert (await client.get(path)).status_code == 404
        refused = await client.post("/api/v1/tasks", json={"taskDefinitionId": "report", "input": {}})
        assert (refused.status_code, "report" in refused.json()["error"]["message"]) == (404, True)
        assert (await client.get(f"/api/v1/tasks/{task_id}")).json()["taskDefinitionId"] == "report"


async def test_execution_can_be_scheduled_for_later(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Package Structure › Core Components: a task waits for its time, not longer."""

    @yard.task
    async def remind() -> str:
        return "now"

    async with yard_for_test(yard) as world, calling(yard) as client:
        at = datetime.fromtimestamp(world.clock.now() / 1e6, UTC) + timedelta(seconds=60)
        moment = await client.create("remind", availableAt=at.isoformat(timespec="milliseconds"))
        runs = [await remind.options(delay=60).start(), await yard.get(moment)]
        await world.advance(59.5)
        assert [(await run.refresh()).status for run in runs] == ["PENDING"] * 2
        await world.advance(1)
        assert [(await run.refresh()).status for run in runs] == ["COMPLETED"] * 2


async def test_socket_reconnect_has_every_line_once(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Package Structure › Core Components: a reconnect loses and repeats no line."""
    calls: list[int] = []

    @yard.task
    async def chatty(ctx: Context, lines: int) -> None:
        calls.append(ctx.attempt)
        for number in range(lines):
            ctx.log.info("line %d", number)
            if number % 50 == 0:
                await asyncio.sleep(0)

    seen: list[dict[str, Any]] = []
    async with yard.worker(), serving(yard) as (address, _):
        run = await chatty.start(lines=1000)
        for cut in (100, 300, 1):
            async with socket_of(address, run.id, seen[-1]["sequence"] if seen else 0) as socket:
                seen += [json.loads(await socket.recv()) for _ in range(cut)]
                socket.transport.abort()
        async with socket_of(address, run.id, seen[-1]["sequence"]) as socket:
            seen += await read_all(socket)
    assert texts(seen) == [f"line {number}" for number in range(1000)]
    assert calls == [1]


async def test_task_pages_answer_without_the_browser_part(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Package Structure › Core Components: the task pages answer JSON."""

    @yard.task(title="Backup")
    async def backup() -> None: ...

    headers = {"Accept": "application/json"}
    async with yard, calling(yard) as client:
        listed = (await client.get("/admin/task", headers=headers)).json()["items"]
        assert [each["key"] for each in listed] == ["backup"]
        assert (await client.get("/admin/task/backup", headers=headers)).json()["title"] == "Backup"
        assert (await client.get("/admin/task/nothing", headers=headers)).status_code == 404


async def test_result_export_formats(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Package Structure › Core Components: results are exported in four formats."""
    rows = [{"name": "Ada", "age": 36}, {"name": "Grace, Adm.", "age": 85}]

    @yard.task
    async def people() -> list[dict[str, Any]]:
        return rows

    async with working(yard) as client:
        task = await client.until(await client.create("people"), "COMPLETED")
        path = f"/api/v1/tasks/{task['taskId']}/output"
        told = {name: (await client.get(path, params={"format": name})).text for name in ("json", "csv", "xml", "yaml")}
        assert (await client.get(f"{path}?format=pdf")).status_code == 422
    assert json.loads(told["json"]) == yaml.safe_load(told["yaml"]) == rows
    assert list(csv.DictReader(io.StringIO(told["csv"]))) == [{**row, "age": str(row["age"])} for row in rows]
    values = {element.text for element in ET.fromstring(told["xml"]).iter() if element.text}
    assert {"Ada", "36", "Grace, Adm.", "85"} <= values


# ---- Usage Examples


async def _backup(format: Literal["sql", "tar"]) -> dict[str, Any]:
    return {"file": f"backup.{format}", "size": 1024000}


async def test_register_without_decorator(tmp_path: Path) -> None:
    """project-forge-task-engine.md § Usage Examples › Registering a Task: register does what the decorator does."""
    about: dict[str, Any] = {
        "title": "Database Backup", "description": "Creates a backup of the application database",
        "category": "maintenance", "icon": "database",
    }  # fmt: skip
    registered, decorated = new_yard(tmp_path / "a"), new_yard(tmp_path / "b")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    handle = registered.register("backup", _backup, **about)
    assert decorated.task(key="backup", **about)(_backup).definition == handle.definition
    assert handle.definition.input_schema["properties"]["format"]["enum"] == ["sql", "tar"]
    async with registered.worker():
        assert await handle.run(format="sql") == {"file": "backup.sql", "size": 1024000}


async def test_run_by_key(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Usage Examples › Executing Tasks: run by key gives the result or the error."""
    yard.register("backup", _backup)

    @yard.task
    async def refuse() -> None:
        raise TaskFailed("no", code="UNWILLING", retryable=False)

    async with yard.worker():
        assert (await yard.run("backup", {"format": "tar"}))["file"] == "backup.tar"
        with pytest.raises(TaskFailed) as raised:
            await yard.run("refuse")
        assert raised.value.code == "UNWILLING"
        with pytest.raises(NotFound):
            await yard.run("nothing")


async def test_start_by_key_and_watch(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Usage Examples › Executing Tasks: a run's status and progress can be read."""
    going_on = asyncio.Event()

    @yard.task
    async def climb(ctx: Context) -> None:
        ctx.progress(1, 4, "climbing")
        await going_on.wait()

    async with yard.worker():
        run = await yard.start("climb")

        async def progress() -> Any:
            return (await run.refresh()).progress

        assert (await eventually(progress))["percent"] == 25
        assert (run.status, run.progress["action"]) == ("RUNNING", "climbing")
        going_on.set()
        await run.result()
        assert run.status == "COMPLETED"


async def _refused(yard: Taskyard, key: str, input_: dict[str, Any]) -> list[tuple[str, str]]:
    """Where and by which rule an input is refused."""
    with pytest.raises(ValidationFailed) as raised:
        await yard.start(key, input_)
    return [(detail["path"], detail["keyword"]) for detail in raised.value.details]


async def test_text_parameters_are_validated(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Usage Examples › Task Parameters: texts have lengths and patterns."""

    @yard.task
    async def greet(name: Annotated[str, Field(min_length=2, max_length=5, pattern="^[A-Z]")]) -> str:
        return f"Hello {name}"

    async with yard.worker():
        assert await greet.run(name="Ada") == "Hello Ada"
        assert await _refused(yard, "greet", {"name": "A"}) == [("/input/name", "minLength")]
        assert await _refused(yard, "greet", {"name": "Abcdef"}) == [("/input/name", "maxLength")]
        assert await _refused(yard, "greet", {"name": "ada"}) == [("/input/name", "pattern")]


async def test_select_parameters_accept_only_choices(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Usage Examples › Task Parameters: a select takes its choices only."""
    handle = yard.register("backup", _backup)
    assert handle.definition.input_schema["properties"]["format"]["enum"] == ["sql", "tar"]
    async with yard:
        for choice in ("sql", "tar"):
            assert (await handle.start(format=choice)).task.input == {"format": choice}
        assert await _refused(yard, "backup", {"format": "zip"}) == [("/input/format", "enum")]


async def test_boolean_parameters(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Usage Examples › Task Parameters: a flag is true or false and nothing else."""

    @yard.task
    async def feature(on: bool = True) -> bool:
        return on

    async with yard.worker():
        assert [await feature.run(on=True), await feature.run(on=False), await feature.run()] == [True, False, True]
        for wrong in ("yes", "true", 1, 0, None):
            assert await _refused(yard, "feature", {"on": wrong}) == [("/input/on", "type")]


async def test_file_parameters_take_uploads(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Usage Examples › Task Parameters: a handler reads an uploaded file."""
    content = b"a,b\n1,2\n3,4\n"

    @yard.task
    async def count(file: UploadedFile) -> list[Any]:
        assert file.path is not None
        return [file.name, file.size, file.sha256, len(file.path.read_bytes().splitlines())]

    async with working(yard) as client:
        uploaded = (await client.post("/api/v1/uploads", files={"file": ("rows.csv", content, "text/csv")})).json()
        task = await client.until(await client.create("count", {"file": uploaded["uploadId"]}), "COMPLETED")
        assert task["output"] == ["rows.csv", len(content), hashlib.sha256(content).hexdigest(), 3]


# ---- Configuration


async def test_task_timeout_setting(tmp_path: Path) -> None:
    """project-forge-task-engine.md § Configuration › Execution Control: TASK_TIMEOUT, 300 seconds by default."""
    assert load({})["TASK_TIMEOUT"] == 300
    yard = new_yard(tmp_path, TASK_TIMEOUT=load({"TASK_TIMEOUT": "0.2"})["TASK_TIMEOUT"])

    @yard.task(retry=0)
    async def hang() -> None:
        await asyncio.Event().wait()

    async with yard.worker():
        with pytest.raises(TaskFailed) as raised:
            await hang.run()
        assert raised.value.code == "TIMEOUT"


async def test_a_new_task_may_take_300_seconds(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Configuration › Execution Control: the default timeout is on the task."""
    async with yard, calling(yard) as client:
        body = {"implementation": {"kind": "external", "topic": "x"}}
        await client.put("/api/v1/definitions/elsewhere", json=body)
        await client.create("elsewhere", {})
        assert (await client.lease())["executionConfig"]["timeout"] == 300


async def test_task_websocket_enabled_setting(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Configuration › Execution Control: TASK_WEBSOCKET_ENABLED; polling goes on."""
    assert load({})["TASK_WEBSOCKET_ENABLED"] is True
    disabled = load({"TASK_WEBSOCKET_ENABLED": "false"})["TASK_WEBSOCKET_ENABLED"]

    @yard.task
    async def chatty(ctx: Context) -> None:
        ctx.log.info("one")
        ctx.log.info("two")

    async with yard.worker():
        run = await chatty.start()
        async with serving(yard) as (address, _), socket_of(address, run.id) as socket:
            assert texts(await read_all(socket)) == ["one", "two"]
        async with serving(yard, websocket_enabled=disabled) as (address, _):
            with pytest.raises(InvalidStatus):
                async with socket_of(address, run.id):
                    pass
            async with httpx.AsyncClient(
                base_url=f"http://{address}", headers=ADMIN, trust_env=False, timeout=60
            ) as client:
                path = f"/api/v1/tasks/{run.id}/logs"
                first = (await client.get(f"{path}?limit=1")).json()["items"]
                rest = (await client.get(f"{path}?after={first[0]['sequence']}")).json()["items"]
    assert [line["text"] for line in first + rest] == ["one", "two"]


async def test_task_buffer_size_setting(yard: Taskyard, monkeypatch: pytest.MonkeyPatch) -> None:
    """project-forge-task-engine.md § Configuration › Performance Tuning: TASK_BUFFER_SIZE bounds a slow follower."""
    assert load({})["TASK_BUFFER_SIZE"] == 1000
    size = load({"TASK_BUFFER_SIZE": "10"})["TASK_BUFFER_SIZE"]
    lines, told = 3000, asyncio.Event()

    async def follow_to_the_end(*where: Any) -> AsyncIterator[list[dict[str, Any]]]:
        async for messages in follow_in_batches(*where):
            yield messages
        told.set()

    monkeypatch.setattr("taskyard.api.live.PATIENCE", 0.02)
    monkeypatch.setattr("taskyard.api.live.follow_in_batches", follow_to_the_end)

    @yard.task
    async def verbose(ctx: Context) -> None:
        for number in range(lines):
            ctx.log.info("%d %s", number, "x" * 8000)
            if number % 100 == 0:
                await asyncio.sleep(0)

    async with yard.worker(), serving(yard, buffer_size=size) as (address, _):
        run = await verbose.start()
        async with socket_of(address, run.id, max_queue=1, compression=None) as socket:
            await run.result()  # while nobody reads: the task waits for no follower
            async with asyncio.timeout(60):
                await told.wait()
            messages = await read_all(socket)
    missed = sum(message["skipped"] for message in messages if message["type"] == "gap")
    assert missed > 0
    assert len(texts(messages)) + missed == lines
    assert [message["type"] for message in messages[-2:]] == ["result", "end"]


# ---- Dependencies

PROCESSES = """
import subprocess, sys, time
from pathlib import Path

def come_up() -> None:
    pass

def spread(started: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    import os
    Path(started + ".part").write_text(f"{os.getpid()} {child.pid}")
    Path(started + ".part").rename(started)
    while True:
        time.sleep(0.01)
"""


@pytest.mark.parametrize("ending", ["canceled", "timed out"])
async def test_process_tasks_are_stopped_with_their_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """project-forge-task-engine.md § Dependencies: a task's process ends with its children when the task does."""
    (tmp_path / "spreading.py").write_text(PROCESSES)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    namespace = __import__("spreading")
    yard, started = new_yard(tmp_path, TASKYARD_GRACE=0.2), tmp_path / "started"
    timeout = 60 if ending == "canceled" else 3
    spread = yard.register("spread", namespace.spread, isolation="process", timeout=timeout, retry=0)
    come_up = yard.register("come_up", namespace.come_up, isolation="process")
    async with yard.worker(concurrency=1):
        await come_up.run()  # so that the time limit is not used up by a process that is only just starting
        run = await spread.start(started=str(started))
        await eventually(started.is_file)
        pids = [int(pid) for pid in started.read_text().split()]
        if ending == "canceled":
            await run.cancel()
        with pytest.raises(TaskFailed) as raised:
            await run.result()
        assert raised.value.code == ("CANCELED" if ending == "canceled" else "TIMEOUT")
        await eventually(lambda: not any(_lives(pid) for pid in pids))
    sys.modules.pop("spreading")


def _lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_prometheus_metrics(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Dependencies: metrics are served as Prometheus text."""

    @yard.task
    async def fine() -> None: ...

    @yard.task(retry=0)
    async def broken() -> None:
        raise RuntimeError("no")

    async with working(yard) as client:
        for key, state in [("fine", "COMPLETED")] * 3 + [("broken", "FAILED")] * 2:
            await client.until(await client.create(key), state)
        text = (await client.get("/metrics")).text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    counts = {sample.labels["state"]: sample.value for sample in families["taskyard_tasks"].samples}
    assert (counts["COMPLETED"], counts["FAILED"]) == (3, 2)


# ---- Integration Points


async def test_tasks_register_themselves_and_are_injected(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Integration Points › Service Registration: registered when opened, injected."""

    @yard.task
    async def double(number: int) -> int:
        return number * 2

    app, injected = FastAPI(), Depends(yard.dependency)

    @app.post("/double/{number}")
    async def start(number: int, tasks: Any = injected) -> int:
        return int(await tasks.run("double", {"number": number}))

    async with working(yard) as client:
        assert (await client.get("/api/v1/definitions/double")).status_code == 200
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as caller:
            assert (await caller.post("/double/4")).json() == 8


async def test_admin_start_route(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Integration Points › Web Routes: start answers 202 with the run's id."""

    @yard.task
    async def double(number: int) -> int:
        return number * 2

    path = "/admin/task/double/start"
    async with yard, calling(yard) as client:
        assert (await client.get(path)).status_code == 405
        assert (await client.post(path, json={"number": "x"})).status_code == 422
        assert await ids_of(client) == []
        started = await client.post(path, json={"number": 4})
        assert (started.status_code, await ids_of(client)) == (202, [started.json()["runId"]])
        assert set(started.json()) == {"runId"}


async def test_admin_run_route(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Integration Points › Web Routes: run answers all there is to say of a run."""

    @yard.task
    async def double(ctx: Context, number: int) -> int:
        ctx.log.info("doubling")
        return number * 2

    @yard.task(retry=0)
    async def refuse() -> None:
        raise TaskFailed("no", code="UNWILLING")

    async with working(yard) as client:
        assert (await client.get("/admin/task/double/run")).status_code == 405
        assert await ids_of(client) == []
        done = (await client.post("/admin/task/double/run", json={"number": 4})).json()
        failed = (await client.post("/admin/task/refuse/run")).json()
        assert await ids_of(client) == [failed["runId"], done["runId"]]
    assert set(done) == set(failed) == {"runId", "status", "output", "error", "logs", "startTime", "elapsed"}
    assert (done["status"], done["output"], done["error"]) == ("COMPLETED", 8, None)
    assert [line["text"] for line in done["logs"]] == ["doubling"]
    assert isinstance(done["elapsed"], int)
    assert (failed["status"], failed["output"], failed["error"]["code"]) == ("FAILED", None, "UNWILLING")


async def test_ws_task_endpoint(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Integration Points › WebSocket Endpoints: replay, live, and permission."""
    going_on = asyncio.Event()

    @yard.task
    async def chatty(ctx: Context) -> None:
        ctx.log.info("before")
        await going_on.wait()
        ctx.log.info("after")

    async with yard.worker(), serving(yard) as (address, _):
        run = await chatty.start()
        async with socket_of(address, run.id) as socket:
            live = [json.loads(await socket.recv()) for _ in range(3)]
            assert texts(live) == ["before"]
            going_on.set()
            live += await read_all(socket)
        async with socket_of(address, run.id) as socket:
            replayed = await read_all(socket)
        async with socket_of(address, run.id, live[2]["sequence"]) as socket:
            rest = await read_all(socket)
        assert texts(live) == texts(replayed) == ["before", "after"]
        assert (texts(rest), rest[-1]["type"]) == (["after"], "end")
        foreign = {**ADMIN, "Origin": "https://elsewhere.example"}
        for task_id, headers, status in [
            (run.id, {}, 401), (run.id, bearer("tasks:write"), 403), (run.id, foreign, 403), ("12", ADMIN, 404),
        ]:  # fmt: skip
            with pytest.raises(InvalidStatus) as refused:
                async with socket_of(address, task_id, additional_headers=headers):
                    pass
            assert refused.value.response.status_code == status


# ---- Advanced Features


async def test_categories_are_known_or_ones_own(yard: Taskyard, tmp_path: Path) -> None:
    """project-forge-task-engine.md § Advanced Features › Custom Task Categories: four are known, others are free."""
    assert list(CATEGORIES) == ["maintenance", "data", "admin", "report"]
    for key, category in {**{f"a-{name}": name for name in CATEGORIES}, "own": "Night shift", "none": ""}.items():
        yard.task(key=key, category=category)(_nothing)

    async with yard, calling(yard) as client:
        document = (await client.get("/openapi.json")).json()
        assert document["components"]["schemas"]["Definition"]["properties"]["category"]["examples"] == list(CATEGORIES)
        for category, keys in [*((name, [f"a-{name}"]) for name in CATEGORIES), ("Night shift", ["own"]), ("x", [])]:
            items = (await client.get("/api/v1/definitions", params={"category": category})).json()["items"]
            assert [each["key"] for each in items] == keys
            assert all(each["category"] == category for each in items)

    (tmp_path / "jobs.py").write_text(
        "from taskyard import Taskyard\nyard = Taskyard()\n"
        "yard.register('copy', lambda: None, category='data')\nyard.register('mop', lambda: None, category='chores')\n"
    )
    command = Command(tmp_path)
    for category, label, key in [("data", "Data", "copy"), ("chores", "chores", "mop")]:
        (line,) = command.done("definitions", "--category", category, "--app", "jobs:yard").out.splitlines()[1:]
        assert (line.split()[0], label in line.split()) == (key, True)
        listed = command.done("definitions", "list", "--category", category, "--app", "jobs:yard", "--json").json
        assert [each["key"] for each in listed["items"]] == [key]


async def test_tags_filter_tasks(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Advanced Features › Task Metadata: tags of definitions and tasks are filters."""

    @yard.task(tags=["nightly"])
    async def backup() -> None: ...

    @yard.task
    async def other() -> None: ...

    async with yard, calling(yard) as client:
        tagged = await client.create("backup", tags=["db"])
        plain = await client.create("backup")
        mine = await client.create("other", tags=["db"])
        await client.create("other")
        assert (await client.get("/api/v1/definitions/backup")).json()["tags"] == ["nightly"]
        assert await ids_of(client, tag="db") == [mine, tagged]
        assert await ids_of(client, tag="nightly") == [plain, tagged]
        assert await ids_of(client, tag="nightly", definition="other") == []
        changed = {"implementation": {"kind": "function", "name": "backup"}, "tags": ["weekly"]}
        assert (await client.put("/api/v1/definitions/backup", json=changed)).status_code == 200
        newer = await client.create("backup")
        assert await ids_of(client, tag="nightly") == [plain, tagged]
        assert await ids_of(client, tag="weekly") == [newer]


async def test_errors_have_code_message_and_details(yard: Taskyard, tmp_path: Path) -> None:
    """project-forge-task-engine.md § Advanced Features › Error Handling: code, message and details everywhere."""

    @yard.task
    async def pay() -> None:
        raise TaskFailed("no money", code="POOR", details={"account": 7}, retryable=False)

    async with working(yard) as client:
        run = await pay.start()
        with pytest.raises(TaskFailed) as raised:
            await run.result()
        attempts = (await client.get(f"/api/v1/tasks/{run.id}/attempts")).json()["items"]
        task = (await client.get(f"/api/v1/tasks/{run.id}")).json()
    shown = Command(tmp_path, {"TASKYARD_DATABASE_URL": f"sqlite:///{tmp_path / 'tasks.db'}"}).done(
        "show", run.id, "--json"
    )
    assert (raised.value.code, "no money" in str(raised.value), raised.value.details) == ("POOR", True, {"account": 7})
    for error in (task["error"], attempts[0]["error"], json.loads(shown.out)["error"]):
        assert (error["code"], error["message"], error["details"]) == ("POOR", "no money", {"account": 7})


async def test_stack_traces_are_kept_and_not_leaked(yard: Taskyard, monkeypatch: pytest.MonkeyPatch) -> None:
    """project-forge-task-engine.md § Advanced Features › Error Handling: stack traces are kept and not sent."""

    @yard.task(retry=0)
    async def broken() -> None:
        raise RuntimeError("it is broken")

    async with working(yard) as client:
        task = await client.until(await client.create("broken"), "FAILED")
        attempts = (await client.get(f"/api/v1/tasks/{task['taskId']}/attempts")).json()["items"]
        assert "in broken" in attempts[0]["error"]["stackTrace"]
        refused = await client.post("/api/v1/tasks", json={"taskDefinitionId": "broken", "input": {"x": 1}})
        lost = await client.get("/api/v1/tasks/1")
        monkeypatch.setattr("taskyard.api.definitions.list_definitions", None)
        internal = await client.get("/api/v1/definitions")
    assert (internal.status_code, internal.json()["error"]["code"]) == (500, "INTERNAL")
    for answer in (refused, lost, internal):
        assert "Traceback" not in answer.text
        assert "stackTrace" not in answer.text


async def test_transient_failures_are_retried(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Advanced Features › Error Handling: transient failures are tried again."""

    @yard.task
    async def flaky(ctx: Context) -> int:
        if ctx.attempt < 3:
            raise TaskFailed("busy", code="BUSY", delay=7.0 * ctx.attempt)
        return ctx.attempt

    async with yard_for_test(yard) as world, calling(yard) as client:
        run = await flaky.start()
        assert await world.result(run) == 3
        retries = [event for event in await events_of(client, run.id) if event["type"].endswith("retry")]
    assert [event["data"]["retryDelay"] for event in retries] == [7, 14]
    waits = [_seconds(event["timestamp"], event["data"]["nextRetryTime"]) for event in retries]
    assert waits == [7, 14]


async def test_partial_failures_become_warnings(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Advanced Features › Error Handling: failed items are warnings of a good task."""

    @yard.task
    async def load_rows(ctx: Context) -> list[int]:
        good = []
        for number in range(10):
            if number % 4 == 0:
                ctx.failed_item(number, ValueError(f"bad {number}"))
            else:
                good.append(number)
        return good

    async with working(yard) as client:
        task = await client.until(await client.create("load_rows"), "COMPLETED")
    assert task["warnings"] == [{"item": number, "error": f"bad {number}"} for number in (0, 4, 8)]
    assert task["output"] == [1, 2, 3, 5, 6, 7, 9]


async def test_task_log_level_setting(tmp_path: Path) -> None:
    """project-forge-task-engine.md § Configuration › Performance Tuning: TASK_LOG_LEVEL drops a task's lower lines."""
    yard = new_yard(tmp_path, TASK_LOG_LEVEL=load({"TASK_LOG_LEVEL": "WARNING"})["TASK_LOG_LEVEL"])

    @yard.task
    async def chatty(ctx: Context) -> None:
        for level in ("debug", "info", "warning", "error"):
            getattr(ctx.log, level)(level)

    async with working(yard) as client:
        run = await chatty.start()
        await run.result()
        lines = (await client.get(f"/api/v1/tasks/{run.id}/logs")).json()["items"]
    assert [line["level"] for line in lines] == ["warning", "error"]


async def test_definitions_are_listed_by_category_and_tag(yard: Taskyard) -> None:
    """project-forge-task-engine.md § Key Features › Task Management: category and tags put definitions in order."""
    for key, category, tags in [("backup", "data", ["db"]), ("vacuum", "upkeep", ["db"]), ("greet", "upkeep", [])]:
        yard.task(key=key, category=category, tags=tags)(_nothing)

    async def listed(**query: str) -> list[str]:
        return [each["key"] for each in (await client.get("/api/v1/definitions", params=query)).json()["items"]]

    async with yard, calling(yard) as client:
        assert await listed(category="upkeep") == ["greet", "vacuum"]
        assert await listed(tag="db") == ["backup", "vacuum"]
        assert await listed(category="upkeep", tag="db") == ["vacuum"]
        assert await listed(category="none") == []


async def _nothing() -> None: ...
