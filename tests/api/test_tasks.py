"""Tasks over HTTP: create, look, change."""

from __future__ import annotations

from tests.api.yard import Client

STORES = ["sqlite", "postgresql"]


async def test_a_task_is_created_and_read(client: Client) -> None:
    body = {"taskDefinitionId": "add", "input": {"a": 1, "b": 2}, "workflowId": "w-1", "priority": "HIGH"}
    created = await client.post("/api/internal/tasks", json=body)
    assert created.status_code == 201
    task = created.json()
    assert (task["status"], task["priority"], task["input"]) == ("PENDING", "HIGH", {"a": 1, "b": 2})
    assert task["createdAt"].endswith("Z")
    for path in ("/api/internal/tasks", "/api/v1/tasks"):
        assert (await client.get(f"{path}/{task['taskId']}")).json() == task


async def test_a_task_runs_and_ends(working: Client) -> None:
    task = await working.until(await working.create("add", {"a": 1, "b": 2}), "COMPLETED")
    assert task["output"] == {"total": 3}


async def test_an_equal_request_is_reused(client: Client) -> None:
    body = {"taskDefinitionId": "add", "input": {"a": 1, "b": 2}, "idempotencyKey": "k"}
    first = await client.post("/api/v1/tasks", json=body)
    second = await client.post("/api/v1/tasks", json=body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["reused"] is True
    assert second.json()["taskId"] == first.json()["taskId"]
    other = await client.post("/api/v1/tasks", json={**body, "input": {"a": 2, "b": 2}})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "CONFLICT")


async def test_a_bulk_is_all_or_nothing(client: Client) -> None:
    good = {"taskDefinitionId": "add", "input": {"a": 1, "b": 2}}
    answer = await client.post("/api/internal/tasks/bulk", json={"tasks": [good, {**good, "input": {"a": "x"}}]})
    assert answer.status_code == 422
    assert {each["path"] for each in answer.json()["error"]["details"]} == {"/tasks/1/input/a", "/tasks/1/input/b"}
    assert (await client.get("/api/v1/tasks")).json()["items"] == []
    answer = await client.post("/api/internal/tasks/bulk", json={"tasks": [good] * 1000})
    assert answer.status_code == 201
    assert len(answer.json()["items"]) == 1000
    answer = await client.post("/api/internal/tasks/bulk", json={"tasks": [good] * 1001})
    assert answer.json()["error"]["details"][0]["path"] == "/tasks"


async def test_cancel_is_final(client: Client) -> None:
    task_id = await client.create("add", {"a": 1, "b": 2})
    canceled = await client.post(f"/api/internal/tasks/{task_id}/cancel", json={"reason": "not needed"})
    assert (canceled.status_code, canceled.json()["status"]) == (200, "CANCELED")
    again = await client.post(f"/api/v1/tasks/{task_id}/cancel")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "ILLEGAL_TRANSITION")


async def test_retry_requeues_a_failed_task(working: Client) -> None:
    task_id = await working.create("broken")
    await working.until(task_id, "FAILED")
    retried = await working.post(f"/api/v1/tasks/{task_id}/retry", json={"reason": "mended"})
    assert retried.status_code == 200
    await working.until(task_id, "FAILED")
    keys = [event["type"] for event in (await working.get(f"/api/v1/tasks/{task_id}/events")).json()["items"]]
    assert "task.instance.requeued" in keys
    assert keys.count("task.instance.failed") == 2


async def test_status_is_changed_by_who_holds_the_lease(client: Client) -> None:
    task_id = await client.create("sums", {"a": 1, "b": 2})
    path = f"/api/internal/tasks/{task_id}/status"
    token = (await client.lease(taskDefinitionIds=["sums"]))["leaseToken"]
    refused = await client.put(path, json={"status": "COMPLETED", "output": 3})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "ILLEGAL_TRANSITION")
    progress = {"status": "RUNNING", "leaseToken": token, "progress": {"current": 1, "total": 2}}
    assert (await client.put(path, json=progress)).json()["progress"]["percent"] == 50
    done = await client.put(path, json={"status": "COMPLETED", "output": 3, "leaseToken": token})
    assert (done.json()["status"], done.json()["output"]) == ("COMPLETED", 3)
    for state in ("PENDING", "RETRYING", "ASSIGNED"):
        answer = await client.put(path, json={"status": state})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "ILLEGAL_TRANSITION")


async def test_a_manual_task_is_reassigned_and_completed(working: Client) -> None:
    task_id = await working.create("approve", assignee={"type": "USER", "id": "bob"})
    await working.until(task_id, "ASSIGNED")
    to = {"assigneeType": "GROUP", "assigneeId": "ops", "reason": "away"}
    moved = await working.post(f"/api/internal/tasks/{task_id}/reassign", json=to)
    assert (moved.json()["assigneeType"], moved.json()["assigneeId"]) == ("GROUP", "ops")
    done = await working.post(f"/api/v1/tasks/{task_id}/complete", json={"output": {"ok": True}})
    ended = done.json()["task"]
    assert (ended["status"], ended["output"]) == ("COMPLETED", {"ok": True})
