"""Workflows over HTTP: deployed, shown and started; what is wrong is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.yard import Client, bearer
from tests.orchestrators.bpmn.files import file, line, script, service, user
from tests.promises.fixtures_b import new_yard, working
from tests.support import eventually

SOURCE = line(service("charge"), script("total", "amount"), user("check", 'camunda:candidateGroups="stock"'))


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    yard = new_yard(tmp_path)

    @yard.task
    async def charge(amount: int) -> dict[str, int]:
        return {"charged": amount + 1}

    async with working(yard) as client:
        yield client


async def test_a_process_is_deployed_shown_and_started(client: Client) -> None:
    answer = await client.post("/api/v1/workflows", json={"source": SOURCE, "title": "Orders"})
    assert answer.status_code == 201, answer.text
    workflow = answer.json()
    assert (workflow["key"], workflow["engine"], workflow["title"]) == ("order", "taskyard", "Orders")
    assert workflow["steps"] == [
        {"stepId": "charge", "name": "", "type": "serviceTask", "taskDefinitionId": "charge"},
        {"stepId": "total", "name": "", "type": "scriptTask", "taskDefinitionId": None},
        {"stepId": "check", "name": "Task check", "type": "userTask", "taskDefinitionId": "order.check"},
    ]
    again = await client.post("/api/v1/workflows", json={"source": SOURCE, "title": "Orders"})
    assert again.json() == workflow
    assert (await client.get("/api/v1/workflows/order")).json() == workflow
    assert (await client.get("/api/v1/workflows")).json() == {"items": [workflow], "nextCursor": None}
    started = await client.post("/api/v1/workflows/order/start", json={"input": {"amount": 1}, "correlationId": "o1"})
    assert started.status_code == 201, started.text
    instance = started.json()
    assert (instance["key"], instance["engine"], instance["task"]["taskId"]) == (
        "order", "taskyard", instance["instanceId"]
    )  # fmt: skip

    async def asked() -> list[dict[str, str]]:
        query = {"workflowId": instance["instanceId"], "status": "ASSIGNED"}
        return list((await client.get("/api/v1/tasks", params=query)).json()["items"])

    (task,) = await eventually(asked)
    assert (task["assigneeId"], task["correlationId"], task["input"]["charged"]) == ("stock", "o1", 2)
    await client.post(f"/api/v1/tasks/{task['taskId']}/complete", json={"output": {"checked": True}})
    ended = await client.until(instance["instanceId"], "COMPLETED", "FAILED")
    assert (ended["status"], ended["output"]["checked"]) == ("COMPLETED", True)


async def test_what_nobody_has_registered_is_told(client: Client) -> None:
    answer = await client.post("/api/v1/workflows", json={"source": line(service("a", "unheard"), service("charge"))})
    assert answer.json()["missing"] == ["unheard"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "/source"),
        ({"source": ""}, "/source"),
        ({"source": "<x/>"}, "/source"),
        ({"source": file()}, "/source"),
        ({"source": SOURCE, "engine": "zeebe"}, "/engine"),
        ({"source": SOURCE, "engine": "camunda"}, "/engine"),
        ({"source": SOURCE, "inputSchema": {"type": "nothing"}}, "/inputSchema/type"),
        ({"source": SOURCE, "file": "/etc/passwd"}, "/file"),
        ({"source": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'}, "/source"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_deployed(client: Client, body: dict[str, str], path: str) -> None:
    answer = await client.post("/api/v1/workflows", json=body)
    assert answer.status_code == 422, answer.text
    assert [detail["path"] for detail in answer.json()["error"]["details"]] == [path]
    assert (await client.get("/api/v1/workflows")).json()["items"] == []


async def test_only_a_workflow_is_started_as_one(client: Client) -> None:
    assert (await client.post("/api/v1/workflows/charge/start", json={"input": {"amount": 1}})).status_code == 404
    assert (await client.post("/api/v1/workflows/nothing/start")).status_code == 404
    assert (await client.get("/api/v1/workflows/charge")).status_code == 404
    await client.post("/api/v1/workflows", json={"source": SOURCE})
    wrongs: list[Any] = [{"taskDefinitionId": "charge"}, {"unheard": 1}, {"priority": "SOON"}, []]
    for wrong in wrongs:
        assert (await client.post("/api/v1/workflows/order/start", json=wrong)).status_code == 422


async def test_who_starts_may_not_deploy(client: Client) -> None:
    body = {"source": SOURCE}
    assert (await client.post("/api/v1/workflows", json=body, headers=bearer("tasks:write"))).status_code == 403
    assert (await client.post("/api/v1/workflows", json=body, headers=bearer("definitions:write"))).status_code == 201
    start = "/api/v1/workflows/order/start"
    assert (await client.post(start, headers=bearer("definitions:write"))).status_code == 403
    assert (await client.post(start, headers=bearer("tasks:write"))).status_code == 201


async def test_one_that_cannot_be_run_is_told_beside_the_others(client: Client) -> None:
    bad = {"implementation": {"kind": "bpmn", "source": "<x/>"}}
    assert (await client.put("/api/v1/definitions/bad", json=bad)).status_code == 201
    await client.post("/api/v1/workflows", json={"source": SOURCE})
    listed = (await client.get("/api/v1/workflows")).json()["items"]
    assert [(each["key"], len(each["steps"]), bool(each["fault"])) for each in listed] == [
        ("bad", 0, True), ("order", 3, False)
    ]  # fmt: skip
    started = (await client.post("/api/v1/workflows/bad/start")).json()
    ended = await client.until(started["instanceId"], "FAILED")
    assert ended["error"]["code"] == "VALIDATION_ERROR"
