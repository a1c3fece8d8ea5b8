"""task-execution-layer.md: what the layer is promised to do. Interfaces, data and operation."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from taskyard import Context, Taskyard
from taskyard.settings import load
from taskyard.testing import World, yard_for_test
from tests.api.yard import Client
from tests.promises.yard import (
    AUTOMATED,
    DEADLETTER,
    INTERNAL,
    SUM,
    client_of,
    count,
    define_more,
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

TASKS = "/api/v1/tasks"
END = {"completed", "failed", "canceled"}


async def attempts_of(http: Client, task_id: str) -> list[dict[str, Any]]:
    """A task's attempts, oldest first."""
    return list((await http.get(f"{TASKS}/{task_id}/attempts")).json()["items"])


async def test_queue_takes_requests_from_an_orchestrator(world: World, http: Client) -> None:
    """task-execution-layer.md § Interfaces › Input Interfaces: an orchestrator drives steps and keeps its own graph."""
    first = await http.create("add", SUM, workflowId="w1", stepId="one")
    await world.settle()
    total = (await task_of(http, first))["output"]
    second = await http.create("sums", {"a": total, "b": 1}, workflowId="w1", stepId="two")
    (message,) = await dequeue(http, AUTOMATED)
    await settle(http, message, "complete", output=sum(message["input"].values()))
    tasks = (await http.get(f"{INTERNAL}/workflow/w1?status=COMPLETED")).json()["items"]
    assert [(task["taskId"], task["stepId"], task["output"]) for task in tasks] == [
        (second, "two", 4),
        (first, "one", 3),
    ]


async def test_tasks_are_managed_over_rest(world: World, http: Client) -> None:
    """task-execution-layer.md § Interfaces › Input Interfaces: tasks can be looked at and managed over REST."""
    failed = await http.create("refused", {"code": "NO"}, tags=["red"])
    done = await http.create("echo", {"value": [{"a": 1}]})
    waiting = await http.create("sums", SUM)
    await world.settle()
    for query in ("status=FAILED", "definition=refused", "tag=red"):
        listed = (await http.get(f"{TASKS}?{query}")).json()["items"]
        assert [task["taskId"] for task in listed] == [failed], query
    assert (await http.get(f"{TASKS}/{failed}")).json()["error"]["code"] == "NO"
    assert len(await attempts_of(http, failed)) == 1
    assert await types_of(http, failed) == ["created", "started", "failed", "deadlettered"]
    assert (await http.get(f"{TASKS}/{failed}/logs")).json()["items"] == []
    assert (await http.get(f"{TASKS}/{done}/output?format=csv")).text.split() == ["a", "1"]
    assert (await http.get(f"{TASKS}/{waiting}/why")).json()["reason"]
    assert (await http.post(f"{TASKS}/{waiting}/cancel")).json()["status"] == "CANCELED"
    assert (await http.post(f"{TASKS}/{failed}/retry")).json()["status"] == "PENDING"


async def test_each_end_is_reported_once_in_order(world: World, http: Client) -> None:
    """task-execution-layer.md § Interfaces › Output Interfaces: an orchestrator learns of each end once, in order."""
    made = [await http.create("refused" if n % 4 == 0 else "echo", {"code": "NO"} if n % 4 == 0 else {"value": n},
                              workflowId="w1", correlationId="order-7") for n in range(20)]  # fmt: skip
    await world.settle()
    feed = (await http.get("/api/v1/events?limit=200")).json()["items"]
    ends = [event for event in feed if event["type"].rpartition(".")[2] in END]
    assert sorted(event["data"]["taskId"] for event in ends) == sorted(made)
    assert {event["metadata"]["correlationId"] for event in ends} == {"order-7"}
    assert [event["timestamp"] for event in ends] == sorted(event["timestamp"] for event in ends)
    for event in ends:
        told = event["data"].get("errorCode") or event["data"]["outputSummary"]["value"]
        number = made.index(event["data"]["taskId"])
        assert told == ("NO" if number % 4 == 0 else number)


