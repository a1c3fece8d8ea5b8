"""Failures by their cause, how it went over time, verbs on many tasks, and the settings; on both stores."""

from __future__ import annotations

from typing import Any

import pytest

from taskyard import Taskyard
from taskyard.api.server import create_api
from taskyard.engine.events import latest_position
from taskyard.settings.masking import shown
from tests.api.yard import Client, bearer, make_services

STORES = ["sqlite", "postgres"]


async def failures(working: Client, count: int) -> list[str]:
    """So many dead letters of one cause."""
    ids = [await working.create("broken") for _ in range(count)]
    for id_ in ids:
        await working.until(id_, "FAILED")
    return ids


async def test_failures_are_grouped_by_cause(working: Client) -> None:
    ids = await failures(working, 3)
    done = await working.create("add", {"a": 1, "b": 2})
    await working.until(done, "COMPLETED")
    (group,) = (await working.get("/api/v1/errors")).json()["items"]
    assert (group["definition"], group["count"], group["dead"]) == ("broken", 3, 3)
    assert (group["code"], group["message"]) == ("EXECUTION_ERROR", "ValueError: it is broken")
    assert group["taskIds"] == ids[::-1]
    assert (len(group["overTime"]), sum(group["overTime"])) == (24, 3)
    assert group["firstAt"] <= group["lastAt"]
    answer = (await working.get("/api/v1/errors?dead=true&definition=add")).json()
    assert answer == {"items": [], "searched": 3, "complete": True}


async def test_no_more_of_failures_is_kept_than_is_asked_for(client: Client) -> None:
    body = {"implementation": {"kind": "external", "topic": "long"}, "retryPolicy": {"maxRetries": 0}}
    assert (await client.put("/api/v1/definitions/long", json=body)).status_code == 201
    await client.create("long")
    asked = {"workerId": "w", "taskDefinitionIds": ["long"]}
    answer = await client.post("/api/internal/queues/task-execution-automated/dequeue", json=asked)
    (message,) = answer.json()["messages"]
    failed = {"leaseToken": message["leaseToken"], "error": {"code": "X", "message": "x" * 5000}}
    answer = await client.post(f"/api/internal/queues/messages/{message['taskId']}/fail", json=failed)
    assert answer.status_code == 200, answer.text
    for hours in range(1, 10):
        (group,) = (await client.get(f"/api/v1/errors?hours={hours}")).json()["items"]
        assert group["message"] == "x" * 2000
    assert len(client.services.engine.insight._failures) == 4


async def test_where_there_are_too_many_dead_letters_it_is_said_that_some_were_not_looked_at(working: Client) -> None:
    ids = await failures(working, 3)
    insight = working.services.engine.insight
    (group,) = (await working.get("/api/v1/errors?dead=true")).json()["items"]
    body = {"fingerprint": group["fingerprint"], "reason": "old"}
    insight._most = 2
    dry = (await working.post("/api/v1/deadletters/discard", json=body | {"dryRun": True})).json()
    assert (dry["taskIds"], dry["complete"]) == (ids[:0:-1], False)
    first = (await working.post("/api/v1/deadletters/discard", json=body)).json()
    assert (sorted(first["taskIds"]), first["complete"]) == (ids[1:], False)
    rest = await working.post("/api/v1/deadletters/discard", json=body | {"cursor": first["nextCursor"]})
    assert rest.json() == {"taskIds": ids[:1], "complete": True, "nextCursor": None}


