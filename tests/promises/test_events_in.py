"""What the source documents promise of events that come: internal-interfaces.md, sourceloop-task-service.md."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest

from taskyard.domain.incoming import Incoming
from taskyard.engine import answers
from taskyard.engine.answers import EarlyAnswers
from taskyard.testing import World
from tests.api.yard import Client, bearer
from tests.promises.yard import (
    AUTOMATED,
    client_of,
    count,
    depths,
    dequeue,
    event_of,
    make_yard,
    refusal,
    task_of,
    types_of,
)

TRIGGER = "/api/v1/events/trigger"
MAPPING = "/api/v1/events/mapping"


def envelope(type_: str, data: Any, **more: Any) -> dict[str, Any]:
    """An event as our own are written, with an id of its own."""
    return {"type": type_, "id": str(uuid.uuid4()), "data": data, **more}


async def send(http: Client, event: dict[str, Any], **options: Any) -> list[str]:
    """Which tasks the event had to do with."""
    answer = await http.post(TRIGGER, json=event, **options)
    assert answer.status_code == 202, answer.text
    return list(answer.json()["taskIds"])


async def wait_for_answer(http: Client, **more: Any) -> str:
    """A task that has asked elsewhere and waits."""
    task_id = await http.create("sums", {"a": 1, "b": 2}, **more)
    (message,) = await dequeue(http, AUTOMATED)
    body = {"status": "WAITING", "leaseToken": message["leaseToken"]}
    answer = await http.put(f"/api/internal/tasks/{task_id}/status", json=body)
    assert answer.status_code == 200, answer.text
    return task_id


async def test_a_request_by_event_creates_the_task(world: World, http: Client) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Subscribed Events: `workflow.task_requested` creates a task from
    its data, with the sender's correlation id and workflow reference.
    """
    request = {
        "taskDefinitionId": "add",
        "input": {"a": 1, "b": 2},
        "workflowId": "w-1",
        "stepId": "s",
        "priority": "HIGH",
    }
    event = envelope("workflow.task_requested", request, metadata={"correlationId": "c-1", "source": "orchestrator"})
    (task_id,) = await send(http, event)
    await world.settle()
    task = await task_of(http, task_id)
    assert (task["status"], task["output"]) == ("COMPLETED", 3)
    assert (task["workflowId"], task["stepId"], task["correlationId"], task["priority"]) == ("w-1", "s", "c-1", "HIGH")
    completed = await event_of(http, task_id, "task.instance.completed")
    assert completed["metadata"]["correlationId"] == "c-1"


@pytest.mark.parametrize(
    ("data", "definition", "path"),
    [
        ({"taskDefinitionId": "add", "input": {"a": "x", "b": 2}}, "add", "/input/a"),
        ({"taskDefinitionId": "add", "input": {"a": 1, "b": 2}, "surprise": 1}, "add", "/data/surprise"),
        ({"taskDefinitionId": "nothing", "input": {}}, "taskyard.unknown", None),
        ({"input": {}}, "taskyard.unknown", "/data/taskDefinitionId"),
        ("not even an object", "taskyard.unknown", "/data"),
    ],
)
async def test_an_invalid_request_is_a_failed_task_that_tells_so(
    idle: Client, data: Any, definition: str, path: str | None
) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Subscribed Events: an invalid `workflow.task_requested` leaves a
    FAILED task with VALIDATION_ERROR and its event.
    """
    if isinstance(data, dict):
        data = {**data, "workflowId": "w-1", "correlationId": "c-1"}
    event = envelope("workflow.task_requested", data)
    (task_id,) = await send(idle, event)
    task = await task_of(idle, task_id)
    assert (task["status"], task["error"]["code"], task["taskDefinitionId"]) == (
        "FAILED",
        "VALIDATION_ERROR",
        definition,
    )
    if path is not None:
        assert path in [each["path"] for each in task["error"]["details"]]
    if isinstance(data, dict):
        assert (task["workflowId"], task["correlationId"]) == ("w-1", "c-1")
    assert task["deadLetteredAt"] is not None
    assert await types_of(idle, task_id) == ["created", "failed", "deadlettered"]
    assert (await event_of(idle, task_id, "task.instance.failed"))["data"]["errorCode"] == "VALIDATION_ERROR"
    assert await send(idle, event) == [task_id]
    assert await count(idle) == 1
    keys = [each["key"] for each in (await idle.get("/api/v1/definitions?limit=200")).json()["items"]]
    assert "taskyard.unknown" not in keys


async def test_an_invalid_input_can_be_mended_and_run(world: World, http: Client) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Subscribed Events: the FAILED task of an invalid request is a
    dead letter like others.
    """
    bad = {"taskDefinitionId": "add", "input": {"a": "x", "b": 2}}
    (task_id,) = await send(http, envelope("workflow.task_requested", bad))
    body = {"taskIds": [task_id], "input": {"a": 1, "b": 2}}
    assert (await http.post("/api/internal/deadletters/requeue", json=body)).json()["taskIds"] == [task_id]
    await world.settle()
    assert (await task_of(http, task_id))["output"] == 3


