"""Schedules over HTTP: their shape, what is refused, and their verbs."""

from __future__ import annotations

from typing import Any

import pytest

from taskyard.contracts.records import ScheduleWrite
from taskyard.domain.due import Progress
from taskyard.engine.firing import fire_due
from tests.api.yard import Client, bearer

STORES = ["sqlite", "postgresql"]
BODY = {"taskDefinitionId": "sums", "input": {"a": 1, "b": 2}, "cron": "0 3 * * *", "timezone": "Europe/Berlin"}


async def put(client: Client, name: str = "nightly", status: int = 201, **fields: Any) -> Any:
    answer = await client.put(f"/api/v1/schedules/{name}", json={**BODY, **fields})
    assert answer.status_code == status, answer.text
    return answer.json()


def paths(answer: Any) -> list[str]:
    return [each["path"] for each in answer["error"]["details"]]


async def test_a_schedule_is_put_read_and_removed(client: Client) -> None:
    made = await put(client)
    next_runs = made.pop("nextRuns")
    assert len(next_runs) == 5
    assert {at[11:] for at in next_runs} <= {"01:00:00.000Z", "02:00:00.000Z"}
    assert made == {
        **BODY, "scheduleId": "nightly", "interval": None, "jitter": 0, "overlap": "skip", "catchUp": 3600,
        "paused": False, "lastRun": None, "lastError": None,
    }  # fmt: skip
    assert await put(client, status=200, scheduleId="nightly") == made | {"nextRuns": next_runs}
    assert (await client.get("/api/v1/schedules/nightly")).json()["cron"] == BODY["cron"]
    changed = await put(client, status=200, cron=None, interval=90, jitter=5, overlap="bufferOne", catchUp=60)
    assert (changed["cron"], changed["interval"], changed["overlap"]) == (None, 90, "bufferOne")
    assert (await client.delete("/api/v1/schedules/nightly")).status_code == 204
    for method, verb in (("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/run"), ("POST", "/backfill")):
        answer = await client.request(method, f"/api/v1/schedules/nightly{verb}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_a_schedule_keeps_no_secrets(client: Client) -> None:
    schema = {"properties": {"pin": {"type": "string", "writeOnly": True}}}
    body = {"implementation": {"kind": "external", "topic": "pay"}, "inputSchema": schema}
    assert (await client.put("/api/v1/definitions/pay", json=body)).status_code == 201
    refused = await put(client, status=422, taskDefinitionId="pay", input={"pin": "hunter2"})
    assert paths(refused) == ["/input"]
    await put(client, taskDefinitionId="pay", input={"other": 1})


async def test_they_are_listed_page_by_page(client: Client) -> None:
    for name in ("c", "a", "b"):
        await put(client, name)
    first = (await client.get("/api/v1/schedules?limit=2")).json()
    assert [each["scheduleId"] for each in first["items"]] == ["a", "b"]
    second = (await client.get(f"/api/v1/schedules?limit=2&cursor={first['nextCursor']}")).json()
    assert ([each["scheduleId"] for each in second["items"]], second["nextCursor"]) == (["c"], None)
    assert (await client.get("/api/v1/schedules?unheard=1")).status_code == 422


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"cron": "x"}, "/cron"),
        ({"interval": 5}, "/cron"),
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"jitter": -1}, "/jitter"),
        ({"overlap": "both"}, "/overlap"),
        ({"input": {"a": "x", "b": 1}}, "/input/a"),
        ({"input": {}}, "/input/a"),
        ({"nextRuns": []}, "/nextRuns"),
        ({"scheduleId": "other"}, "/scheduleId"),
        ({"taskDefinitionId": 5}, "/taskDefinitionId"),
    ],
)
async def test_what_is_wrong_is_told_with_its_place(client: Client, fields: dict[str, Any], path: str) -> None:
    assert paths(await put(client, status=422, **fields))[0] == path
    assert (await client.get("/api/v1/schedules")).json()["items"] == []


