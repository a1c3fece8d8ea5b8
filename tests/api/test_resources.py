"""The other resources: definitions, queues, dead letters, workers, events, uploads, triggers, operations."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
from unittest.mock import AsyncMock

import pytest
import yaml

from taskyard.api.export import export
from taskyard.contracts.records import WorkerInfo
from taskyard.store.postgres import PostgresStore
from taskyard.store.sqlite import SqliteStore
from tests.api.yard import Client, bearer
from tests.support import eventually

DEADLETTERS = "/api/internal/queues/task-execution-deadletter/messages"

STORES = ["sqlite", "postgresql"]


async def test_a_definition_is_put_read_versioned_and_retired(client: Client) -> None:
    path = "/api/v1/definitions/report"
    body = {"title": "Report", "implementation": {"kind": "external", "topic": "reports"}}
    first = await client.put(path, json=body)
    assert (first.status_code, first.json()["key"], first.json()["taskType"]) == (201, "report", "AUTOMATED")
    assert (await client.put(path, json=body)).json()["version"] == first.json()["version"]
    second = await client.put(path, json={**body, "timeout": 5})
    assert (second.status_code, second.json()["timeout"]) == (200, 5)
    assert (await client.get(path)).json() == second.json()
    versions = (await client.get(f"{path}/versions?limit=1")).json()
    older = (await client.get(f"{path}/versions?cursor={versions['nextCursor']}")).json()
    assert [each["number"] for each in versions["items"] + older["items"]] == [2, 1]
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404
    assert (await client.put(path, json=body)).status_code == 201


async def test_a_paused_queue_gives_nothing_and_why_says_so(client: Client) -> None:
    queue = "task-execution-automated"
    task_id = await client.create("sums", {"a": 1, "b": 1})
    assert (await client.post(f"/api/v1/queues/{queue}/pause")).json()["paused"] is True
    answer = await client.post(f"/api/internal/queues/{queue}/dequeue", json={"workerId": "w"})
    assert answer.json() == {"messages": []}
    why = (await client.get(f"/api/v1/tasks/{task_id}/why")).json()
    assert (why["taskId"], "paused" in why["reason"]) == (task_id, True)
    assert (await client.post(f"/api/v1/queues/{queue}/resume")).json()["paused"] is False
    assert (await client.lease())["taskId"] == task_id
    figures = {each["name"]: each for each in (await client.get("/api/v1/queues")).json()["items"]}
    assert (len(figures), figures[queue]["inFlight"]) == (5, 1)


async def test_dead_letters_are_listed_requeued_and_discarded(working: Client) -> None:
    ids = [await working.create("broken") for _ in range(3)]
    for task_id in ids:
        await working.until(task_id, "FAILED")
    listed = (await working.get(f"{DEADLETTERS}?definition=broken")).json()["items"]
    assert sorted(task["taskId"] for task in listed) == sorted(ids)
    assert (await working.get(f"{DEADLETTERS}?definition=add")).json()["items"] == []
    gone = await working.post("/api/internal/deadletters/discard", json={"taskIds": ids[:1], "reason": "old"})
    assert gone.json() == {"taskIds": ids[:1], "complete": True, "nextCursor": None}
    moved = await working.post("/api/internal/deadletters/requeue", json={"filter": {"definition": "broken"}})
    assert (moved.status_code, sorted(moved.json()["taskIds"])) == (200, sorted(ids[1:]))
    for task_id in ids[1:]:
        await working.until(task_id, "FAILED")
    slow = {"taskIds": ids[1:], "ratePerSecond": 0.001}
    moved = await working.post("/api/internal/deadletters/requeue", json=slow)
    assert (moved.status_code, moved.json()) == (200, {"taskIds": ids[1:], "complete": True, "nextCursor": None})
    delayed = (await working.get(f"/api/v1/tasks/{ids[2]}")).json()
    assert delayed["status"] == "PENDING"
    assert delayed["availableAt"] > delayed["createdAt"]


async def test_writes_take_the_version_they_have_seen(client: Client) -> None:
    task_id = await client.create("sums", {"a": 1, "b": 2})
    version = (await client.get(f"/api/v1/tasks/{task_id}")).json()["version"]
    for verb in ("cancel", "retry"):
        stale = await client.post(f"/api/v1/tasks/{task_id}/{verb}", json={"version": version + 1})
        assert (stale.status_code, stale.json()["error"]["code"]) == (409, "CONFLICT"), verb
    canceled = await client.post(f"/api/v1/tasks/{task_id}/cancel", json={"version": version})
    assert canceled.json()["status"] == "CANCELED"


async def test_a_discarded_task_says_so_when_it_is_to_run_again(working: Client) -> None:
    task_id = await working.create("broken")
    await working.until(task_id, "FAILED")
    await working.post("/api/internal/deadletters/discard", json={"taskIds": [task_id]})
    refused = (await working.post(f"/api/v1/tasks/{task_id}/retry")).json()["error"]
    assert (refused["code"], refused["details"]["from"]) == ("ILLEGAL_TRANSITION", "FAILED")
    assert "discarded" in refused["message"]


async def test_everything_wrong_with_a_definition_is_told_at_once(client: Client) -> None:
    body = {"implementation": {"kind": "external"}, "rateLimit": "banana", "maxConcurrent": 0, "timeout": -1}
    refused = (await client.put("/api/v1/definitions/odd", json=body)).json()["error"]
    assert sorted(each["path"] for each in refused["details"]) == ["/maxConcurrent", "/rateLimit", "/timeout"]


async def test_a_requeue_may_change_the_input(client: Client) -> None:
    task_id = await client.create("sums", {"a": 1, "b": 2}, executionConfig={"retryPolicy": {"maxRetries": 0}})
    body = {"leaseToken": (await client.lease())["leaseToken"], "error": {"code": "X", "message": "x"}}
    await client.post(f"/api/internal/queues/messages/{task_id}/fail", json=body)
    path = "/api/internal/deadletters/requeue"
    refused = await client.post(path, json={"taskIds": [task_id], "input": {"a": "x", "b": 1}})
    assert (refused.status_code, refused.json()["error"]["details"][0]["path"]) == (422, "/input/a")
    await client.post(path, json={"taskIds": [task_id], "input": {"a": 5, "b": 6}})
    assert (await client.lease())["input"] == {"a": 5, "b": 6}
    attempts = (await client.get(f"/api/v1/tasks/{task_id}/attempts")).json()["items"]
    assert [each["formerInput"] for each in attempts] == [{"a": 1, "b": 2}]
    events = (await client.get(f"/api/v1/tasks/{task_id}/events")).json()["items"]
    [requeued] = [each["data"] for each in events if each["type"] == "task.instance.requeued"]
    assert requeued["inputChanged"] is True
    assert "formerInput" not in requeued


async def test_a_dead_letter_may_be_looked_at_by_dequeue(working: Client) -> None:
    task_id = await working.create("broken")
    await working.until(task_id, "FAILED")
    message = await working.lease("task-execution-deadletter")
    assert (message["taskId"], message["leaseToken"]) == (task_id, None)
    assert (await working.get(f"/api/v1/tasks/{task_id}")).json()["status"] == "FAILED"


async def told(client: Client, count: int) -> None:
    """Wait until the feed has so many events; a store may number them a moment after they happened."""

    async def are_told() -> bool:
        return len((await client.get("/api/v1/events?limit=200")).json()["items"]) >= count

    await eventually(are_told)


async def test_events_are_told_in_pages_and_by_cause(working: Client) -> None:
    task_id = await working.create("add", {"a": 1, "b": 2}, causeType="order", cause="o-1")
    await working.until(task_id, "COMPLETED")
    await working.until(await working.create("add", {"a": 2, "b": 2}), "COMPLETED")
    story = (await working.get(f"/api/v1/tasks/{task_id}/events")).json()["items"]
    assert [event["type"] for event in story] == [f"task.instance.{w}" for w in ("created", "started", "completed")]
    assert set(story[0]) == {"type", "id", "sequence", "timestamp", "data", "metadata"}
    await told(working, 6)
    answer = (await working.get("/api/v1/events?causeType=order&cause=o-1&limit=200")).json()
    assert sorted(event["id"] for event in answer["items"]) == sorted(event["id"] for event in story)
    page = (await working.get("/api/v1/events?limit=1")).json()
    rest = (await working.get(f"/api/v1/events?cursor={page['nextCursor']}")).json()
    again = (await working.get(f"/api/v1/events?after={page['position']}")).json()
    assert rest["items"] == again["items"]
    assert len(page["items"] + rest["items"]) == 6


async def test_attempts_and_logs_are_told_oldest_first(working: Client) -> None:
    task_id = await working.create("chatty", {"lines": 5})
    await working.until(task_id, "COMPLETED")
    attempts = (await working.get(f"/api/v1/tasks/{task_id}/attempts")).json()["items"]
    assert [(each["attempt"], each["outcome"]) for each in attempts] == [(1, "COMPLETED")]
    path = f"/api/v1/tasks/{task_id}/logs"
    page = (await working.get(f"{path}?limit=2")).json()
    rest = (await working.get(f"{path}?cursor={page['nextCursor']}")).json()
    assert [line["text"] for line in page["items"] + rest["items"]] == [f"line {n}" for n in range(5)]
    after = page["items"][-1]["sequence"]
    assert (await working.get(f"{path}?after={after}")).json()["items"] == rest["items"]


async def test_an_upload_is_taken_and_told(client: Client) -> None:
    content = b"a,b\n1,2\n" * 1000
    answer = await client.post("/api/v1/uploads", files={"file": ("../etc/rows.csv", content, "text/csv")})
    assert answer.status_code == 201
    told = answer.json()
    assert (told["name"], told["size"]) == ("rows.csv", len(content))
    assert told["sha256"] == hashlib.sha256(content).hexdigest()
    assert await client.services.engine.store.upload(told["uploadId"]) is not None


async def test_a_task_takes_the_files_of_its_own_caller(client: Client) -> None:
    schema = {"type": "object", "properties": {"rows": {"type": "string", "format": "upload"}}}
    body = {"implementation": {"kind": "external", "topic": "rows"}, "inputSchema": schema}
    assert (await client.put("/api/v1/definitions/load", json=body)).status_code == 201
    ada, eve = bearer("tasks:write", subject="ada"), bearer("tasks:write", subject="eve")
    service = bearer("tasks:write", "service", subject="portal")
    answer = await client.post("/api/v1/uploads", files={"file": ("rows.csv", b"1", "text/csv")}, headers=ada)
    create = {"taskDefinitionId": "load", "input": {"rows": answer.json()["uploadId"]}}
    refused = await client.post("/api/v1/tasks", json=create, headers=eve)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert [each["path"] for each in refused.json()["error"]["details"]] == ["/input/rows"]
    assert (await client.get("/api/v1/tasks")).json()["items"] == []
    for caller in (ada, service, {}):
        assert (await client.post("/api/v1/tasks", json=create, headers=caller)).status_code == 201


async def test_a_file_is_read_by_its_owner_and_by_services(client: Client) -> None:
    ada, eve = bearer("tasks:write", "tasks:read", subject="ada"), bearer("tasks:read", subject="eve")
    service = bearer("tasks:read", "service", subject="portal")
    answer = await client.post("/api/v1/uploads", files={"file": ("r\u00e9.csv", b"1", "text/csv")}, headers=ada)
    path = f"/api/v1/uploads/{answer.json()['uploadId']}"
    for caller in (ada, service):
        got = await client.get(path, headers=caller)
        assert (got.status_code, got.content) == (200, b"1")
        assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''r%C3%A9.csv"
    assert (await client.get(path, headers=eve)).status_code == 404
    assert (await client.get("/api/v1/uploads/none", headers=ada)).status_code == 404


async def test_what_a_task_declared_starts_it(working: Client) -> None:
    triggered = await working.post("/api/v1/triggers/added-up", json={"a": 1, "b": 2})
    assert (triggered.status_code, triggered.json()["causeType"], triggered.json()["cause"]) == (
        201, "trigger", "added-up",
    )  # fmt: skip
    acted = await working.post("/api/v1/actions/add-up", json={"a": 3, "b": 4})
    assert (acted.json()["causeType"], acted.json()["cause"]) == ("command", "add-up")
    body = {"key": "added-up", "source": "till", "description": "", "payload": {"a": 5, "b": 6}, "id": "e-1"}
    taken = await working.post("/api/v1/events/trigger", json=body)
    assert taken.status_code == 202
    task = await working.until(taken.json()["taskIds"][0], "COMPLETED")
    assert (task["output"], task["causeType"], task["cause"]) == ({"total": 11}, "event", "e-1")
    envelope = {"type": "added-up", "data": {"a": 1, "b": 1}, "metadata": {"source": "till"}}
    assert len((await working.post("/api/v1/events/trigger", json=envelope)).json()["taskIds"]) == 1
    unheard = await working.post("/api/v1/events/trigger", json={"key": "nothing", "payload": 1})
    assert (unheard.status_code, unheard.json()["taskIds"]) == (202, [])
    for path in ("triggers", "actions"):
        assert (await working.post(f"/api/v1/{path}/nothing", json={})).status_code == 404


async def test_a_definition_is_run_by_hand(working: Client) -> None:
    answer = await working.post("/admin/task/chatty/run", json={"lines": 2})
    assert answer.status_code == 200
    run = answer.json()
    assert (run["status"], run["output"], run["error"]) == ("COMPLETED", 2, None)
    assert [line["text"] for line in run["logs"]] == ["line 0", "line 1"]
    assert run["startTime"].endswith("Z")
    assert isinstance(run["elapsed"], int)
    failed = (await working.post("/admin/task/broken/run")).json()
    assert (failed["status"], failed["error"]["code"]) == ("FAILED", "EXECUTION_ERROR")
    started = await working.post("/admin/task/add/start", json={"a": 1, "b": 1})
    assert started.status_code == 202
    await working.until(started.json()["runId"], "COMPLETED")


async def test_a_run_that_takes_long_is_left_to_itself(working: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskyard.api.admin.LONGEST_WAIT", 0.05)
    answer = await working.post("/admin/task/patient/run")
    assert answer.status_code == 202
    assert set(answer.json()) == {"runId"}


async def test_admin_pages_speak_json_and_need_no_scripts(client: Client) -> None:
    assert (await client.get("/")).headers["location"] == "/admin"
    listed = await client.get("/admin/task", headers={"Accept": "application/json"})
    assert "add" in [each["key"] for each in listed.json()["items"]]
    assert (await client.get("/admin/task/add")).json()["key"] == "add"
    for path in ("/admin", "/admin/task", "/admin/task/add", "/docs"):
        page = await client.get(path, headers={"Accept": "text/html"})
        assert page.headers["content-type"].startswith("text/html"), path
        assert "<script" not in page.text
        assert "http" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_operators_have_health_metrics_and_workers(working: Client) -> None:
    await working.until(await working.create("add", {"a": 1, "b": 2}), "COMPLETED")
    assert (await working.get("/healthz")).json() == {"status": "ok"}
    assert (await working.get("/readyz")).json() == {"status": "ready", "dependencies": {}, "tiers": []}
    text = (await working.get("/metrics")).text
    assert 'taskyard_queue_depth{queue="task-execution-automated"} 0.0' in text
    assert 'taskyard_tasks{state="COMPLETED"} 1.0' in text
    assert "taskyard_workers 1.0" in text
    worker = (await working.get("/api/v1/workers")).json()["items"][0]
    assert {"workerId", "host", "pid", "version", "queues", "slots", "running", "heartbeatAge"} <= set(worker)
    figures = (await working.get("/api/internal/tasks/metrics")).json()
    assert figures["definitions"]["add"]["counts"] == {"COMPLETED": 1}
    me = (await working.get("/api/v1/me")).json()
    assert (me["subject"], me["scopes"]) == ("admin", ["admin"])


async def test_dependencies_are_told_as_they_stand_where_they_stand_worst(client: Client) -> None:
    store = client.services.engine.store
    for name, state in (("one", "closed"), ("two", "open"), ("three", "half-open")):
        worker = await store.register(WorkerInfo(name, "host", 1, "1", (), 1, supervised=False))
        figures = {"state": state, "failureRate": 0.3, "opensIn": 0.0}
        await store.beat(worker, [], {"dependencies": {"service:user": figures}})
    assert (await client.get("/readyz")).json()["dependencies"] == {"service:user": "open"}
    assert (await client.get("/api/internal/tasks/metrics")).json()["dependencies"]["service:user"]["state"] == "open"
    assert 'taskyard_circuit_open{circuit="service:user"} 1.0' in (await client.get("/metrics")).text


async def test_readiness_tells_of_a_store_that_keeps_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskyard.engine.readiness._HOLDS", 0)
    store = client.services.engine.store
    assert (await client.get("/readyz")).status_code == 200
    if isinstance(store, SqliteStore):
        await store.db.write(lambda connection: connection.execute("PRAGMA max_page_count=1").fetchone())
        body = {"taskDefinitionId": "sums", "input": {"a": 1, "b": 2}, "metadata": {"filling": "x" * 4000}}
        answers = [(await client.post("/api/v1/tasks", json=body)).status_code for _ in range(20)]
        assert answers[-1] == 503
    else:
        assert isinstance(store, PostgresStore)
        await store.db.relaxed.fetch("SET default_transaction_read_only = on")
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "OVERLOADED")
    assert (await client.get("/healthz")).status_code == 200


async def test_readiness_is_tried_once_a_second_however_many_ask(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskyard.engine.readiness._HOLDS", 1000)
    store = client.services.engine.store
    tries: list[None] = []
    monkeypatch.setattr(store, "try_writing", AsyncMock(side_effect=lambda: tries.append(None)))
    answers = await asyncio.gather(*(client.get("/readyz") for _ in range(5)))
    assert ({answer.status_code for answer in answers}, len(tries)) == ({200}, 1)


async def test_readiness_tells_of_a_store_that_is_away(client: Client) -> None:
    await client.services.engine.store.close()
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "OVERLOADED")
    assert int(answer.headers["retry-after"]) >= 1


ROWS = [{"name": "=1+1", "n": -5, "=x": None}, {"name": "plain, but quoted", "list": [1, {"a": 2}]}]


async def test_results_are_exported(working: Client) -> None:
    task_id = await working.create("add", {"a": 1, "b": 2})
    await working.until(task_id, "COMPLETED")
    path = f"/api/v1/tasks/{task_id}/output"
    assert (await working.get(path)).json() == {"total": 3}
    assert (await working.get(f"{path}?format=csv")).text == "total\r\n3\r\n"
    assert (await working.get(f"{path}?format=xml")).text.endswith("<output><total>3</total></output>")
    assert yaml.safe_load((await working.get(f"{path}?format=yaml")).text) == {"total": 3}
    answer = await working.get(f"{path}?format=csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="{task_id}.csv"'
    failed = await working.create("broken")
    await working.until(failed, "FAILED")
    refused = await working.get(f"/api/v1/tasks/{failed}/output")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "CONFLICT")


def rows_of(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode(), newline="")))


def test_no_cell_is_a_formula() -> None:
    head, first, second = rows_of(export(ROWS, "csv"))
    assert head == ["name", "n", "'=x", "list"]
    assert first == ["'=1+1", "-5", "", ""]
    assert second == ["plain, but quoted", "", "", '[1,{"a":2}]']
    for start in "=+-@\t\r":
        assert rows_of(export([{"a": f"{start}x"}], "csv"))[1] == [f"'{start}x"]


def test_xml_holds_any_name_and_text() -> None:
    text = export({"a b": "x\x00<y>", "ok": [True, None]}, "xml").decode()
    assert '<field name="a b">x\ufffd&lt;y&gt;</field><ok><item>true</item><item /></ok>' in text


async def test_a_dry_run_tells_which_dead_letters_it_would_move_and_moves_none(working: Client) -> None:
    dead = await working.create("broken")
    await working.until(dead, "FAILED")
    body = {"taskIds": [dead, "12345"], "dryRun": True}
    for verb in ("requeue", "discard"):
        told = await working.post(f"/api/v1/deadletters/{verb}", json=body)
        assert told.json() == {"taskIds": [dead], "complete": True, "nextCursor": None}
    listed = (await working.get("/api/v1/deadletters")).json()["items"]
    assert [task["taskId"] for task in listed] == [dead]
    done = await working.post("/api/v1/deadletters/discard", json={"taskIds": [dead]})
    assert done.json() == {"taskIds": [dead], "complete": True, "nextCursor": None}
    assert (await working.get("/api/v1/deadletters")).json()["items"] == []
