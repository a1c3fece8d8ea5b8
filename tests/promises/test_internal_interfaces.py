"""internal-interfaces.md: what services are promised. Events and internal endpoints."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from taskyard import Taskyard
from taskyard.api.access import ACCESS
from taskyard.security.encoding import encode, mac
from taskyard.security.tokens import mint
from taskyard.testing import World
from tests.api.yard import ADMIN_TOKEN, BASE, SECRET, Client, bearer
from tests.promises.yard import (
    AUTOMATED,
    INTERNAL,
    SUM,
    client_of,
    count,
    dequeue,
    event_of,
    events_of,
    make_yard,
    refusal,
    settle,
    task_of,
    types_of,
)  # fmt: skip

INTERNAL_ROUTES = [name for name in ACCESS if " /api/internal/" in name]
PUBLISHED = ("created", "started", "completed", "failed", "canceled")
EVERY_SCOPE = {scope for access in ACCESS.values() for scope in access.any_of} - {"admin"}


@pytest.mark.parametrize("route", INTERNAL_ROUTES)
async def test_internal_routes_are_for_services_only(idle: Client, route: str) -> None:
    """internal-interfaces.md § Overview: internal routes turn away whoever lacks the scope `service`."""
    method, path = route.replace("{taskId}", "1").replace("{queue}", AUTOMATED).split(" ")
    body: Any = None if method == "GET" else {}
    bare = httpx.AsyncClient(transport=httpx.ASGITransport(idle.app), base_url=BASE)
    async with bare as browser:
        assert (await browser.request(method, path, json=body)).status_code == 401
        await browser.post("/login", data={"token": ADMIN_TOKEN}, headers={"Origin": BASE})
        assert browser.cookies
        by_cookie = await browser.request(method, path, json=body, headers={"Origin": BASE})
        assert by_cookie.status_code in (401, 403)
    without = await idle.request(method, path, json=body, headers=bearer(*EVERY_SCOPE))
    assert refusal(without) == (403, "FORBIDDEN")
    allowed = await idle.request(method, path, json=body, headers=bearer("service", *ACCESS[route].any_of))
    assert allowed.status_code not in (401, 403)


async def test_one_task_is_seen_by_event_call_and_endpoint(world: World, http: Client) -> None:
    """internal-interfaces.md § Interface Types: events, calls and endpoints all serve the same task."""
    heard: list[str] = []

    @world.yard.on("taskCreated")
    async def listen(event: Any) -> None:
        heard.append(event.data["taskId"])

    task_id = await http.create("add", SUM)
    await world.settle()
    assert task_id in heard
    assert (await world.yard.get(task_id)).task.task_id == task_id
    assert (await task_of(http, task_id))["taskId"] == task_id


async def test_creation_emits_task_created(tmp_path: Path) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Published Events: a task and its `task.created` come together."""
    file = tmp_path / "tasks.db"
    yard = make_yard(tmp_path)
    yard = Taskyard(f"sqlite:///{file}", settings=yard.settings)

    @yard.task
    async def job() -> None: ...

    async with yard, client_of(yard) as http:
        task_id = await http.create("job", {})
        assert await types_of(http, task_id) == ["created"]
        end = await yard.engine.store.feed_end()
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            await job.options(transaction=connection).start()
            connection.rollback()
        assert (await count(http), await yard.engine.store.feed_end()) == (1, end)


async def test_start_emits_task_started(world: World) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Published Events: every start of an attempt is told."""
    async with client_of(world.yard) as http:
        run = await world.yard.start("flaky", {"failures": 1})
        await world.result(run)
        assert await types_of(http, run.id) == ["created", "started", "retry", "started", "completed"]


async def test_success_emits_task_completed(world: World, http: Client) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Published Events: success is told once, at the end."""
    task_id = await http.create("add", SUM)
    await world.settle()
    types = await types_of(http, task_id)
    assert (types.count("completed"), types[-1]) == (1, "completed")