async def test_events_commit_with_their_moves(tmp_path: Path) -> None:
    """task-execution-layer.md § Interfaces › Output Interfaces: no move without its event, and the other way round."""
    file = tmp_path / "tasks.db"
    yard = Taskyard(f"sqlite:///{file}", settings=load({}).with_values(TASKYARD_DATA_DIR=str(tmp_path)))

    @yard.task
    async def job() -> None: ...

    async with yard, client_of(yard) as http:
        await define_more(yard)
        task_id = await http.create("sums", SUM)
        await dequeue(http, AUTOMATED)
        before = await yard.engine.store.feed_end()
        refused = await http.put(f"{INTERNAL}/{task_id}/status", json={"status": "COMPLETED", "output": 3})
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            await job.options(transaction=connection).start()
            connection.rollback()
        assert (refused.status_code, await count(http), await yard.engine.store.feed_end()) == (409, 1, before)
        assert await types_of(http, task_id) == ["created", "started"]
        await http.post(f"{INTERNAL}/{task_id}/cancel")
        feed = (await http.get("/api/v1/events")).json()["items"]
        told = [(event["id"], event["type"]) for event in await events_of(http, task_id)]
        assert [(event["id"], event["type"]) for event in feed] == told
        assert feed[-1]["type"] == "task.instance.canceled"


async def test_execution_history_is_kept(world: World, http: Client) -> None:
    """task-execution-layer.md § Interfaces › Output Interfaces: each attempt can be read afterwards."""
    task_id = await http.create("flaky", {"failures": 2})
    await world.run_until_idle()
    attempts = await attempts_of(http, task_id)
    assert [(each["error"] or {}).get("message", "")[-1:] for each in attempts] == ["1", "2", ""]
    (worker,) = (await http.get("/api/v1/workers")).json()["items"]
    assert {each["executorId"] for each in attempts} == {worker["workerId"]}
    starts = [each["startTime"] for each in attempts]
    assert starts == sorted(starts)
    assert all(each["endTime"] for each in attempts)


async def test_definition_versions_are_immutable(idle: Client) -> None:
    """task-execution-layer.md § Data Model: a version is its content, and a task keeps the one it was made with."""
    path = "/api/v1/definitions/thing"
    definition: dict[str, Any] = {"implementation": {"kind": "external", "topic": "things"}}
    first = await idle.put(path, json=definition)
    again = await idle.put(path, json=definition)
    task_id = await idle.create("thing", {"a": 1})
    other = await idle.put(path, json={**definition, "inputSchema": {"type": "object", "required": ["b"]}})
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 200)
    assert len((await idle.get(f"{path}/versions")).json()["items"]) == 2
    version = (await task_of(idle, task_id))["definitionVersion"]
    later = (await task_of(idle, await idle.create("thing", {"b": 1})))["definitionVersion"]
    assert version != later
    (message, _) = await dequeue(idle, AUTOMATED)
    assert (await settle(idle, message, "complete", output=1)).json()["definitionVersion"] == version
    assert (await idle.delete(path)).status_code in (200, 204)
    retired = await idle.post(INTERNAL, json={"taskDefinitionId": "thing", "input": {"b": 1}})
    assert retired.status_code in (404, 409)


async def test_task_refers_to_its_workflow_without_copying_it(world: World, http: Client) -> None:
    """task-execution-layer.md § Data Model: a task names its workflow and holds only the context it was given."""
    context = {"workflowDefinitionId": "orders", "variables": {"total": 1}}
    reference = {"workflowId": "w1", "stepId": "one", "workflowContext": context}
    task_id = await http.create("add", SUM, **reference)
    changed = {**context, "variables": {"total": 2}}
    await http.create("add", SUM, workflowId="w1", stepId="two", workflowContext=changed)
    await world.settle()
    task = await task_of(http, task_id)
    assert {name: task[name] for name in task if name.startswith(("workflow", "step"))} == reference


async def test_worker_pool_runs_in_parallel(tmp_path: Path) -> None:
    """task-execution-layer.md § Operational Considerations › Scalability: as many at once as are set, and no more."""
    yard = make_yard(tmp_path, TASK_MAX_CONCURRENT=4)
    together = asyncio.Barrier(4)
    present, peak = 0, 0

    @yard.task
    async def meet() -> None:
        nonlocal present, peak
        present += 1
        peak = max(peak, present)
        await together.wait()
        present -= 1

    async with yard.worker():
        runs = [await meet.start() for _ in range(12)]
        async with asyncio.timeout(60):
            for run in runs:
                await run.result()
    assert peak == 4


async def test_full_queue_pushes_back(tmp_path: Path) -> None:
    """task-execution-layer.md § Operational Considerations › Scalability: a full queue refuses until it has drained."""
    body = {"taskDefinitionId": "sums", "input": SUM}
    async with make_yard(tmp_path, TASKYARD_MAX_DEPTH=10) as yard, client_of(yard) as http:
        await define_more(yard)
        for _ in range(8):
            await http.create("sums", SUM)
        bulk = await http.post(f"{INTERNAL}/bulk", json={"tasks": [body] * 3})
        assert (refusal(bulk), await count(http)) == ((503, "OVERLOADED"), 8)
        for _ in range(2):
            await http.create("sums", SUM)
        full = await http.post(INTERNAL, json=body)
        assert refusal(full) == (503, "OVERLOADED")
        assert int(full.headers["retry-after"]) > 0
        await dequeue(http, AUTOMATED)
        assert (await http.post(INTERNAL, json=body)).status_code == 201