async def test_an_unknown_definition_is_not_found(client: Client) -> None:
    assert (await put(client, status=404, taskDefinitionId="nothing"))["error"]["code"] == "NOT_FOUND"
    assert paths(await put(client, "%20", status=422)) == ["/scheduleId"]


async def test_a_schedule_is_paused_run_and_resumed(client: Client) -> None:
    await put(client)
    paused = (await client.post("/api/v1/schedules/nightly/pause")).json()
    assert (paused["paused"], paused["nextRuns"]) == (True, [])
    assert (await put(client, status=200))["paused"] is True
    answer = await client.post("/api/v1/schedules/nightly/run")
    task = answer.json()
    assert (answer.status_code, task["causeType"], task["cause"]) == (201, "schedule", "nightly")
    assert task["input"] == BODY["input"]
    resumed = (await client.post("/api/v1/schedules/nightly/resume")).json()
    assert (resumed["paused"], len(resumed["nextRuns"])) == (False, 5)
    assert resumed["lastRun"]["taskId"] == task["taskId"]
    found = (await client.get("/api/v1/tasks?causeType=schedule&cause=nightly")).json()["items"]
    assert [each["taskId"] for each in found] == [task["taskId"]]


async def test_a_schedule_is_backfilled(client: Client) -> None:
    await put(client)
    body = {"from": "2026-03-28T00:00:00Z", "to": "2026-03-30T12:00:00Z"}
    answer = await client.post("/api/v1/schedules/nightly/backfill", json=body)
    assert (answer.status_code, len(answer.json()["taskIds"])) == (200, 3)
    assert (await client.post("/api/v1/schedules/nightly/backfill", json=body)).json() == {"taskIds": []}
    tasks = [(await client.get(f"/api/v1/tasks/{each}")).json() for each in answer.json()["taskIds"]]
    assert [task["metadata"]["scheduledAt"] for task in tasks] == [
        "2026-03-28T02:00:00.000Z", "2026-03-29T01:00:00.000Z", "2026-03-30T01:00:00.000Z",
    ]  # fmt: skip
    for wrong, path in (
        ({"from": body["to"], "to": body["from"]}, "/to"),
        ({"from": "1969-12-31T00:00:00Z", "to": body["to"]}, "/from"),
        ({"from": "0001-01-01T00:00:00+14:00", "to": "8999-12-31T23:59:59-12:00"}, "/from"),
        ({"from": "1970-01-01T00:00:00Z", "to": body["to"]}, "/to"),
        ({"from": "2026-03-28T00:00:00", "to": body["to"]}, "/from"),
        ({"to": body["to"]}, "/from"),
    ):
        answer = await client.post("/api/v1/schedules/nightly/backfill", json=wrong)
        assert (answer.status_code, paths(answer.json())) == (422, [path]), wrong


async def test_what_could_not_be_started_is_shown(client: Client) -> None:
    await put(client, cron=None, interval=3600)
    await client.delete("/api/v1/definitions/sums")
    store = client.services.engine.store
    row = await store.schedule("nightly")
    assert row is not None
    now = await store.now()
    late = row._replace(progress=Progress(decided=now - 3_600_000_000), due_at=now)
    await store.write_schedules([ScheduleWrite(late)])
    assert await fire_due(client.services.engine) == 0
    seen = (await client.get("/api/v1/schedules/nightly")).json()
    assert seen["lastError"]["code"] == "NOT_FOUND"
    assert seen["lastError"]["at"] is not None
    assert seen["lastRun"] is None
    assert (await client.post("/api/v1/schedules/nightly/run")).status_code == 404


async def test_who_may_only_define_tasks_cannot_have_them_started(client: Client) -> None:
    answer = await client.put("/api/v1/schedules/nightly", json=BODY, headers=bearer("definitions:write"))
    assert answer.status_code == 403
    answer = await client.put("/api/v1/schedules/nightly", json=BODY, headers=bearer("tasks:write"))
    assert answer.status_code == 201
    assert (await client.get("/api/v1/schedules/nightly", headers=bearer("tasks:read"))).status_code == 200