async def test_final_failure_emits_task_failed_once(world: World, http: Client) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Published Events: only the failure that is final is told."""
    task_id = await http.create("flaky", {"failures": 9})
    await world.run_until_idle()
    types = await types_of(http, task_id)
    assert (types.count("retry"), types.count("failed"), types.count("started")) == (2, 1, 3)


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "RETRYING", "ASSIGNED"])
async def test_cancellation_emits_task_canceled(world: World, http: Client, state: str) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Published Events: a cancel tells why and by whom."""
    bodies: dict[str, tuple[str, dict[str, Any]]] = {
        "PENDING": ("add", {"input_": SUM, "delay": 60}),
        "RUNNING": ("sums", {"input_": SUM}),
        "RETRYING": ("flaky", {"input_": {"failures": 9}}),
        "ASSIGNED": ("approve", {}),
    }
    key, options = bodies[state]
    task_id = await http.create(key, **options)
    if state == "RUNNING":
        await dequeue(http, AUTOMATED)
    else:
        await world.settle()
    assert (await task_of(http, task_id))["status"] == state
    by_ada = bearer("service", "tasks:write")
    answer = await http.post(f"{INTERNAL}/{task_id}/cancel", json={"reason": "not needed"}, headers=by_ada)
    assert answer.json()["status"] == "CANCELED"
    data = (await event_of(http, task_id, "task.instance.canceled"))["data"]
    assert (data["reason"], data["canceledBy"]) == ("not needed", "ada")


async def test_internal_create(idle: Client) -> None:
    """internal-interfaces.md § Internal Endpoints: `POST /api/internal/tasks` makes a task, or says what is wrong."""
    body = {"taskDefinitionId": "add", "input": SUM}
    created = await idle.post(INTERNAL, json=body)
    assert (created.status_code, created.json()["status"]) == (201, "PENDING")
    assert refusal(await idle.post(INTERNAL, json={**body, "taskDefinitionId": "no"})) == (404, "NOT_FOUND")
    wrong = await idle.post(INTERNAL, json={**body, "input": {"a": "1"}})
    assert refusal(wrong) == (422, "VALIDATION_ERROR")
    assert {each["path"] for each in wrong.json()["error"]["details"]} == {"/input/a", "/input/b"}
    unknown = await idle.post(INTERNAL, json={**body, "colour": "red"})
    assert (refusal(unknown)[0], unknown.json()["error"]["details"][0]["path"]) == (422, "/colour")
    assert await count(idle) == 1


async def test_internal_get(idle: Client) -> None:
    """internal-interfaces.md § Internal Endpoints: `GET /api/internal/tasks/{taskId}` answers the whole task."""
    created = (await idle.post(INTERNAL, json={"taskDefinitionId": "add", "input": SUM})).json()
    assert await task_of(idle, created["taskId"]) == created
    assert {
        "taskId", "taskDefinitionId", "definitionVersion", "title", "taskType", "status", "priority", "severity",
        "service", "workflowId", "stepId", "workflowContext", "correlationId", "causeType", "cause", "parentTaskId",
        "client", "hash", "input", "output", "error", "warnings", "progress", "attempt", "retryCount", "maxRetries",
        "nextRetryTime", "createdAt", "availableAt", "startTime", "endTime", "executionTime", "executorId",
        "assigneeType", "assigneeId", "assigneeName", "claimedBy", "dueDate", "deadLetteredAt", "fallback", "tags",
        "metadata", "version",
    } <= set(created)  # fmt: skip
    assert refusal(await idle.get(f"{INTERNAL}/1")) == (404, "NOT_FOUND")


ASKED = ("PENDING", "RUNNING", "RETRYING", "ASSIGNED", "WAITING", "COMPLETED", "FAILED", "CANCELED")
MAY = {
    "PENDING": {"CANCELED"},
    "RUNNING": {"CANCELED"},
    "LEASED": {"RUNNING", "WAITING", "COMPLETED", "FAILED", "CANCELED"},
    "RETRYING": {"CANCELED"},
    "ASSIGNED": {"COMPLETED", "FAILED", "CANCELED"},
    "WAITING": {"COMPLETED", "FAILED", "CANCELED"},
    "COMPLETED": set[str](),
    "FAILED": set[str](),
    "CANCELED": set[str](),
}


async def bring_to(http: Client, world: World, state: str) -> tuple[str, str | None]:
    """A task in this state, and its lease where it has one."""
    if state == "ASSIGNED":
        task_id = await http.create("approve")
        await world.settle()
        return task_id, None
    task_id = await http.create("sums", SUM)
    if state in ("PENDING", "CANCELED"):
        if state == "CANCELED":
            await http.post(f"{INTERNAL}/{task_id}/cancel")
        return task_id, None
    (message,) = await dequeue(http, AUTOMATED)
    if state in ("RETRYING", "FAILED"):
        error = {"code": "X", "message": "x", "retryable": state == "RETRYING"}
        await settle(http, message, "fail", error=error)
    elif state == "COMPLETED":
        await settle(http, message, "complete", output=3)
    elif state == "WAITING":
        waiting = {"status": "WAITING", "leaseToken": message["leaseToken"]}
        await http.put(f"{INTERNAL}/{task_id}/status", json=waiting)
    return task_id, message["leaseToken"] if state == "LEASED" else None


