"""task-execution-layer.md: what the execution layer is promised to do. Configuration, security, and its examples."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from taskyard import Taskyard
from taskyard.api.access import ACCESS
from taskyard.settings import load
from taskyard.testing import World
from tests.api.yard import Client, bearer
from tests.cli.command import Command
from tests.promises.yard import (
    AUTOMATED,
    INTERNAL,
    client_of,
    count,
    define_more,
    dequeue,
    events_of,
    make_yard,
    refusal,
    settle,
    task_of,
    types_of,
)  # fmt: skip

EVERY_SCOPE = {scope for access in ACCESS.values() for scope in access.any_of} - {"admin"} | {"service"}


async def config_of(http: Client, queue: str = AUTOMATED) -> dict[str, Any]:
    """The execution configuration of the next message."""
    (message,) = await dequeue(http, queue, maxMessages=1)
    return dict(message["executionConfig"])


async def test_default_retry_policy_is_a_setting(tmp_path: Path) -> None:
    """task-execution-layer.md § Configuration: the service's retry policy fills in, field by field."""
    settings = load({"TASK_RETRY_POLICY": '{"maxRetries": 1}'})
    yard = Taskyard("sqlite:///:memory:", settings=settings.with_values(TASKYARD_DATA_DIR=str(tmp_path)))
    async with yard, client_of(yard) as http:
        await define_more(yard)
        kind = {"implementation": {"kind": "external", "topic": "x"}}
        await http.put("/api/v1/definitions/plain", json=kind)
        task_id = await http.create("plain", {})
        assert (await task_of(http, task_id))["maxRetries"] == 1
        policy = (await config_of(http))["retryPolicy"]
        assert (policy["maxRetries"], policy["initialDelay"], policy["multiplier"], policy["maxDelay"]) == (
            1,
            1,
            2,
            300,
        )


async def test_timeouts_are_settings(tmp_path: Path) -> None:
    """task-execution-layer.md § Configuration: there is a default timeout, and a longest that may be asked for."""
    kind = {"implementation": {"kind": "external", "topic": "x"}}
    async with make_yard(tmp_path, TASK_TIMEOUT=40.0, TASK_MAX_TIMEOUT=60.0) as yard, client_of(yard) as http:
        await http.put("/api/v1/definitions/plain", json=kind)
        await http.put("/api/v1/definitions/own", json={**kind, "timeout": 10})
        for key, config, timeout in (
            ("plain", {}, 40), ("own", {}, 10), ("own", {"timeout": 20}, 20), ("own", {"timeout": 600}, 60),
        ):  # fmt: skip
            await http.create(key, {}, executionConfig=config)
            assert (await config_of(http))["timeout"] == timeout


async def test_task_wins_over_definition_over_service(tmp_path: Path) -> None:
    """task-execution-layer.md § Configuration: the nearest word counts, and is frozen when the task is created."""
    kind = {"implementation": {"kind": "external", "topic": "x"}}
    defaults = {"maxRetries": 1, "multiplier": 4, "maxDelay": 90}
    async with make_yard(tmp_path, TASK_RETRY_POLICY=defaults) as yard, client_of(yard) as http:
        path = "/api/v1/definitions/thing"
        await http.put(path, json={**kind, "retryPolicy": {"maxRetries": 2, "multiplier": 5}})
        await http.create("thing", {}, executionConfig={"retryPolicy": {"maxRetries": 3}})
        await http.put(path, json={**kind, "retryPolicy": {"maxRetries": 9, "multiplier": 9, "maxDelay": 9}})
        policy = (await config_of(http))["retryPolicy"]
        assert (policy["maxRetries"], policy["multiplier"], policy["maxDelay"]) == (3, 5, 90)


async def test_settings_show_value_and_source(tmp_path: Path) -> None:
    """task-execution-layer.md § Configuration: each setting says what it is and where from, and secrets are kept."""
    secret = "s" * 40
    (tmp_path / "taskyard.toml").write_text("TASK_TIMEOUT = 77\nTASK_MAX_CONCURRENT = 3\n")
    command = Command(tmp_path, {"TASK_MAX_CONCURRENT": "5", "TASKYARD_JWT_SECRET": secret})
    ended = command.done("settings", "--json")
    rows = ended.json if isinstance(ended.json, list) else ended.json.get("items", ended.json)
    shown = {row["name"]: (row["value"], row["source"]) for row in rows}
    assert shown["TASK_MAX_CONCURRENT"] == (5, "environment")
    assert shown["TASK_TIMEOUT"] == (77, "taskyard.toml")
    assert shown["TASK_RETENTION_DAYS"] == (30, "default")
    assert secret not in ended.out + ended.err