async def test_the_same_event_twice_is_one_task(idle: Client) -> None:
    """sourceloop-task-service.md § Best Practices › Do:: the same incoming event, delivered twice with one id, creates
    one task.
    """
    event = envelope("workflow.task_requested", {"taskDefinitionId": "add", "input": {"a": 1, "b": 2}})
    first = await send(idle, event)
    together = await asyncio.gather(*(send(idle, event) for _ in range(5)))
    assert together == [first] * 5
    await idle.post(MAPPING, json={"eventKey": "sow.update", "taskDefinitionId": "echo", "input": "{value: payload}"})
    plain = {"key": "sow.update", "source": "crm", "description": "d", "payload": 1, "id": "7"}
    assert await send(idle, plain) == await send(idle, plain)
    assert await send(idle, plain) != await send(idle, {**plain, "source": "another"})
    assert await count(idle) == 3


async def test_a_cloud_event_is_one_event_too(idle: Client) -> None:
    """sourceloop-task-service.md § Overview: an event as others write it, CloudEvents, is taken at the same door."""
    await idle.post(MAPPING, json={"eventKey": "order.paid", "taskDefinitionId": "echo", "input": "{value: data}"})
    event = {
        "specversion": "1.0", "type": "order.paid", "source": "shop", "id": "1", "time": "2026-01-01T00:00:00Z",
        "datacontenttype": "application/json", "tenant": "t1", "data": 7,
    }  # fmt: skip
    first = await send(idle, event)
    assert len(first) == 1
    assert await send(idle, event) == first
    for wrong in ({"type": ""}, {"id": ["1"]}, {"source": "x" * 300}):
        refused = await idle.post(TRIGGER, json={**event, **wrong})
        assert refusal(refused) == (422, "VALIDATION_ERROR"), wrong