async def test_workflow_importance_is_the_default_priority(idle: Client) -> None:
    """task-execution-layer.md § Operational Considerations › Scalability: the workflow's importance counts."""
    usual = await idle.create("sums", SUM)
    context = {"importance": "CRITICAL"}
    important = await idle.create("sums", SUM, workflowContext=context)
    own = await idle.create("sums", SUM, workflowContext=context, priority="LOW")
    assert (await task_of(idle, important))["priority"] == "CRITICAL"
    served = [(await dequeue(idle, AUTOMATED, maxMessages=1))[0]["taskId"] for _ in range(3)]
    assert served == [important, usual, own]


async def test_metrics_show_execution_times(world: World, http: Client) -> None:
    """task-execution-layer.md § Operational Considerations › Monitoring: how long tasks take, by type and kind."""
    for seconds in range(1, 11):
        await http.create("sums", SUM)
        (message,) = await dequeue(http, AUTOMATED)
        world.clock.move(seconds)
        await settle(http, message, "complete", output=3)
    figures = (await http.get(f"{INTERNAL}/metrics")).json()
    expected = {"p50": 5000, "p95": 10_000, "p99": 10_000}
    assert figures["taskTypes"]["AUTOMATED"]["executionTime"] == expected
    assert figures["implementationKinds"]["external"]["executionTime"] == expected


async def test_metrics_show_error_rates(world: World, http: Client) -> None:
    """task-execution-layer.md § Operational Considerations › Monitoring: how often tasks fail, by type."""
    for number in range(10):
        await http.create("refused" if number < 3 else "add", {"code": "NO"} if number < 3 else SUM)
    await http.create("fetch", {})
    (message,) = await dequeue(http, "task-execution-integration")
    await settle(http, message, "complete", output=1)
    await world.settle()
    types = (await http.get(f"{INTERNAL}/metrics")).json()["taskTypes"]
    assert (types["AUTOMATED"]["errorRate"], types["INTEGRATION"]["errorRate"]) == (0.3, 0)


async def test_metrics_show_queue_depths(world: World, http: Client) -> None:
    """task-execution-layer.md § Operational Considerations › Monitoring: what waits, how long, and what runs."""
    for _ in range(4):
        await http.create("sums", SUM)
    await dequeue(http, AUTOMATED, maxMessages=1)
    await world.advance(5)
    shown = (await http.get(f"{INTERNAL}/metrics")).json()["queues"]
    listed = {queue["name"]: queue for queue in (await http.get("/api/v1/queues")).json()["items"]}
    for queues in (shown, listed):
        assert len(queues) == 5
        queue = queues[AUTOMATED]
        assert (queue["depth"], queue["inFlight"], queue["oldestAge"]) == (3, 1, 5)


async def test_metrics_show_worker_resources(tmp_path: Path) -> None:
    """task-execution-layer.md § Operational Considerations › Monitoring: what each worker uses while it works."""
    yard = make_yard(tmp_path)
    async with yard.worker(), client_of(yard) as http:
        await http.create("patient")

        async def busy() -> dict[str, Any]:
            (worker,) = (await http.get("/api/v1/workers")).json()["items"]
            return dict(worker) if worker["running"] and worker["memoryMb"] else {}

        worker: dict[str, Any] = await eventually(busy)
        assert worker["memoryMb"] > 0
        assert worker["cpu"] >= 0
        assert (await http.get(f"{INTERNAL}/metrics")).json()["workers"][0]["memoryMb"] > 0


async def test_failed_tasks_are_retried_by_policy(world: World, http: Client) -> None:
    """task-execution-layer.md § Operational Considerations › Resilience: the policy says when and how often."""
    policy = {"maxRetries": 4, "initialDelay": 10, "multiplier": 3, "maxDelay": 50, "jitter": 0}
    task_id = await http.create("flaky", {"failures": 9}, executionConfig={"retryPolicy": policy})
    unsteady = await http.create("flaky", {"failures": 1}, executionConfig={"retryPolicy": {**policy, "jitter": 0.5}})
    never = {**policy, "nonRetryable": ["EXECUTION_ERROR"]}
    at_once = await http.create("flaky", {"failures": 1}, executionConfig={"retryPolicy": never})
    await world.run_until_idle()
    told = [event["data"] for event in await events_of(http, task_id)]
    retries = [data["retryDelay"] for data in told if "retryDelay" in data]
    assert retries == [10, 30, 50, 50]
    assert (await task_of(http, task_id))["status"] == "FAILED"
    assert 5 <= (await event_of(http, unsteady, "task.instance.retry"))["data"]["retryDelay"] <= 15
    assert len(await attempts_of(http, at_once)) == 1