HOSTILE = {
    "an unknown field": (b'{"taskDefinitionId": "echo", "colour": 1}', 422),
    "a NUL": (b'{"taskDefinitionId": "echo", "input": {"value": "a\\u0000b"}}', 422),
    "a lone surrogate": (b'{"taskDefinitionId": "echo", "input": {"value": "\\ud800"}}', 422),
    "NaN": (b'{"taskDefinitionId": "echo", "input": {"value": NaN}}', 400),
    "a huge integer": (b'{"taskDefinitionId": "echo", "input": {"value": 18446744073709551616}}', 422),
    "not JSON": (b'{"taskDefinitionId": ', 400),
    "too much": (b'{"taskDefinitionId": "echo", "input": {"value": "' + b"x" * (1 << 20) + b'"}}', 413),
}
CODES = {400: "MALFORMED", 413: "PAYLOAD_TOO_LARGE", 422: "VALIDATION_ERROR"}


@pytest.mark.parametrize("what", HOSTILE)
async def test_hostile_input_is_refused_at_the_door(idle: Client, what: str) -> None:
    """task-execution-layer.md § Security: what no task should see is refused before it is stored."""
    body, status = HOSTILE[what]
    answer = await idle.post(INTERNAL, content=body, headers={"Content-Type": "application/json"})
    assert refusal(answer) == (status, CODES[status])
    assert await count(idle) == 0


PROTECTED = [name for name, access in ACCESS.items() if access.any_of and not name.startswith("SOCKET")]


@pytest.mark.parametrize("route", PROTECTED)
async def test_every_operation_needs_its_scope(idle: Client, route: str) -> None:
    """task-execution-layer.md § Security: each operation is a grant of its own, and `admin` is all of them."""
    method, path = re.sub(r"{\w+}", "1", route).split(" ")
    needed = set(ACCESS[route].any_of)
    refused = await idle.request(method, path, headers=bearer(*EVERY_SCOPE - needed))
    assert refusal(refused) == (403, "FORBIDDEN")
    body: Any = None if method == "GET" else {"waitTime": 0}
    for scopes in ({*needed, "service"}, {"admin"}):
        answer = await idle.request(method, path, json=body, headers=bearer(*scopes))
        assert answer.status_code not in (401, 403), scopes


async def test_task_runs_with_the_definition_it_was_made_with(idle: Client) -> None:
    """task-execution-layer.md § Implementation Examples › Executing an Automated Task: its version stays."""
    definition = {"implementation": {"kind": "external", "topic": "x"}, "outputSchema": {"type": "integer"}}
    path = "/api/v1/definitions/thing"
    await idle.put(path, json=definition)
    task_id = await idle.create("thing", {})
    version = (await task_of(idle, task_id))["definitionVersion"]
    await idle.put(path, json={**definition, "outputSchema": {"type": "string"}})
    (message,) = await dequeue(idle, AUTOMATED)
    done = (await settle(idle, message, "complete", output=3)).json()
    assert (done["status"], done["output"], done["definitionVersion"]) == ("COMPLETED", 3, version)


async def test_invalid_input_gives_validation_error(world: World, http: Client) -> None:
    """task-execution-layer.md § Implementation Examples › Executing an Automated Task: bad input starts nothing."""
    answer = await http.post(INTERNAL, json={"taskDefinitionId": "add", "input": {"a": "x"}})
    assert refusal(answer) == (422, "VALIDATION_ERROR")
    assert {each["path"] for each in answer.json()["error"]["details"]} == {"/input/a", "/input/b"}
    await world.settle()
    assert (await http.get("/api/v1/events")).json()["items"] == []


async def test_invalid_output_gives_output_validation_error(tmp_path: Path) -> None:
    """task-execution-layer.md § Implementation Examples › Executing an Automated Task: bad output ends it."""
    yard = make_yard(tmp_path)

    @yard.task(retry=5)
    async def wrong() -> dict[str, int]:
        return {"a": "one"}  # type: ignore[dict-item]  # it is what is refused

    async with yard.worker(), client_of(yard) as http:
        task = await http.until(await http.create("wrong", {}), "FAILED")
        assert (task["error"]["code"], task["attempt"]) == ("OUTPUT_VALIDATION_ERROR", 1)
        (violation,) = task["error"]["details"]
        assert (violation["path"].endswith("/a"), violation["keyword"]) == (True, "type")


