"""The OpenAPI document: complete, true to the routes, and held to under fuzzing."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskyard import Taskyard
from taskyard.api.access import ACCESS
from tests.api.yard import ADMIN_TOKEN, Client, serving
from tests.support import PATIENCE

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance,ignored_auth"
)
EXAMPLES = 5


@pytest.fixture
async def document(client: Client) -> dict[str, Any]:
    return dict((await client.get("/openapi.json")).json())


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item)


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


async def test_every_route_is_in_it(document: dict[str, Any]) -> None:
    assert set(operations(document)) == {name for name in ACCESS if not name.startswith("SOCKET")}


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    names = {node["$ref"] for node in walk(document) if isinstance(node.get("$ref"), str)}
    prefix = "#/components/schemas/"
    assert {"Task", "TaskRequest", "ErrorAnswer", "DequeueRequest"} <= {name.removeprefix(prefix) for name in names}
    assert {name.removeprefix(prefix) for name in names} <= set(document["components"]["schemas"])


async def test_every_operation_says_what_a_client_needs(document: dict[str, Any]) -> None:
    found = operations(document)
    assert len({operation["operationId"] for operation in found.values()}) == len(found)
    for name, operation in found.items():
        assert operation["summary"], name
        in_path = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", name)), name
        assert any(status.startswith(("2", "3")) for status in operation["responses"]), name
        if ACCESS[name].public:
            assert operation["security"] == []
        else:
            assert {"bearer": []} in operation["security"]
            assert operation["responses"]["401"]["content"]["application/json"]["schema"]["$ref"].endswith(
                "ErrorAnswer"
            )


async def test_parameters_carry_the_contracts_names(document: dict[str, Any]) -> None:
    named = {each["name"] for each in operations(document)["GET /api/v1/tasks"]["parameters"]}
    assert named == {
        "status", "taskType", "definition", "workflowId", "causeType", "cause", "parentTaskId", "hash",
        "correlationId", "assignee", "tag", "q", "createdAfter", "createdBefore", "startedAfter", "startedBefore",
        "error", "worker", "tookFrom", "tookBelow", "queue", "priority", "attempts", "askedBy", "traceId",
        "taskIds", "sort", "limit", "cursor",
    }  # fmt: skip
    create = document["components"]["schemas"]["TaskRequest"]
    assert create["required"] == ["taskDefinitionId"]
    assert create["additionalProperties"] is False


async def test_times_are_told_as_such(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    times = {
        "TaskRequest": {"availableAt", "dueDate"},
        "Task": {"nextRetryTime", "createdAt", "availableAt", "startTime", "endTime", "dueDate", "deadLetteredAt"},
        "QueueMessage": {"enqueueTime"},
        "LoggedLine": {"at"},
        "Worker": {"startedAt"},
    }
    for name, fields in times.items():
        properties = schemas[name]["properties"]
        told = {field for field in properties if '"date-time"' in json.dumps(properties[field])}
        assert told == fields, name


@pytest.mark.timeout(300)
async def test_fuzzing_finds_no_answer_the_document_does_not_have(working_yard: Taskyard, tmp_path: Path) -> None:
    async with serving(working_yard) as (address, _):
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")), "run", f"http://{address}/openapi.json",
            "--header", f"Authorization: Bearer {ADMIN_TOKEN}", "--checks", CHECKS, "--phases", "fuzzing",
            "--max-examples", str(EXAMPLES), "--exclude-path-regex", "(dequeue|run|fetchAndLock)$", "--seed", "1",
            "--no-color", "--request-timeout", str(PATIENCE), "--suppress-health-check", "too_slow",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=tmp_path,
        )  # fmt: skip
        out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()[-4000:]