@pytest.mark.parametrize("by", ["filter", "fingerprint"])
async def test_very_many_dead_letters_are_moved_page_by_page_each_once(
    working: Client, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setattr("taskyard.engine.requeue._MOST", 2)
    working.services.engine.insight._most = 2
    ids = await failures(working, 5)
    (group,) = (await working.get("/api/v1/errors?dead=true")).json()["items"]
    meant = {"filter": {"definition": "broken"}} if by == "filter" else {"fingerprint": group["fingerprint"]}
    body = {**meant, "ratePerSecond": 0.01, "delay": 60}
    moved: list[list[str]] = []
    while "cursor" not in body or body["cursor"] is not None:
        page = (await working.post("/api/v1/deadletters/requeue", json=body)).json()
        assert page["complete"] is (page["nextCursor"] is None)
        moved.append(sorted(page["taskIds"]))
        body["cursor"] = page["nextCursor"]
    assert moved == [ids[3:], ids[1:3], ids[:1]]
    tasks = [(await working.get(f"/api/v1/tasks/{id_}")).json() for id_ in ids]
    assert {task["status"] for task in tasks} == {"PENDING"}  # not one is due before its delay


async def test_a_verb_on_dead_letters_leaves_out_what_its_filter_does_not_name(working: Client) -> None:
    ids = await failures(working, 2)
    await working.post("/api/v1/deadletters/discard", json={"taskIds": ids[:1]})
    others: list[dict[str, Any]] = [{"status": ["COMPLETED"]}, {"queue": ["task-execution-automated"]}, {"queue": []}]
    for other in others:
        answer = await working.post("/api/v1/deadletters/discard", json={"filter": other, "dryRun": True})
        assert answer.json() == {"taskIds": [], "complete": True, "nextCursor": None}, other
    sames: list[dict[str, Any]] = [{}, {"status": ["FAILED"]}, {"queue": ["task-execution-deadletter"]}]
    for same in sames:
        answer = await working.post("/api/v1/deadletters/discard", json={"filter": same, "dryRun": True})
        assert answer.json()["taskIds"] == ids[1:], same


async def test_dead_letters_of_one_cause_are_moved_by_its_fingerprint(working: Client) -> None:
    ids = await failures(working, 2)
    (group,) = (await working.get("/api/v1/errors?dead=true")).json()["items"]
    body = {"fingerprint": group["fingerprint"]}
    dry = await working.post("/api/v1/deadletters/requeue", json=body | {"dryRun": True})
    assert sorted(dry.json()["taskIds"]) == sorted(ids)
    moved = await working.post("/api/v1/deadletters/discard", json=body)
    assert sorted(moved.json()["taskIds"]) == sorted(ids)
    (group,) = (await working.get("/api/v1/errors")).json()["items"]
    assert (group["count"], group["dead"]) == (2, 0)
    for wrong in ({}, body | {"taskIds": ids}, {"fingerprint": "x"}):
        assert (await working.post("/api/v1/deadletters/discard", json=wrong)).status_code == 422


async def test_it_is_told_how_it_went_over_time(working: Client) -> None:
    await failures(working, 1)
    await working.until(await working.create("add", {"a": 1, "b": 2}), "COMPLETED")
    answer = (await working.get("/api/v1/metrics/history?range=15m")).json()
    assert (len(answer["items"]), answer["step"]) == (90, 10.0)
    totals = {key: sum(each[key] for each in answer["items"]) for key in ("completed", "failed", "retried")}
    assert totals == {"completed": 1, "failed": 1, "retried": 0}
    assert [each["p50"] for each in answer["items"] if each["completed"]] != [None]
    assert (await working.get("/api/v1/metrics/history?range=1y")).status_code == 422


async def test_many_are_canceled_and_who_is_over_stays(working: Client) -> None:
    over = await working.create("add", {"a": 1, "b": 2})
    await working.until(over, "COMPLETED")
    running = [await working.create("patient") for _ in range(2)]
    body: dict[str, Any] = {"taskIds": [*running, over, "12"]}
    for dry_run in (True, False):
        answer = await working.post("/api/v1/tasks/cancel", json=body | {"dryRun": dry_run})
        assert answer.json() == {"taskIds": running, "kept": {"COMPLETED": 1}, "nextCursor": None}
    assert (await working.get(f"/api/v1/tasks/{running[0]}")).json()["status"] == "CANCELED"


async def test_many_are_found_by_a_filter_page_by_page(client: Client) -> None:
    bulk = {"tasks": [{"taskDefinitionId": "sums", "input": {"a": n, "b": 0}} for n in range(600)]}
    assert (await client.post("/api/internal/tasks/bulk", json=bulk)).status_code == 201
    other = await client.create("patient")
    changed, cursor, pages = 0, None, 0
    while pages == 0 or cursor:
        body = {"filter": {"definition": "sums", "status": ["PENDING"]}, "cursor": cursor}
        answer = (await client.post("/api/v1/tasks/cancel", json=body)).json()
        changed, cursor, pages = changed + len(answer["taskIds"]), answer["nextCursor"], pages + 1
    assert (changed, pages > 1) == (600, True)
    assert (await client.get(f"/api/v1/tasks/{other}")).json()["status"] == "PENDING"
    both = {"filter": {}, "taskIds": [other]}
    wrongs: list[dict[str, Any]] = [{}, {"taskIds": [], "filter": None}, both, {"filter": {"x": 1}}]
    for wrong in wrongs:
        assert (await client.post("/api/v1/tasks/cancel", json=wrong)).status_code == 422, wrong


async def test_a_filter_tells_nothing_to_who_may_not_read(client: Client) -> None:
    id_ = await client.create("patient")
    writer, both = bearer("tasks:write"), bearer("tasks:write", "tasks:read")
    for body, headers, status in (
        ({"filter": {}}, writer, 403),
        ({"filter": {}}, both, 200),
        ({"taskIds": [id_]}, writer, 200),
    ):
        asked = {**body, "dryRun": True}
        answer = await client.post("/api/v1/tasks/cancel", json=asked, headers=headers)
        assert answer.status_code == status, answer.text


async def test_many_are_retried(working: Client) -> None:
    ids = await failures(working, 2)
    answer = await working.post("/api/v1/tasks/retry", json={"filter": {"definition": "broken"}})
    assert sorted(answer.json()["taskIds"]) == sorted(ids)
    refused = await working.post("/api/v1/tasks/retry", json={"taskIds": ids}, headers=bearer("tasks:read"))
    assert refused.status_code == 403


async def test_runs_are_found_by_error_worker_and_time(working: Client) -> None:
    (failed,) = await failures(working, 1)
    done = await working.create("add", {"a": 1, "b": 2})
    worker = (await working.until(done, "COMPLETED"))["executorId"]

    async def found(**query: Any) -> set[str]:
        answer = await working.get("/api/v1/tasks", params=query)
        assert answer.status_code == 200, answer.text
        return {item["taskId"] for item in answer.json()["items"]}

    assert await found(error="EXECUTION_ERROR") == {failed}
    assert await found(worker=worker) == {failed, done}
    assert await found(worker="nobody") == set()
    assert await found(tookBelow=60) == {failed, done}
    assert await found(tookFrom=60) == set()


async def test_settings_are_told_to_admins_without_their_secrets(yard: Taskyard) -> None:
    settings = yard.app.settings.with_values(
        TASKYARD_JWT_SECRET="s" * 40, TASKYARD_USER_SERVICE_URL="https://me:hunter2@users.example/"
    )
    services = make_services(yard, settings=lambda: shown(settings))
    async with Client(create_api(services), services) as client:
        answer = await client.get("/api/v1/settings")
        refused = await client.get("/api/v1/settings", headers=bearer("tasks:read"))
    assert refused.status_code == 403
    told = {item["name"]: item for item in answer.json()["items"]}
    assert told["TASK_TIMEOUT"]["value"] == 300
    assert (told["TASKYARD_JWT_SECRET"]["value"], told["TASKYARD_JWT_SECRET"]["source"]) == ("********", "program")
    assert "hunter2" not in answer.text
    assert "users.example" in told["TASKYARD_USER_SERVICE_URL"]["value"]


async def test_who_did_what_to_tasks_is_told_latest_first(client: Client) -> None:
    ids = [await client.create("patient") for _ in range(3)]
    for id_ in ids[:2]:
        await client.post(f"/api/v1/tasks/{id_}/cancel", json={"reason": "not needed"})
    await latest_position(client.services.engine)
    page = (await client.get("/api/v1/audit?limit=1")).json()
    (deed,) = page["items"]
    assert (deed["by"], deed["event"], deed["envelope"]["data"]["taskId"]) == ("admin", "task.canceled", ids[1])
    assert deed["envelope"]["data"]["reason"] == "not needed"
    rest = (await client.get("/api/v1/audit", params={"cursor": page["nextCursor"]})).json()
    assert [each["envelope"]["data"]["taskId"] for each in rest["items"]] == [ids[0]]
    for query, count in (("by=admin", 2), ("by=eve", 0), ("event=task.canceled", 2), ("event=task.requeued", 0)):
        assert len((await client.get(f"/api/v1/audit?{query}")).json()["items"]) == count, query


async def test_no_deed_is_told_twice_where_the_feed_is_kept_no_longer(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskyard.engine.deeds._STRIDE", 3)
    engine = client.services.engine
    ids = [await client.create("patient") for _ in range(12)]
    await latest_position(engine)
    await engine.store.prune(await engine.store.now())
    for id_ in ids[:2]:
        await client.post(f"/api/v1/tasks/{id_}/cancel", json={})
    await latest_position(engine)
    page = (await client.get("/api/v1/audit")).json()
    assert [each["envelope"]["data"]["taskId"] for each in page["items"]] == ids[1::-1]
    assert page["nextCursor"] is None


async def test_the_journal_has_no_secrets_of_addresses_and_nothing_fails_for_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"url": "https://hooks.example:8443/services/T0/hunter2?key=hunter2", "events": ["task.completed"]}
    assert (await client.post("/api/v1/subscriptions", json=body)).status_code == 201
    page = await client.get("/api/v1/audit/journal?limit=1")
    assert page.json()["items"][0]["facts"]["host"] == "https://hooks.example"
    assert "hunter2" not in page.text

    async def failing(*_: Any) -> None:
        raise RuntimeError("the journal's table is full")

    monkeypatch.setattr(client.services.engine.store, "write_journal", failing)
    assert (await client.post("/api/v1/queues/task-execution-manual/pause")).status_code == 200


async def test_what_was_done_beside_tasks_is_in_the_journal(client: Client) -> None:
    for verb in ("pause", "resume"):
        await client.post(f"/api/v1/queues/task-execution-manual/{verb}")
    page = (await client.get("/api/v1/audit/journal?limit=1")).json()
    entry = page["items"][0]
    facts = {"queue": "task-execution-manual"}
    assert (entry["by"], entry["action"], entry["facts"]) == ("admin", "queue resumed", facts)
    rest = (await client.get("/api/v1/audit/journal", params={"cursor": page["nextCursor"]})).json()
    assert [each["action"] for each in rest["items"]] == ["queue paused"]
    assert (await client.get("/api/v1/audit/journal?by=eve")).json() == {"items": [], "nextCursor": None}
    assert (await client.get("/api/v1/audit/journal", headers=bearer("tasks:read"))).status_code == 403