@pytest.mark.parametrize("state", MAY)
async def test_internal_put_status_follows_the_move_table(world: World, http: Client, state: str) -> None:
    """internal-interfaces.md § Internal Endpoints: a caller's status update makes only the moves open to callers."""
    for wanted in ASKED:
        task_id, lease = await bring_to(http, world, state)
        before = await task_of(http, task_id)
        assert before["status"] == {"LEASED": "RUNNING"}.get(state, state)
        error = {"error": {"code": "X", "message": "x", "retryable": False}} if wanted == "FAILED" else {}
        output = {"output": 3} if wanted == "COMPLETED" else {}
        body = {"status": wanted, **error, **output, **({"leaseToken": lease} if lease else {})}
        answer = await http.put(f"{INTERNAL}/{task_id}/status", json=body)
        if wanted in MAY[state]:
            assert (answer.status_code, answer.json()["status"]) == (200, wanted), (wanted, answer.text)
        else:
            assert answer.status_code == 409, (wanted, answer.text)
            assert await task_of(http, task_id) == before
        if wanted not in MAY[state] or wanted in ("RUNNING", "WAITING"):
            await http.post(f"{INTERNAL}/{task_id}/cancel")


async def test_internal_cancel_stops_a_running_task(world: World, http: Client) -> None:
    """internal-interfaces.md § Internal Endpoints: a cancel is at once, and what comes late is stale."""
    running = await http.create("patient")
    await http.until(running, "RUNNING")
    canceled = await http.post(f"{INTERNAL}/{running}/cancel")
    assert canceled.json()["status"] == "CANCELED"
    await world.settle()  # would not come to rest while the handler waits on
    held = await http.create("sums", SUM)
    (message,) = await dequeue(http, AUTOMATED)
    await http.post(f"{INTERNAL}/{held}/cancel")
    assert refusal(await settle(http, message, "complete", output=3)) == (409, "STALE_LEASE")
    assert refusal(await http.post(f"{INTERNAL}/{held}/cancel")) == (409, "ILLEGAL_TRANSITION")


