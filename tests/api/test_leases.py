"""Leases over HTTP, for workers in any language."""

from __future__ import annotations

import asyncio
import time
from collections.abc import MutableMapping
from typing import Any

import pytest

from tests.api.yard import PORT, Client, bearer

MESSAGES = "/api/internal/queues/messages"

STORES = ["sqlite", "postgresql"]


async def test_a_message_has_what_the_contract_names(client: Client) -> None:
    task_id = await client.create("sums", {"a": 1, "b": 2}, correlationId="c-1")
    message = await client.lease(visibilityTimeout=60)
    assert set(message) == {
        "taskId", "workflowId", "workflowContext", "taskType", "taskDefinitionId", "priority", "executionConfig",
        "input", "correlationId", "enqueueTime", "visibilityTimeout", "dequeueCount", "leaseToken",
    }  # fmt: skip
    assert (message["taskId"], message["input"], message["visibilityTimeout"]) == (task_id, {"a": 1, "b": 2}, 60)
    assert set(message["executionConfig"]) == {"timeout", "retryPolicy", "securityContext"}


async def test_heartbeat_keeps_lines_and_progress_and_complete_ends(client: Client) -> None:
    task_id = await client.create("sums", {"a": 1, "b": 2})
    token = (await client.lease())["leaseToken"]
    sign = {
        "leaseToken": token,
        "visibilityTimeout": 30,
        "progress": {"current": 1, "total": 4, "action": "adding"},
        "logs": [{"text": "one"}, {"text": "two", "level": "warning"}],
    }
    answer = await client.post(f"{MESSAGES}/{task_id}/heartbeat", json=sign)
    assert answer.json() == {"cancelRequested": False}
    lines = (await client.get(f"/api/v1/tasks/{task_id}/logs")).json()["items"]
    assert [(line["level"], line["text"]) for line in lines] == [("info", "one"), ("warning", "two")]
    done = await client.post(f"{MESSAGES}/{task_id}/complete", json={"leaseToken": token, "output": 3})
    assert (done.json()["status"], done.json()["output"], done.json()["progress"]["percent"]) == ("COMPLETED", 3, 25)


async def test_failures_follow_the_policy(client: Client) -> None:
    policy = {"retryPolicy": {"maxRetries": 1, "initialDelay": 60}}
    task_id = await client.create("sums", {"a": 1, "b": 2}, executionConfig=policy)
    error = {"code": "BUSY", "message": "the calculator is busy", "retryable": True}
    token = (await client.lease())["leaseToken"]
    failed = await client.post(f"{MESSAGES}/{task_id}/fail", json={"leaseToken": token, "error": error})
    assert failed.json()["status"] == "RETRYING"
    assert (await client.post(f"/api/v1/tasks/{task_id}/retry")).json()["status"] == "PENDING"
    token = (await client.lease())["leaseToken"]
    failed = await client.post(f"{MESSAGES}/{task_id}/fail", json={"leaseToken": token, "error": error})
    assert (failed.json()["status"], failed.json()["error"]["code"]) == ("FAILED", "BUSY")


async def test_retry_without_an_error_burns_no_budget(client: Client) -> None:
    task_id = await client.create("sums", {"a": 1, "b": 2})
    token = (await client.lease())["leaseToken"]
    postponed = await client.post(f"{MESSAGES}/{task_id}/retry", json={"leaseToken": token, "delay": 60})
    assert (postponed.json()["status"], postponed.json()["retryCount"]) == ("RETRYING", 0)


async def test_a_lease_is_good_once_and_for_its_owner_only(client: Client) -> None:
    task_id = await client.create("sums", {"a": 1, "b": 2})
    token = (await client.lease())["leaseToken"]
    body = {"leaseToken": token, "output": 3}
    other = await client.post(
        f"{MESSAGES}/{task_id}/complete", json=body, headers=bearer("service", "tasks:execute", subject="mallory")
    )
    assert (other.status_code, other.json()["error"]["code"]) == (409, "STALE_LEASE")
    assert (await client.post(f"{MESSAGES}/{task_id}/complete", json=body)).status_code == 200
    later: dict[str, dict[str, Any]] = {
        "complete": {"output": 3}, "heartbeat": {}, "fail": {"error": {"code": "X", "message": "x"}}, "retry": {},
    }  # fmt: skip
    for verb, more in later.items():
        late = await client.post(f"{MESSAGES}/{task_id}/{verb}", json={"leaseToken": token, **more})
        assert (late.status_code, late.json()["error"]["code"]) == (409, "STALE_LEASE"), verb
    assert (await client.get(f"/api/v1/tasks/{task_id}")).json()["output"] == 3


async def test_a_canceled_task_tells_its_worker(client: Client) -> None:
    task_id = await client.create("sums", {"a": 1, "b": 2})
    token = (await client.lease())["leaseToken"]
    await client.post(f"/api/internal/tasks/{task_id}/cancel")
    answer = await client.post(f"{MESSAGES}/{task_id}/heartbeat", json={"leaseToken": token})
    assert answer.json() == {"cancelRequested": True}
    late = await client.post(f"{MESSAGES}/{task_id}/complete", json={"leaseToken": token, "output": 1})
    assert late.json()["error"]["code"] == "STALE_LEASE"


async def test_a_long_poll_is_woken_by_a_task(client: Client) -> None:
    begun = time.monotonic()
    waiting = asyncio.create_task(client.lease(waitTime=20, taskDefinitionIds=["sums"]))
    task_id = await client.create("sums", {"a": 1, "b": 2})
    assert (await waiting)["taskId"] == task_id
    assert time.monotonic() - begun < 19  # at 20 it would look by itself


async def test_a_long_poll_ends_when_the_server_stops(client: Client) -> None:
    body = {"workerId": "w1", "waitTime": 20}
    waiting = asyncio.create_task(client.post("/api/internal/queues/task-execution-manual/dequeue", json=body))
    await client.get("/healthz")
    client.services.closing.set()
    answer = await waiting
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_a_worker_that_leaves_during_its_poll_takes_nothing_with_it(client: Client) -> None:
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b'{"workerId": "w1", "waitTime": 20}'},
        {"type": "http.disconnect"},
    ]

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        pytest.fail(f"nobody is there for {message}")

    path = "/api/internal/queues/task-execution-automated/dequeue"
    headers = {"host": f"127.0.0.1:{PORT}", "content-type": "application/json", **bearer("service", "tasks:execute")}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": raw, "extensions": {}}
    async with asyncio.timeout(19):
        await client.app(scope, receive, send)
    task_id = await client.create("sums", {"a": 1, "b": 2})
    assert (await client.lease())["taskId"] == task_id
