"""internal-interfaces.md: what services are promised. Queues and the shapes of events."""

from __future__ import annotations

import asyncio
import re
import uuid
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from taskyard import Context, Taskyard, UploadedFile
from taskyard.api.access import ACCESS
from taskyard.contracts.clock import SystemClock
from taskyard.executors.function.executor import FunctionExecutor
from taskyard.runtime.handler_services import HandlerServices
from taskyard.runtime.insistence import pauses
from taskyard.runtime.worker import Worker, WorkerOptions
from taskyard.testing import World
from tests.api.yard import Client, bearer
from tests.promises.yard import (
    AUTOMATED,
    DEADLETTER,
    INTEGRATION,
    INTERNAL,
    MANUAL,
    RETRY,
    SUM,
    client_of,
    count,
    depths,
    dequeue,
    event_of,
    events_of,
    make_yard,
    refusal,
    settle,
    task_of,
    types_of,
)  # fmt: skip
from tests.support import eventually

PRIORITIES = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
BUSY = {"code": "BUSY", "message": "come again", "retryable": True}
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def create_by_priority(http: Client, key: str) -> list[str]:
    """Two tasks of each priority, the lowest first; their ids in the order in which they are to be served."""
    made = [[await http.create(key, SUM, priority=each) for _ in range(2)] for each in PRIORITIES]
    return [task_id for pair in reversed(made) for task_id in pair]


async def serve(http: Client, queue: str) -> list[str]:
    """The ids in the order in which they are handed out, one by one."""
    served: list[str] = []
    while messages := await dequeue(http, queue, maxMessages=1):
        served += [message["taskId"] for message in messages]
    return served


async def test_automated_queue_serves_by_priority(idle: Client) -> None:
    """internal-interfaces.md § Task Queue Interface › Queue Structure: automated tasks have a queue, by priority."""
    expected = await create_by_priority(idle, "sums")
    assert await depths(idle) == {AUTOMATED: 8}
    assert await serve(idle, AUTOMATED) == expected


async def test_low_is_dequeued_in_bounded_time(world: World, http: Client) -> None:
    """internal-interfaces.md § Task Queue Interface › Queue Structure: LOW has its turn, whatever else keeps coming."""
    low = await http.create("sums", SUM, priority="LOW")
    served, hours = set[str](), 0
    while low not in served:
        for priority in ("CRITICAL", "CRITICAL", "HIGH", "MEDIUM"):
            await http.create("sums", SUM, priority=priority)
        for message in await dequeue(http, AUTOMATED, maxMessages=2):
            served.add(message["taskId"])
            await settle(http, message, "complete", output=3)
        await world.advance(3600)
        hours += 1
    ahead = 2 * 26 + 6 + 2  # what came within the head starts of each priority and LOW's own hour
    assert 24 <= hours <= ahead / 2 + 1


async def test_integration_queue_serves_by_priority(idle: Client) -> None:
    """internal-interfaces.md § Task Queue Interface › Queue Structure: so have integration tasks."""
    expected = await create_by_priority(idle, "fetch")
    assert await depths(idle) == {INTEGRATION: 8}
    assert await dequeue(idle, AUTOMATED) == []
    assert await serve(idle, INTEGRATION) == expected


async def test_manual_queue_drains_into_assigned(world: World, http: Client) -> None:
    """internal-interfaces.md § Task Queue Interface › Queue Structure: manual tasks wait to be handed over."""
    await http.post(f"/api/v1/queues/{MANUAL}/pause")
    expected = await create_by_priority(http, "approve")
    await world.settle()
    assert await depths(http) == {MANUAL: 8}
    assert (await task_of(http, expected[0]))["status"] == "PENDING"
    await http.post(f"/api/v1/queues/{MANUAL}/resume")
    for task_id in expected:
        await http.until(task_id, "ASSIGNED")
    assert await depths(http) == {}
    feed = (await http.get("/api/v1/events?limit=200")).json()["items"]
    assigned = [event["data"]["taskId"] for event in feed if event["type"] == "task.manual.assigned"]
    assert assigned == expected