@pytest.mark.parametrize("by", ["task", "correlation", "own correlation"])
@pytest.mark.parametrize("type_", ["integration.response_received", "integration.method.executed"])
async def test_an_answer_completes_the_task_that_waits(idle: Client, by: str, type_: str) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Subscribed Events: `integration.response_received` and its alias
    complete the WAITING task that the task id or correlation id names.
    """
    task_id = await wait_for_answer(idle, **({"correlationId": "c-9"} if by == "correlation" else {}))
    waiting = await event_of(idle, task_id, "task.instance.waiting")
    named = {"taskId": task_id} if by == "task" else {"correlationId": waiting["metadata"]["correlationId"]}
    event = envelope(type_, {**named, "output": 3})
    assert await send(idle, event) == [task_id]
    task = await task_of(idle, task_id)
    assert (task["status"], task["output"]) == ("COMPLETED", 3)
    assert await send(idle, event) == []
    again = await idle.post(TRIGGER, json=envelope(type_, {"taskId": task_id, "output": 4}))
    assert refusal(again) == (409, "ILLEGAL_TRANSITION")


async def test_an_answer_can_fail_the_task_or_have_it_tried_again(idle: Client) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Subscribed Events: `integration.response_received` with an error
    fails the WAITING task, and `integration.method.failed` does the same; what may be retried is.
    """
    final = {"code": "NO_STOCK", "message": "none left", "retryable": False}
    task_id = await wait_for_answer(idle)
    await send(idle, envelope("integration.response_received", {"taskId": task_id, "error": final}))
    task = await task_of(idle, task_id)
    assert (task["status"], task["error"]["code"]) == ("FAILED", "NO_STOCK")
    task_id = await wait_for_answer(idle)
    failed = {"errorCode": "BUSY", "errorMessage": "later", "retryable": True}
    await send(idle, envelope("integration.method.failed", failed, metadata={"taskId": task_id}))
    assert (await task_of(idle, task_id))["status"] == "RETRYING"
    task_id = await wait_for_answer(idle)
    await send(idle, envelope("integration.response_received", {"taskId": task_id, "output": "not a number"}))
    task = await task_of(idle, task_id)
    assert (task["status"], task["error"]["code"]) == ("FAILED", "OUTPUT_VALIDATION_ERROR")


@pytest.mark.parametrize("by", ["taskId", "correlationId"])
async def test_an_answer_that_comes_first_is_kept_until_the_task_waits(idle: Client, by: str) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Subscribed Events: `integration.response_received` completes the
    task also when it arrives before the task waits.
    """
    early = EarlyAnswers(idle.services.engine)
    task_id = await idle.create("sums", {"a": 1, "b": 2}, correlationId="c-2")
    event = envelope("integration.response_received", {by: task_id if by == "taskId" else "c-2", "output": 3})
    assert await send(idle, event) == []
    assert await send(idle, event) == []
    assert await early.turn() == 0
    (message,) = await dequeue(idle, AUTOMATED)
    body = {"status": "WAITING", "leaseToken": message["leaseToken"]}
    assert (await idle.put(f"/api/internal/tasks/{task_id}/status", json=body)).status_code == 200
    assert await early.turn() == 1
    assert (await task_of(idle, task_id))["status"] == "COMPLETED"
    assert await early.turn() == 0
    assert await send(idle, event) == []


async def test_answers_for_which_nobody_waits_keep_no_other_waiting(idle: Client) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Subscribed Events: one that came early, behind many others."""
    early = EarlyAnswers(idle.services.engine)
    for number in range(200):
        await send(idle, envelope("integration.response_received", {"correlationId": f"nobody-{number}", "output": 0}))
    task_id = await idle.create("sums", {"a": 1, "b": 2}, correlationId="c-3")
    await send(idle, envelope("integration.response_received", {"correlationId": "c-3", "output": 3}))
    (message,) = await dequeue(idle, AUTOMATED)
    body = {"status": "WAITING", "leaseToken": message["leaseToken"]}
    assert (await idle.put(f"/api/internal/tasks/{task_id}/status", json=body)).status_code == 200
    assert [await early.turn() for _ in range(3)] == [0, 1, 0]
    assert (await task_of(idle, task_id))["status"] == "COMPLETED"


