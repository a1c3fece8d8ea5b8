"""Saved views, the trace of a task, and the filters of lists; on both stores."""

from __future__ import annotations

from dataclasses import replace

import pytest

from taskyard.api.server import create_api
from taskyard.engine.request import parse_request
from taskyard.engine.submit import submit
from taskyard.security.caller import LOCAL
from tests.api.yard import Client, bearer

STORES = ["sqlite", "postgres"]
VIEWS = "/api/v1/views"
ANN, BOB = (bearer("tasks:read", subject=name) for name in ("ann", "bob"))


async def test_views_are_ones_own_unless_they_are_shared(client: Client) -> None:
    body = {"name": "Broken", "filter": "state:failed"}
    saved = await client.post(VIEWS, json=body, headers=ANN)
    assert saved.status_code == 201
    assert saved.json() == {**body, "viewId": saved.json()["viewId"], "shared": False, "owner": "ann", "own": True}
    assert (await client.get(VIEWS, headers=BOB)).json() == {"items": [], "nextCursor": None}
    await client.post(VIEWS, json=body | {"shared": True}, headers=ANN)
    (seen,) = (await client.get(VIEWS, headers=BOB)).json()["items"]
    assert (seen["name"], seen["owner"], seen["own"]) == ("Broken", "ann", False)
    path = f"{VIEWS}/{seen['viewId']}"
    assert (await client.delete(path, headers=BOB)).status_code == 404
    assert (await client.delete(path)).status_code == 204, "an admin may"
    assert (await client.get(VIEWS, headers=ANN)).json()["items"] == []


async def test_views_are_told_by_pages(client: Client) -> None:
    for name in ("one", "two", "three"):
        await client.post(VIEWS, json={"name": name, "filter": "x", "shared": True}, headers=ANN)
    first = (await client.get(f"{VIEWS}?limit=2", headers=BOB)).json()
    rest = (await client.get(f"{VIEWS}?limit=2&cursor={first['nextCursor']}", headers=BOB)).json()
    assert [[view["name"] for view in page["items"]] for page in (first, rest)] == [["one", "two"], ["three"]]
    assert rest["nextCursor"] is None
    assert (await client.get(f"{VIEWS}?cursor=x", headers=BOB)).status_code == 422


@pytest.mark.parametrize("body", [{}, {"name": "", "filter": "x"}, {"name": "x" * 101, "filter": "x"}, {"name": "x"}])
async def test_what_is_no_view_is_refused(client: Client, body: dict[str, str]) -> None:
    assert (await client.post(VIEWS, json=body, headers=ANN)).status_code == 422


async def test_nobody_keeps_very_many(client: Client) -> None:
    for number in range(100):
        await client.services.engine.store.save_view("ann", f"view {number}", "x", shared=False, most=100)
    assert (await client.post(VIEWS, json={"name": "one more", "filter": "x"}, headers=ANN)).status_code == 409
    assert (await client.post(VIEWS, json={"name": "view 7", "filter": "y"}, headers=ANN)).status_code == 201
    assert (await client.post(VIEWS, json={"name": "one more", "filter": "x"}, headers=BOB)).status_code == 201


async def test_runs_are_found_by_queue_priority_attempts_asker_and_trace(client: Client) -> None:
    high = await client.create("sums", {"a": 1, "b": 2}, priority="HIGH")
    asked = await client.post("/api/v1/tasks", json={"taskDefinitionId": "patient"}, headers=bearer("tasks:write"))
    other = asked.json()["taskId"]
    trace = (await client.get(f"/api/v1/tasks/{high}/trace")).json()["traceId"]
    found = {
        "queue=task-execution-automated": [other, high], "queue=task-execution-retry,task-execution-manual": [],
        "priority=HIGH,LOW": [high], "priority=MEDIUM": [other], "attempts=1": [], "askedBy=ada": [other],
        f"traceId={trace}": [high], f"traceId={'0' * 32}": [], f"traceId={trace}&priority=LOW": [],
    }  # fmt: skip
    for query, expected in found.items():
        answer = await client.get(f"/api/v1/tasks?{query}")
        assert [task["taskId"] for task in answer.json()["items"]] == expected, query
    message = await client.lease(taskDefinitionIds=["sums"])
    assert [task["taskId"] for task in (await client.get("/api/v1/tasks?attempts=1")).json()["items"]] == [high]
    assert message["taskId"] == high
    for wrong in ("queue=retry", "priority=high", "attempts=0", "traceId=x"):
        assert (await client.get(f"/api/v1/tasks?{wrong}")).status_code == 422, wrong


async def test_a_subtask_is_in_the_trace_of_who_began_it(client: Client) -> None:
    root = await client.create("sums", {"a": 1, "b": 2})
    request = parse_request({"taskDefinitionId": "sums", "input": {"a": 1, "b": 3}})
    child = (await submit(client.services.engine, request, LOCAL, int(root))).task.task_id
    own = (await client.get(f"/api/v1/tasks/{child}/trace")).json()
    assert own == (await client.get(f"/api/v1/tasks/{root}/trace")).json()
    assert own["url"] is None
    page = (await client.get(f"/api/v1/tasks?traceId={own['traceId']}")).json()
    assert [task["taskId"] for task in page["items"]] == [child, root]


async def test_a_trace_leads_to_where_traces_are_shown(client: Client) -> None:
    task = await client.create("sums", {"a": 1, "b": 2})
    shown = create_api(replace(client.services, trace_url="https://tempo.example.com/trace/{traceId}"))
    async with Client(shown, client.services) as other:
        told = (await other.get(f"/api/v1/tasks/{task}/trace")).json()
    assert told["url"] == f"https://tempo.example.com/trace/{told['traceId']}"
    assert (await client.get("/api/v1/tasks/12/trace")).status_code == 404
    assert (await client.get(f"/api/v1/tasks/{task}/trace", headers=bearer("tasks:manual"))).status_code == 404