async def test_due_retries_are_served_first(world: World, http: Client) -> None:
    """internal-interfaces.md § Task Queue Interface › Queue Structure: a retry that is due goes before the others."""
    made = [await http.create("sums", SUM), await http.create("fetch"), await http.create("sums", SUM)]
    for message in [*await dequeue(http, AUTOMATED), *await dequeue(http, INTEGRATION)]:
        await settle(http, message, "fail", error=BUSY)
    await world.advance(10)
    assert (await depths(http))[RETRY] == 3
    critical = await http.create("sums", SUM, priority="CRITICAL")
    first = await dequeue(http, AUTOMATED, maxMessages=1)
    assert [message["taskId"] for message in first] == [made[0]]
    assert {message["taskId"] for message in await dequeue(http, RETRY)} == set(made[1:])
    assert await serve(http, AUTOMATED) == [critical]


async def test_deadletter_queue_serves_its_handler_at_once(idle: Client) -> None:
    """internal-interfaces.md § Task Queue Interface › Queue Structure: an error handler gets dead letters at once."""
    dead = await idle.create("sums", SUM)
    (message,) = await dequeue(idle, AUTOMATED)
    await settle(idle, message, "fail", error={**BUSY, "retryable": False})
    for _ in range(50):
        await idle.create("sums", SUM)
    before = await task_of(idle, dead)
    assert [each["taskId"] for each in await dequeue(idle, DEADLETTER)] == [dead]
    assert (await task_of(idle, dead), before["status"]) == (before, "FAILED")


async def test_enqueue_routes_by_type_and_priority(idle: Client) -> None:
    """internal-interfaces.md § Task Queue Interface › Queue Operations: type and priority say where."""
    queues = {"sums": AUTOMATED, "fetch": INTEGRATION, "approve": MANUAL}
    expected = {queue: await create_by_priority(idle, key) for key, queue in queues.items()}
    assert await depths(idle) == dict.fromkeys(queues.values(), 8)
    for queue, made in expected.items():
        assert await serve(idle, queue) == made


async def test_dequeue_hides_a_message_until_its_timeout(world: World, http: Client) -> None:
    """internal-interfaces.md § Task Queue Interface › Queue Operations: a message is hidden while it is leased."""
    await http.create("sums", SUM)
    (first,) = await dequeue(http, AUTOMATED, visibilityTimeout=30)
    assert (first["dequeueCount"], await dequeue(http, AUTOMATED)) == (1, [])
    await world.advance(31)
    (again,) = await dequeue(http, AUTOMATED)
    assert (again["taskId"], again["dequeueCount"]) == (first["taskId"], 2)
    assert refusal(await settle(http, first, "complete", output=3)) == (409, "STALE_LEASE")


async def test_complete_removes_and_publishes(idle: Client) -> None:
    """internal-interfaces.md § Task Queue Interface › Queue Operations: to complete is to remove and to publish."""
    task_id = await idle.create("sums", SUM)
    (message,) = await dequeue(idle, AUTOMATED)
    assert (await settle(idle, message, "complete", output=3)).json()["status"] == "COMPLETED"
    queues = (await idle.get("/api/v1/queues")).json()["items"]
    assert [(queue["depth"], queue["inFlight"]) for queue in queues] == [(0, 0)] * 5
    before = await task_of(idle, task_id)
    assert refusal(await settle(idle, message, "complete", output=4)) == (409, "STALE_LEASE")
    assert await task_of(idle, task_id) == before
    assert await types_of(idle, task_id) == ["created", "started", "completed"]