VALUES = [None, True, 0, -1.5, "Zoë 漢字 🎈", [], [1, [None, {"a": []}]], {}, {"a": {"b": [1, "2", None]}}]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: json.dumps(value)[:12])
async def test_valid_output_completes(world: World, http: Client, value: Any) -> None:
    """task-execution-layer.md § Implementation Examples › Executing an Automated Task: what fits is the output."""
    task_id = await http.create("echo", {"value": value})
    await world.settle()
    task = await task_of(http, task_id)
    assert (task["status"], task["output"]) == ("COMPLETED", value)
    assert type(task["output"]) is type(value)


async def test_exceptions_give_execution_error(world: World, http: Client) -> None:
    """task-execution-layer.md § Implementation Examples › Executing an Automated Task: an exception tells all."""
    none = {"retryPolicy": {"maxRetries": 0}}
    plain = await http.create("flaky", {"failures": 1}, executionConfig=none)
    coded = await http.create("refused", {"code": "UNWILLING"})
    await world.settle()
    error = (await task_of(http, plain))["error"]
    assert error["code"] == "EXECUTION_ERROR"
    assert "failure 1" in error["message"]
    assert "in flaky" in error["stackTrace"]
    error = (await task_of(http, coded))["error"]
    assert (error["code"], error["message"], error["details"]) == ("UNWILLING", "it will not", {"why": "because"})


@pytest.mark.parametrize("type_", ["USER", "GROUP"])
async def test_assignment_is_stored_on_the_task(world: World, http: Client, type_: str) -> None:
    """task-execution-layer.md § Implementation Examples › Handling a Manual Task: who does it by when is stored."""
    due = "2030-02-01T12:00:00.000Z"
    task_id = await http.create("approve", {}, assignee={"type": type_, "id": "bob"}, dueDate=due)
    await world.settle()
    task = await task_of(http, task_id)
    assert (task["assigneeType"], task["assigneeId"], task["status"], task["dueDate"]) == (
        type_,
        "bob",
        "ASSIGNED",
        due,
    )
    assert await types_of(http, task_id) == ["created", "started", "assigned"]


async def test_assignment_emits_task_assigned(world: World, http: Client) -> None:
    """task-execution-layer.md § Implementation Examples › Handling a Manual Task: an event says whose it is."""
    task_id = await http.create("approve", {}, assignee={"type": "USER", "id": "bob"})
    await world.settle()
    await http.post(f"{INTERNAL}/{task_id}/reassign", json={"assigneeType": "GROUP", "assigneeId": "ops"})
    told = [event["data"] for event in await events_of(http, task_id) if event["type"] == "task.manual.assigned"]
    assert [(each["taskId"], each["assigneeType"], each["assigneeId"]) for each in told] == [
        (task_id, "USER", "bob"), (task_id, "GROUP", "ops"),
    ]  # fmt: skip


PROGRAM = """
import os, structlog
from taskyard.logs import configure_logs
from taskyard.settings import load
configure_logs(load(os.environ))
log = structlog.get_logger("taskyard.test")
log.info("lower")
log.warning("higher")
"""


@pytest.mark.parametrize("level", ["INFO", "WARNING"])
@pytest.mark.parametrize("destination", ["stderr", "file"])
def test_log_level_and_destination(tmp_path: Path, destination: str, level: str) -> None:
    """task-execution-layer.md § Configuration: what is logged, and whether to standard error or a file."""
    folder = tmp_path / "data"
    settings = {"TASK_LOG_LEVEL": level, "TASK_LOG_DESTINATION": destination, "TASKYARD_DATA_DIR": str(folder)}
    command = Command(tmp_path, settings)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env=command.environment,
        text=True,
        capture_output=True,
        check=True,
    )
    file = folder / "taskyard.log"
    text = file.read_text() if destination == "file" else ended.stderr
    assert [json.loads(line)["event"] for line in text.splitlines()] == ["lower", "higher"][level == "WARNING" :]
    assert (ended.stderr == "") == file.exists() == (destination == "file")
    assert not file.exists() or stat.S_IMODE(folder.stat().st_mode) == 0o700, "nobody else reads it"