async def test_an_answer_that_breaks_keeps_no_other_waiting(idle: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Subscribed Events: one that came early, behind a broken one."""
    early, read = EarlyAnswers(idle.services.engine), answers.read_answer
    task_id = await idle.create("sums", {"a": 1, "b": 2}, correlationId="c-4")
    for correlation_id in ("broken", "c-4"):
        await send(idle, envelope("integration.response_received", {"correlationId": correlation_id, "output": 3}))

    def breaks(event: Incoming) -> Any:
        answer = read(event)
        if answer.correlation_id == "broken":
            raise RuntimeError("it breaks")
        return answer

    monkeypatch.setattr(answers, "read_answer", breaks)
    (message,) = await dequeue(idle, AUTOMATED)
    body = {"status": "WAITING", "leaseToken": message["leaseToken"]}
    assert (await idle.put(f"/api/internal/tasks/{task_id}/status", json=body)).status_code == 200
    assert await early.turn() == 1


async def test_an_answer_is_looked_at_less_often_the_older_it_is(world: World, http: Client) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Subscribed Events: one that came early."""
    early = EarlyAnswers(world.yard.engine)
    task_id = await http.create("sums", {"a": 1, "b": 2}, correlationId="c-5")
    await send(http, envelope("integration.response_received", {"correlationId": "c-5", "output": 3}))
    await world.advance(100)
    assert await early.turn() == 0
    (message,) = await dequeue(http, AUTOMATED)
    body = {"status": "WAITING", "leaseToken": message["leaseToken"]}
    assert (await http.put(f"/api/internal/tasks/{task_id}/status", json=body)).status_code == 200
    await world.advance(4)
    assert await early.turn() == 0
    await world.advance(1)
    assert await early.turn() == 1


async def test_a_shutdown_needs_an_administrator_and_happens_once(idle: Client) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Subscribed Events: `system.shutdown_requested` from an
    administrator stops the process gracefully; anyone else is refused.
    """
    asked: list[str] = []
    async with client_of_with(idle, asked) as http:
        event = envelope("system.shutdown_requested", {})
        writer = bearer("tasks:write", "service")
        assert refusal(await http.post(TRIGGER, json=event, headers=writer)) == (403, "FORBIDDEN")
        assert asked == []
        assert await send(http, event) == []
        await send(http, event)
        assert len(asked) == 1


def client_of_with(idle: Client, asked: list[str]) -> Client:
    """A client of the same yard whose process notes that it is asked to stop."""
    from dataclasses import replace

    from taskyard.api.server import create_api

    services = replace(idle.services, request_stop=asked.append)
    return Client(create_api(services), services)


async def test_maintenance_lets_work_end_and_loses_nothing(tmp_path: Path) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Subscribed Events: `system.maintenance_mode` with `enabled: true`
    lets running work end, dequeues nothing, answers creates with 503 MAINTENANCE and holds events; `false` resumes.
    """
    yard = make_yard(tmp_path)
    begun, release = asyncio.Event(), asyncio.Event()

    @yard.task
    async def slow() -> str:
        begun.set()
        await release.wait()
        return "ended"

    async with yard.worker(concurrency=2), client_of(yard) as http:
        running = await http.create("slow")
        await begun.wait()
        on, off = (envelope("system.maintenance_mode", {"enabled": enabled}) for enabled in (True, False))
        refused = await http.post(TRIGGER, json=on, headers=bearer("tasks:write"))
        assert refusal(refused) == (403, "FORBIDDEN")
        await yard.engine.store.pause(3, True)
        await send(http, on)
        create = {"taskDefinitionId": "add", "input": {"a": 1, "b": 2}}
        refused = await http.post("/api/v1/tasks", json=create)
        assert refusal(refused) == (503, "MAINTENANCE")
        assert int(refused.headers["retry-after"]) > 0
        refused = await http.post(TRIGGER, json=envelope("workflow.task_requested", create))
        assert refusal(refused) == (503, "MAINTENANCE")
        release.set()
        assert (await http.until(running, "COMPLETED"))["output"] == "ended"
        assert all(queue["paused"] for queue in (await http.get("/api/v1/queues")).json()["items"])
        await send(http, off)
        await send(http, on)  # an old event that comes again
        paused = [queue["name"] for queue in (await http.get("/api/v1/queues")).json()["items"] if queue["paused"]]
        assert paused == ["task-execution-manual"]
        (task_id,) = await send(http, envelope("workflow.task_requested", create))
        assert (await http.until(task_id, "COMPLETED"))["output"] == 3


async def test_a_mapped_event_starts_a_task_and_its_end_is_told(world: World, http: Client) -> None:
    """sourceloop-task-service.md § Overview: an incoming event that is mapped to a definition creates a task, and the
    end of that task publishes an event, without any caller waiting in between.
    """
    mapping = {
        "eventKey": "order.*", "taskDefinitionId": "add", "filter": "payload.total > `10`",
        "input": "{a: payload.total, b: payload.items[0]}",
    }  # fmt: skip
    made = await http.post(MAPPING, json=mapping)
    assert made.status_code == 201, made.text
    assert (await http.post(MAPPING, json=mapping)).status_code == 200
    order = {"key": "order.paid", "source": "shop", "description": "paid", "payload": {"total": 11, "items": [2]}}
    (task_id,) = await send(http, order)
    assert await send(http, {**order, "payload": {"total": 10, "items": []}}) == []
    assert await send(http, {**order, "key": "refund.paid"}) == []
    await world.settle()
    completed = await event_of(http, task_id, "task.instance.completed")
    assert completed["data"]["outputSummary"] == {"value": 13}
    task = await task_of(http, task_id)
    assert task["causeType"] == "event"
    removed = await http.delete(f"{MAPPING}/{made.json()['mappingId']}")
    assert removed.status_code == 204
    assert await send(http, order) == []


async def test_events_that_cannot_be_mapped_are_told_to_who_sends_them(idle: Client) -> None:
    """sourceloop-task-service.md § Best Practices › Do:: an event with an input that does not fit is refused with the
    reason; what else is mapped to it starts all the same, once.
    """
    await idle.post(MAPPING, json={"eventKey": "e", "taskDefinitionId": "add"})
    await idle.post(MAPPING, json={"eventKey": "e", "taskDefinitionId": "echo", "input": "{value: id}"})
    event = {"key": "e", "payload": {"a": 1}, "id": "1"}
    for _ in range(2):
        assert refusal(await idle.post(TRIGGER, json=event)) == (422, "VALIDATION_ERROR")
    assert await depths(idle) == {AUTOMATED: 1}
    for bad in ({"filter": "((("}, {"input": "nope(@)"}, {"eventKey": ""}, {"taskDefinitionId": "none"}):
        answer = await idle.post(MAPPING, json={"eventKey": "e", "taskDefinitionId": "add", **bad})
        assert answer.status_code in (404, 422), answer.text


async def test_new_tasks_start_the_workflow_that_they_are_mapped_to(idle: Client) -> None:
    """sourceloop-task-service.md § Key Models: WorkflowTask: a task key mapped to a workflow starts it for each task,
    with the task's id.
    """
    from taskyard.engine.workflows import Workflows

    workflows = Workflows(idle.services.engine)
    await idle.create("add", {"a": 0, "b": 0})
    body = {"taskKey": "add", "workflowKey": "echo", "input": "{value: payload.taskId}"}
    assert (await idle.post("/api/v1/tasks/mapping", json=body)).status_code == 201
    cycle = await idle.post("/api/v1/tasks/mapping", json={"taskKey": "echo", "workflowKey": "add"})
    assert refusal(cycle) == (422, "VALIDATION_ERROR")
    task_id = await idle.create("add", {"a": 1, "b": 2})
    for _ in range(2):
        await workflows.turn()
    started = (await idle.get("/api/v1/tasks?definition=echo")).json()["items"]
    assert [(task["input"], task["causeType"], task["cause"]) for task in started] == [
        ({"value": task_id}, "task_Task", task_id)
    ]


async def test_answers_are_matched_by_a_running_yard(tmp_path: Path) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Subscribed Events: an answer that came before its task waits is
    given to it without anybody asking.
    """
    yard = make_yard(tmp_path)
    async with yard, yard.app.keeping(), client_of(yard) as http:
        from tests.promises.yard import define_more

        await define_more(yard)
        task_id = await http.create("sums", {"a": 1, "b": 2})
        await send(http, envelope("integration.response_received", {"taskId": task_id, "output": 3}))
        (message,) = await dequeue(http, AUTOMATED)
        body = {"status": "WAITING", "leaseToken": message["leaseToken"]}
        await http.put(f"/api/internal/tasks/{task_id}/status", json=body)
        assert (await http.until(task_id, "COMPLETED"))["output"] == 3