async def test_fail_moves_to_retry_or_dead_letter(world: World, http: Client) -> None:
    """internal-interfaces.md § Task Queue Interface › Queue Operations: a failure is retried, or a dead letter."""
    policy = {"maxRetries": 1, "initialDelay": 1, "jitter": 0, "nonRetryable": ["NEVER"]}
    task_id = await http.create("sums", SUM, executionConfig={"retryPolicy": policy})
    (message,) = await dequeue(http, AUTOMATED)
    assert (await settle(http, message, "fail", error=BUSY)).json()["status"] == "RETRYING"
    await world.advance(1)
    assert await depths(http) == {RETRY: 1}
    (message,) = await dequeue(http, RETRY)
    assert (await settle(http, message, "fail", error=BUSY)).json()["status"] == "FAILED"
    other = await http.create("sums", SUM, executionConfig={"retryPolicy": policy})
    (message,) = await dequeue(http, AUTOMATED)
    error = {"code": "NEVER", "message": "never again"}
    assert (await settle(http, message, "fail", error=error)).json()["status"] == "FAILED"
    dead = (await http.get(f"/api/internal/queues/{DEADLETTER}/messages")).json()["items"]
    assert [task["taskId"] for task in dead] == [other, task_id]


def seconds_until(task: dict[str, Any], clock_us: int) -> float:
    """How long until the task's next retry."""
    return datetime.fromisoformat(task["nextRetryTime"]).timestamp() - clock_us / 1e6


async def test_retry_waits_the_policy_delay(world: World, http: Client) -> None:
    """internal-interfaces.md § Task Queue Interface › Queue Operations: a retry waits; only an error costs budget."""
    asked: list[tuple[dict[str, Any], float, int]] = [
        ({}, 10, 0), ({"delay": 60}, 60, 0), ({"error": BUSY}, 10, 1), ({"error": BUSY}, 20, 2),
    ]  # fmt: skip
    await http.create("sums", SUM)
    (message,) = await dequeue(http, AUTOMATED)
    for body, delay, retries in asked:
        task = (await settle(http, message, "retry", **body)).json()
        assert (task["status"], task["retryCount"]) == ("RETRYING", retries), body
        assert seconds_until(task, world.clock.now()) == pytest.approx(delay), body
        await world.advance(delay)
        (message,) = await dequeue(http, RETRY)


async def test_heartbeat_extends_visibility(world: World, http: Client) -> None:
    """internal-interfaces.md § Task Queue Interface › Queue Operations: a sign of life keeps the lease alive."""
    task_id = await http.create("sums", SUM)
    (message,) = await dequeue(http, AUTOMATED, visibilityTimeout=30)
    for _ in range(3):
        await world.advance(20)
        alive = await settle(http, message, "heartbeat", visibilityTimeout=30)
        assert alive.json() == {"cancelRequested": False}
    assert await dequeue(http, AUTOMATED) == []
    assert (await settle(http, message, "complete", output=3)).json()["attempt"] == 1
    task_id = await http.create("sums", SUM)
    (message,) = await dequeue(http, AUTOMATED)
    await http.post(f"{INTERNAL}/{task_id}/cancel")
    assert (await settle(http, message, "heartbeat")).json() == {"cancelRequested": True}


async def test_orchestrator_enqueues_in_bulk(idle: Client) -> None:
    """internal-interfaces.md § Task Queue Interface › Workflow Orchestrator Integration: a thousand, or none."""
    tasks: list[dict[str, Any]] = [{"taskDefinitionId": "add", "input": {"a": n, "b": 0}} for n in range(1000)]
    refused = await idle.post(f"{INTERNAL}/bulk", json={"tasks": [*tasks[:9], {**tasks[9], "input": {"a": 1}}]})
    assert refusal(refused) == (422, "VALIDATION_ERROR")
    assert [each["path"] for each in refused.json()["error"]["details"]] == ["/tasks/9/input/b"]
    assert refusal(await idle.post(f"{INTERNAL}/bulk", json={"tasks": [*tasks, tasks[0]]}))[0] == 422
    assert await count(idle) == 0
    made = await idle.post(f"{INTERNAL}/bulk", json={"tasks": tasks})
    assert made.status_code == 201
    assert [task["input"]["a"] for task in made.json()["items"]] == list(range(1000))