async def test_dead_letters_can_be_requeued_or_discarded(world: World, http: Client) -> None:
    """task-execution-layer.md § Operational Considerations › Resilience: a dead letter lives again, or is given up."""
    mended, given_up = [await http.create("flaky", {"failures": 9}) for _ in range(2)]
    await world.run_until_idle()
    answer = await http.post("/api/internal/deadletters/requeue", json={"taskIds": [mended], "input": {"failures": 0}})
    assert answer.json()["taskIds"] == [mended]
    await world.settle()
    task = await task_of(http, mended)
    assert (task["status"], task["retryCount"]) == ("COMPLETED", 0)
    assert len(await attempts_of(http, mended)) == 4
    assert (await event_of(http, mended, "task.instance.requeued"))["data"]["by"] == "admin"
    discarded = await http.post("/api/internal/deadletters/discard", json={"taskIds": [given_up], "reason": "too old"})
    assert discarded.json()["taskIds"] == [given_up]
    assert (await http.get(f"/api/internal/queues/{DEADLETTER}/messages")).json()["items"] == []
    assert "too old" in str(await events_of(http, given_up))


async def test_fallback_completes_a_spent_task(tmp_path: Path) -> None:
    """task-execution-layer.md § Operational Considerations › Resilience: a fallback stands in, and the task says so."""
    yard = make_yard(tmp_path)

    def instead(number: int) -> int:
        return -number

    async def fails(number: int) -> int:
        raise ValueError(number)

    yard.register("by-value", fails, retry=1, fallback=7)
    yard.register("by-function", fails, retry=0, fallback=instead)
    async with yard_for_test(yard) as world, client_of(world.yard) as http:
        for key, output in {"by-value": 7, "by-function": -5}.items():
            task_id = await http.create(key, {"number": 5})
            await world.run_until_idle()
            task = await task_of(http, task_id)
            assert (task["status"], task["fallback"], task["output"]) == ("COMPLETED", True, output)
        assert (await http.get(f"/api/internal/queues/{DEADLETTER}/messages")).json()["items"] == []


async def test_bad_handlers_leave_the_worker_alive(tmp_path: Path) -> None:
    """task-execution-layer.md § Operational Considerations › Resilience: a bad handler harms its own task only."""
    yard = make_yard(tmp_path)

    @yard.task(retry=0)
    async def flood(ctx: Context) -> None:
        for number in range(20_000):
            ctx.log.info("%d", number)

    @yard.task(retry=0, timeout=0.2)
    async def hang() -> None:
        await asyncio.Event().wait()

    @yard.task(retry=0)
    async def odd() -> Any:
        return object()

    @yard.task(retry=0)
    async def leave() -> None:
        raise SystemExit(3)

    async with yard.worker(concurrency=1), client_of(yard) as http:
        for key, code in {
            "flood": None,
            "hang": "TIMEOUT",
            "odd": "OUTPUT_VALIDATION_ERROR",
            "leave": "EXECUTION_ERROR",
        }.items():
            task = await http.until(await http.create(key, {}), "COMPLETED", "FAILED")
            assert (task["error"] or {}).get("code") == code, key
            assert (await http.until(await http.create("add", SUM), "COMPLETED"))["output"] == 3


async def test_poison_ends_as_a_dead_letter(world: World, http: Client) -> None:
    """task-execution-layer.md § Operational Considerations › Resilience: five lost workers are enough for a task."""
    beside = [await http.create("sums", SUM) for _ in range(2)]
    poison = await http.create("sums", SUM, priority="HIGH")
    losses = 0
    while messages := await dequeue(http, AUTOMATED, visibilityTimeout=30):
        if poison in [message["taskId"] for message in messages]:
            losses += 1
            await world.advance(31)  # the worker has died, and nothing it held was settled
        else:
            for message in messages:
                await settle(http, message, "complete", output=3)
    task = await task_of(http, poison)
    assert (losses, task["status"], task["error"]["code"]) == (5, "FAILED", "WORKER_LOST")
    dead = (await http.get(f"/api/internal/queues/{DEADLETTER}/messages")).json()["items"]
    assert [each["taskId"] for each in dead] == [poison]
    assert [(await task_of(http, each))["status"] for each in beside] == ["COMPLETED"] * 2