async def test_internal_list_by_workflow(idle: Client) -> None:
    """internal-interfaces.md § Internal Endpoints: a workflow's tasks are listed newest first, in pages, by status."""
    made = [await idle.create("add", SUM, workflowId=f"w{n % 2}") for n in range(25)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await idle.get(f"{INTERNAL}/workflow/w0?limit=10{cursor}")).json()
        seen += [task["taskId"] for task in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert seen == made[::2][::-1]
    await idle.post(f"{INTERNAL}/{made[1]}/cancel")
    canceled = (await idle.get(f"{INTERNAL}/workflow/w1?status=CANCELED")).json()["items"]
    assert [task["taskId"] for task in canceled] == [made[1]]


async def test_internal_list_by_user(world: World, http: Client) -> None:
    """internal-interfaces.md § Internal Endpoints: a user's tasks are listed, by status too, and nobody else's."""
    hers = [await http.create("approve") for _ in range(3)]
    his = await http.create("approve", assignee={"type": "USER", "id": "bob"})
    await world.settle()
    await http.put(f"{INTERNAL}/{hers[0]}/status", json={"status": "COMPLETED", "output": True})

    async def listed(query: str) -> list[str]:
        return [task["taskId"] for task in (await http.get(f"{INTERNAL}/user/{query}")).json()["items"]]

    assert set(await listed("ada?status=ASSIGNED")) == set(hers[1:])
    assert await listed("bob") == [his]
    assert await listed("eve") == []


async def test_internal_metrics(world: World, http: Client) -> None:
    """internal-interfaces.md § Internal Endpoints: metrics of queues, and of tasks by definition, type and kind."""
    for _ in range(5):
        await http.create("add", SUM)
        await http.create("refused", {"code": "NO"})
    await world.settle()
    for _ in range(3):
        await http.create("sums", SUM)
    await world.advance(7)
    figures = (await http.get(f"{INTERNAL}/metrics")).json()
    queue = figures["queues"][AUTOMATED]
    assert (queue["depth"], queue["inFlight"], queue["oldestAge"]) == (3, 0, 7)
    assert {"addRate", "dispatchRate"} <= set(queue)
    assert figures["definitions"]["add"]["counts"] == {"COMPLETED": 5}
    assert figures["definitions"]["refused"]["errorRate"] == 1
    assert figures["taskTypes"]["AUTOMATED"]["errorRate"] == 0.5
    assert set(figures["implementationKinds"]["function"]["executionTime"]) == {"p50", "p95", "p99"}


def forge(algorithm: str, claims: dict[str, Any], key: bytes = SECRET.encode()) -> str:
    """A token of any claims; unsigned where the algorithm is `none`."""
    head = ".".join(encode(json.dumps(part).encode()) for part in ({"alg": algorithm, "typ": "JWT"}, claims))
    return f"{head}.{'' if algorithm == 'none' else encode(mac(key, head.encode(), 32))}"


def defects() -> dict[str, tuple[str, int]]:
    """Tokens that are not good enough, and the status each gets."""
    scopes, now, key = ["service", "tasks:read", "tasks:write"], time.time(), SECRET.encode()
    good = mint(key, "orchestrator", scopes, [], 60, now)
    claims = {"sub": "orchestrator", "scope": " ".join(scopes)}
    return {
        "expired": (mint(key, "orchestrator", scopes, [], 60, now - 90), 401),
        "another key": (mint(b"another secret of thirty-two bytes", "orchestrator", scopes, [], 60, now), 401),
        "a broken signature": (good[:-4] + "AAAA", 401),
        "no algorithm": (forge("none", {**claims, "exp": now + 60}), 401),
        "no expiry": (forge("HS256", claims), 401),
        "no service scope": (mint(key, "orchestrator", scopes[1:], [], 60, now), 403),
    }


@pytest.mark.parametrize("route", [name for name in INTERNAL_ROUTES if " /api/internal/tasks" in name])
async def test_internal_endpoints_check_the_service_token(idle: Client, route: str) -> None:
    """internal-interfaces.md § Internal Endpoints: only a sound token that was made for services opens them."""
    method, path = route.replace("{taskId}", "1").split(" ")
    for name, (given, status) in defects().items():
        answer = await idle.request(method, path, headers={"Authorization": f"Bearer {given}"})
        assert answer.status_code == status, name
    good = await idle.request(method, path, headers=bearer("service", *ACCESS[route].any_of))
    assert good.status_code not in (401, 403)


async def test_published_event_schemas_fit_the_events(world: World, http: Client) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Published Events: each has a schema of its name that it fits."""
    components = (await http.get("/openapi.json")).json()["components"]
    await http.create("add", SUM)
    await http.create("refused", {"code": "NO"})
    delayed = await http.create("add", SUM, delay=60)
    await http.post(f"{INTERNAL}/{delayed}/cancel")
    await world.settle()
    events = (await http.get("/api/v1/events?limit=200")).json()["items"]
    told = {event["type"].rpartition(".")[2] for event in events}
    assert set(PUBLISHED) <= told
    for event in events:
        name = event["type"].rpartition(".")[2]
        if name in PUBLISHED:
            schema = {"$ref": f"#/components/schemas/Task{name.title()}Event", "components": components}
            jsonschema_rs.validate(schema, event)


async def test_event_feed_is_complete_and_resumable(world: World, http: Client) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Published Events: the feed can be read on from any position."""
    made = [await http.create("flaky", {"failures": n % 2}) for n in range(20)]
    await world.run_until_idle()
    seen: list[dict[str, Any]] = []
    position = "0"
    while page := (await http.get(f"/api/v1/events?after={position}&limit=7")).json():
        if not page["items"]:
            break
        seen += page["items"]
        position = page["position"]
    trails = [event for task_id in made for event in await events_of(http, task_id)]
    assert len(seen) == len({event["id"] for event in seen}) == len(trails)
    assert {event["id"] for event in seen} == {event["id"] for event in trails}
    for task_id in made:
        numbers = [event["sequence"] for event in seen if event["data"]["taskId"] == task_id]
        assert numbers == sorted(set(numbers))


async def test_internal_reassign(world: World, http: Client) -> None:
    """internal-interfaces.md § Internal Endpoints: a manual task moves to others, and who gave it why is kept."""
    task_id = await http.create("approve")
    await world.settle()
    to = {"assigneeType": "GROUP", "assigneeId": "finance", "reason": "on holiday"}
    moved = (await http.post(f"{INTERNAL}/{task_id}/reassign", json=to)).json()
    assert (moved["assigneeType"], moved["assigneeId"], moved["status"]) == ("GROUP", "finance", "ASSIGNED")
    told = [event["data"] for event in await events_of(http, task_id) if event["type"] == "task.manual.assigned"]
    assert [data["assigneeId"] for data in told] == ["ada", "finance"]
    assert (told[-1]["assigneeType"], told[-1]["reason"]) == ("GROUP", "on holiday")
    assert told[-1]["from"] == {"assigneeType": "USER", "assigneeId": "ada", "claimedBy": None}
    automated = await http.create("sums", SUM)
    assert refusal(await http.post(f"{INTERNAL}/{automated}/reassign", json=to))[0] == 409