async def test_status_reaches_the_orchestrator_by_correlation(world: World, http: Client) -> None:
    """internal-interfaces.md § Task Queue Interface › Workflow Orchestrator Integration: its id leads to the status."""
    task_id = await http.create("flaky", {"failures": 1}, correlationId="order-7")
    await http.create("add", SUM, correlationId="order-8")
    await world.run_until_idle()
    feed = (await http.get("/api/v1/events?limit=200")).json()["items"]
    mine = [event["type"] for event in feed if event["metadata"]["correlationId"] == "order-7"]
    assert mine == [f"task.instance.{each}" for each in ("created", "started", "retry", "started", "completed")]
    (task,) = (await http.get("/api/v1/tasks?correlationId=order-7")).json()["items"]
    assert (task["taskId"], task["status"]) == (task_id, "COMPLETED")


async def test_handlers_read_the_workflow_context(world: World, http: Client) -> None:
    """internal-interfaces.md § Task Queue Interface › Workflow Orchestrator Integration: workers see the context."""
    context = {"workflowDefinitionId": "orders", "variables": {"customer": {"name": "Zoë"}}}
    here = await http.create("variables", {}, workflowId="w1", workflowContext=context)
    await world.settle()
    assert (await task_of(http, here))["output"]["variables"] == context["variables"]
    await http.create("sums", SUM, workflowId="w1", workflowContext=context)
    (message,) = await dequeue(http, AUTOMATED)
    assert (message["workflowId"], message["workflowContext"]) == ("w1", context)


async def test_queue_message_has_all_fields(idle: Client) -> None:
    """internal-interfaces.md § Task Queue Interface › Workflow Orchestrator Integration: a message is complete."""
    context = {"runAs": "clerk", "permissions": ["orders:read"], "securityLevel": "HIGH"}
    config = {"timeout": 60, "securityContext": context}
    task_id = await idle.create("sums", SUM, workflowId="w1", priority="HIGH", executionConfig=config)
    (message,) = await dequeue(idle, AUTOMATED, visibilityTimeout=45)
    assert {
        "taskId", "workflowId", "taskType", "priority", "executionConfig", "input", "correlationId", "enqueueTime",
        "visibilityTimeout", "dequeueCount",
    } <= set(message)  # fmt: skip
    assert (message["taskId"], message["workflowId"], message["taskType"]) == (task_id, "w1", "AUTOMATED")
    assert (message["priority"], message["input"], message["dequeueCount"]) == ("HIGH", SUM, 1)
    assert (message["executionConfig"]["timeout"], message["visibilityTimeout"]) == (60, 45)
    assert message["executionConfig"]["retryPolicy"]["maxRetries"] == 2
    assert message["executionConfig"]["securityContext"] == context
    assert ISO.fullmatch(message["enqueueTime"])


def check_envelope(event: dict[str, Any], type_: str, task: dict[str, Any], *names: str) -> dict[str, Any]:
    """The data of an event whose envelope and whose data's names are as they should be."""
    assert set(event) == {"type", "id", "sequence", "timestamp", "data", "metadata"}
    assert (event["type"], str(uuid.UUID(event["id"]))) == (type_, event["id"])
    assert ISO.fullmatch(event["timestamp"])
    assert event["metadata"] == {"correlationId": task["correlationId"], "source": "task-execution-layer"}
    data = dict(event["data"])
    assert {"taskId", "workflowId", "taskType", *names} <= set(data)
    assert (data["taskId"], data["workflowId"], data["taskType"]) == (
        task["taskId"], task["workflowId"], task["taskType"],
    )  # fmt: skip
    return data


IDS = {"workflowId": "w1", "correlationId": "order-7"}


async def test_created_event_schema(idle: Client) -> None:
    """internal-interfaces.md § Event Schemas › Task Instance Created: what it tells of a new task."""
    task = await task_of(idle, await idle.create("sums", SUM, priority="HIGH", **IDS))
    event = await event_of(idle, task["taskId"], "task.instance.created")
    data = check_envelope(event, "task.instance.created", task)
    assert data == {
        "taskId": task["taskId"], "workflowId": "w1", "taskType": "AUTOMATED", "taskDefinitionId": "sums",
        "status": "PENDING", "priority": "HIGH", "createdAt": task["createdAt"],
    }  # fmt: skip


async def test_started_event_schema(world: World, http: Client) -> None:
    """internal-interfaces.md § Event Schemas › Task Instance Started: who began it, and when."""
    task_id = await http.create("add", SUM, **IDS)
    await world.settle()
    task = await task_of(http, task_id)
    event = await event_of(http, task_id, "task.instance.started")
    data = check_envelope(event, "task.instance.started", task)
    (worker,) = (await http.get("/api/v1/workers")).json()["items"]
    assert (data["executorId"], data["startTime"]) == (worker["workerId"], task["startTime"])


LONG = "x" * 500_000


@pytest.mark.parametrize(
    "output", [{"a": 1}, [1, 2], "text", None, LONG], ids=["object", "list", "text", "null", "long"]
)
async def test_completed_event_schema(world: World, http: Client, output: Any) -> None:
    """internal-interfaces.md § Event Schemas › Task Instance Completed: its time and a summary."""
    task_id = await http.create("fetch", {}, **IDS)
    (message,) = await dequeue(http, INTEGRATION)
    world.clock.move(2.5)
    await settle(http, message, "complete", output=output)
    task = await task_of(http, task_id)
    event = await event_of(http, task_id, "task.instance.completed")
    data = check_envelope(event, "task.instance.completed", task, "executorId", "startTime", "endTime")
    assert isinstance(data["outputSummary"], dict)
    assert len(str(data["outputSummary"])) < 2000
    took = datetime.fromisoformat(data["endTime"]) - datetime.fromisoformat(data["startTime"])
    assert (data["executionTime"], took.total_seconds()) == (2500, 2.5)


async def test_failed_event_schema(world: World, http: Client) -> None:
    """internal-interfaces.md § Event Schemas › Task Instance Failed: what went wrong, and where."""
    policy = {"retryPolicy": {"maxRetries": 0}}
    task_id = await http.create("flaky", {"failures": 1}, executionConfig=policy, **IDS)
    await world.settle()
    event = await event_of(http, task_id, "task.instance.failed")
    task = await task_of(http, task_id)
    data = check_envelope(event, "task.instance.failed", task, "executorId", "startTime", "endTime")
    assert (data["errorCode"], isinstance(data["retryable"], bool)) == ("EXECUTION_ERROR", True)
    assert "failure 1" in data["errorMessage"]
    assert "in flaky" in data["stackTrace"]


async def test_retry_event_schema(world: World, http: Client) -> None:
    """internal-interfaces.md § Event Schemas › Task Instance Retry: when it is tried again, and how often yet."""
    task_id = await http.create("flaky", {"failures": 1}, **IDS)
    await world.settle()
    task = await task_of(http, task_id)
    event = await event_of(http, task_id, "task.instance.retry")
    data = check_envelope(event, "task.instance.retry", task)
    assert (data["retryCount"], data["maxRetries"], data["retryDelay"]) == (1, 2, 10)
    assert (data["retryCount"], data["nextRetryTime"]) == (task["retryCount"], task["nextRetryTime"])
    wait = datetime.fromisoformat(data["nextRetryTime"]) - datetime.fromisoformat(event["timestamp"])
    assert wait.total_seconds() == 10
    assert data["lastErrorCode"] == "EXECUTION_ERROR"
    assert "failure 1" in data["lastErrorMessage"]


async def test_openapi_describes_every_route(idle: Client) -> None:
    """internal-interfaces.md § Related Documentation: the API's description has every route, parameter and error."""
    document = (await idle.get("/openapi.json", headers=bearer())).json()
    told = {f"{method.upper()} {path}": operation for path, methods in document["paths"].items()
            for method, operation in methods.items()}  # fmt: skip
    assert set(told) == {name for name in ACCESS if not name.startswith("SOCKET")}
    for name, operation in told.items():
        named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", name)), name
        assert ACCESS[name].public or {"401", "403"} & set(operation["responses"]), name


@pytest.mark.parametrize("given", ["order-7", None])
async def test_correlation_id_is_everywhere(idle: Client, given: str | None) -> None:
    """internal-interfaces.md § Task Queue Interface › Workflow Orchestrator Integration: one id links all there is."""
    more = {"correlationId": given} if given else {}
    task_id = await idle.create("sums", SUM, workflowId="w1", **more)
    (message,) = await dequeue(idle, AUTOMATED)
    await settle(idle, message, "complete", output=3)
    told = {event["metadata"]["correlationId"] for event in await events_of(idle, task_id)}
    everywhere = {*told, message["correlationId"], (await task_of(idle, task_id))["correlationId"]}
    (kept,) = everywhere
    assert kept == (given or str(uuid.UUID(kept)))


async def test_assigned_event_schema(world: World, http: Client) -> None:
    """internal-interfaces.md § Event Schemas › Task Manual Assigned: who has to do what until when."""
    due = "2030-02-01T12:00:00.000Z"
    task_id = await http.create("approve", {}, priority="HIGH", dueDate=due, **IDS)
    await world.settle()
    task = await task_of(http, task_id)
    event = await event_of(http, task_id, "task.manual.assigned")
    data = check_envelope(event, "task.manual.assigned", task, "assigneeName")
    assert (data["assigneeType"], data["assigneeId"]) == ("USER", "ada")
    assert (data["taskName"], data["taskDescription"]) == ("Approve the order", "Look at it and say yes.")
    assert (data["priority"], data["dueDate"]) == ("HIGH", due)


async def test_refused_queue_operations_are_repeated(tmp_path: Path) -> None:
    """internal-interfaces.md § Error Handling › Retry Policies: 3 times, 5 s apart; then the loops reconnect."""
    assert list(islice(pauses(), 5)) == [(5, False)] * 3 + [(5, True)] * 2
    yard = Taskyard(f"sqlite:///{tmp_path / 'tasks.db'}", settings=make_yard(tmp_path).settings)
    passed: list[float] = []
    started, away, back = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def wait(seconds: float) -> None:
        passed.append(seconds)
        if len(passed) > 20:
            await back.wait()
        await asyncio.sleep(0)

    async def no_uploads(ids: list[str]) -> dict[str, UploadedFile]:
        return {}

    @yard.task
    async def job(ctx: Context) -> str:
        started.set()
        await away.wait()
        ctx.log.info("going on")
        return "done"

    async with yard, client_of(yard) as http:
        executor = FunctionExecutor(
            yard.registry, HandlerServices(yard.engine, yard.app.watcher, yard.listeners), 1, no_uploads
        )
        options = WorkerOptions(slots=2, version="1", wait=wait)
        async with Worker(yard.engine, [executor], SystemClock(), options):
            run = await job.start()
            await started.wait()
            await yard.engine.store.close()
            away.set()
            await eventually(lambda: len(passed) > 20)
            refused = await http.post("/api/v1/tasks", json={"taskDefinitionId": "job"})
            assert refusal(refused) == (503, "OVERLOADED")
            assert refused.headers["Retry-After"]
            await yard.engine.store.open()
            back.set()
            await http.until(run.id, "COMPLETED")
            assert await (await job.start()).result() == "done"
    assert set(passed) == {5}
