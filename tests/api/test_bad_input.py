"""Bad input: each gets the contract's error, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.api.yard import Client

CREATE = "/api/internal/tasks"
JSON = {"Content-Type": "application/json"}
GOOD = {"taskDefinitionId": "add", "input": {"a": 1, "b": 2}}


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def paths(answer: httpx.Response) -> list[str]:
    assert code(answer) == (422, "VALIDATION_ERROR")
    details = answer.json()["error"]["details"]
    assert all(set(each) == {"path", "message", "keyword"} for each in details)
    return sorted(each["path"] for each in details)


@pytest.fixture(autouse=True)
async def nothing_stored(client: Client) -> AsyncIterator[None]:
    """No test here leaves a task behind but those it says."""
    yield
    assert (await client.get("/api/v1/tasks?definition=add")).json()["items"] == []


@pytest.mark.parametrize(
    "body", [b"{", b"", b"nope", b"{'a': 1}", b'{"a": 1,}', b"\xff\xfe", b'{"a": NaN}', b'{"a": 1} {}']
)
async def test_what_is_not_json_is_malformed(client: Client, body: bytes) -> None:
    assert code(await client.post(CREATE, content=body, headers=JSON)) == (400, "MALFORMED")


@pytest.mark.parametrize("type_", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""])
async def test_another_content_type_is_malformed(client: Client, type_: str) -> None:
    answer = await client.post(CREATE, content=b"{}", headers={"Content-Type": type_})
    assert code(answer) == (400, "MALFORMED")


async def test_a_compressed_body_is_malformed(client: Client) -> None:
    assert code(await client.post(CREATE, content=b"x", headers={**JSON, "Content-Encoding": "gzip"})) == (
        400, "MALFORMED",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"unknown": 1}, ["/unknown"]),
        ({"dueDate": "9999-12-31T23:59:59-14:00"}, ["/dueDate"]),
        ({"availableAt": "1969-12-31T23:59:59+14:00"}, ["/availableAt"]),
        ({"input": {"a": "x", "b": 2}}, ["/input/a"]),
        ({"input": {"a": "x", "b": 2}, "unknown": 1}, ["/input/a", "/unknown"]),
        ({"correlationId": "x" * 256}, ["/correlationId"]),
        ({"tags": ["x" * 129]}, ["/tags/0"]),
        ({"callbackUrl": "javascript:x"}, ["/callbackUrl"]),
        (
            {"executionConfig": {"retryPolicy": {"maxRetries": -1, "jitter": 5, "unknown": 1}}},
            [f"/executionConfig/retryPolicy/{name}" for name in ("jitter", "maxRetries", "unknown")],
        ),
        ({"input": {"a": 1}}, ["/input/b"]),
        ({"input": {"a": 1, "b": 2, "c": 3}}, ["/input/c"]),
        ({"input": {"a": "x", "b": "y"}}, ["/input/a", "/input/b"]),
        ({"input": None}, ["/input/a", "/input/b"]),
        ({"input": []}, ["/input"]),
        ({"priority": "URGENT"}, ["/priority"]),
        ({"tags": ["a", 1]}, ["/tags/1"]),
        ({"client": {"user": "u", "x": 1}}, ["/client/x"]),
        ({"availableAt": "tomorrow"}, ["/availableAt"]),
        ({"availableAt": "2026-01-01T00:00:00"}, ["/availableAt"]),
        ({"delay": 1, "availableAt": "2026-01-01T00:00:00Z"}, ["/delay"]),
        ({"executionConfig": {"timeout": "x"}}, ["/executionConfig/timeout"]),
        ({"input": {"a": 1, "b": 2**63}}, ["/input/b"]),
        ({"correlationId": "a\x00b"}, ["/correlationId"]),
        ({"tags": ["\ud800"]}, ["/tags/0"]),
    ],
)
async def test_each_wrong_field_is_named(client: Client, changes: dict[str, Any], where: list[str]) -> None:
    body = json.dumps({**GOOD, **changes}).encode()
    assert paths(await client.post(CREATE, content=body, headers=JSON)) == where


async def test_what_is_needed_is_named(client: Client) -> None:
    assert paths(await client.post(CREATE, json={})) == ["/taskDefinitionId"]
    assert paths(await client.post(CREATE, json=[])) == [""]


async def test_nesting_has_a_limit(client: Client) -> None:
    deep = b'{"taskDefinitionId": "add", "input": ' + b"[" * 100 + b"]" * 100 + b"}"
    assert code(await client.post(CREATE, content=deep, headers=JSON)) == (422, "VALIDATION_ERROR")
    bomb = b'{"input": ' + b"[" * 200_000
    assert code(await client.post(CREATE, content=bomb, headers=JSON))[0] in (400, 422)


async def test_an_unknown_definition_is_told_first(client: Client) -> None:
    assert code(await client.post(CREATE, json={"taskDefinitionId": "nope"})) == (404, "NOT_FOUND")
    assert code(await client.post(CREATE, json={"taskDefinitionId": "nope", "x": 1})) == (404, "NOT_FOUND")
    bulk = {"tasks": [GOOD, {"taskDefinitionId": "nope", "priority": 7}]}
    assert code(await client.post(f"{CREATE}/bulk", json=bulk)) == (404, "NOT_FOUND")


async def test_a_time_without_a_zone_is_refused_where_it_stands(client: Client) -> None:
    times = {"availableAt": "2030-01-31T12:00:00", "dueDate": "tomorrow"}
    bulk = {"tasks": [GOOD, {**GOOD, **times}]}
    assert paths(await client.post(f"{CREATE}/bulk", json=bulk)) == ["/tasks/1/availableAt", "/tasks/1/dueDate"]


async def test_a_body_has_a_limit_before_it_is_read_and_while_it_is(client: Client) -> None:
    limit = client.services.max_body
    announced = {**JSON, "Content-Length": str(limit + 1)}
    assert code(await client.post(CREATE, content=b"{}", headers=announced)) == (413, "PAYLOAD_TOO_LARGE")

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65536

    assert code(await client.post(CREATE, content=endless(), headers=JSON)) == (413, "PAYLOAD_TOO_LARGE")
    huge = {"tasks": [{**GOOD, "metadata": {"x": "y" * limit}}] * 17}
    assert code(await client.post(f"{CREATE}/bulk", json=huge)) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/api/v1/tasks?unknown=1", ["/unknown"]),
        ("/api/v1/tasks?limit=0", ["/limit"]),
        ("/api/v1/tasks?limit=201", ["/limit"]),
        ("/api/v1/tasks?limit=x", ["/limit"]),
        ("/api/v1/tasks?limit=1&limit=2", ["/limit"]),
        ("/api/v1/tasks?status=DONE", ["/status/0"]),
        ("/api/v1/tasks?cursor=x", ["/cursor"]),
        ("/api/v1/tasks?cursor=", ["/cursor"]),
        ("/api/v1/tasks?q=%00", ["/q"]),
        ("/api/v1/tasks?createdAfter=yesterday", ["/createdAfter"]),
        ("/api/v1/tasks?createdAfter=2026-01-01T00:00:00", ["/createdAfter"]),
        ("/api/v1/tasks?sort=title", ["/sort"]),
        ("/api/v1/tasks?hash=zz", ["/hash"]),
        ("/api/v1/tasks?parentTaskId=x", ["/parentTaskId"]),
        ("/api/v1/definitions?limit=1000", ["/limit"]),
        ("/api/v1/events?after=-1", ["/after"]),
        ("/api/internal/tasks/workflow/w?stat=1", ["/stat"]),
        ("/login?key=1", ["/key"]),
    ],
)
async def test_a_query_is_read_strictly(client: Client, path: str, where: list[str]) -> None:
    assert paths(await client.get(path)) == where


@pytest.mark.parametrize("id_", ["x", "-1", "1.0", "0x1", "9" * 30, "1%00", "%F0%9F%92%A5", "٣", "NULL", "1;drop"])
async def test_an_impossible_id_is_not_found(client: Client, id_: str) -> None:
    for path in (f"/api/v1/tasks/{id_}", f"/api/internal/tasks/{id_}", f"/api/v1/tasks/{id_}/logs"):
        assert code(await client.get(path)) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "path", ["/nowhere", "/api/v1/tasks/", "/api/v1//tasks", "/API/v1/tasks", "/api/v1/tasks%2f1", "/docs/"]
)
async def test_an_unknown_address_is_not_found(client: Client, path: str) -> None:
    assert code(await client.get(path)) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"workerId": ""}, ["/workerId"]),
        ({"maxMessages": 0}, ["/maxMessages"]),
        ({"maxMessages": 101}, ["/maxMessages"]),
        ({"waitTime": 31}, ["/waitTime"]),
        ({"waitTime": -1}, ["/waitTime"]),
        ({"visibilityTimeout": 0}, ["/visibilityTimeout"]),
        ({"visibilityTimeout": 1e300}, ["/visibilityTimeout"]),
        ({"taskDefinitionIds": "sums"}, ["/taskDefinitionIds"]),
        ({"max": 1}, ["/max"]),
    ],
)
async def test_a_dequeue_is_read_strictly(client: Client, changes: dict[str, Any], where: list[str]) -> None:
    path = "/api/internal/queues/task-execution-automated/dequeue"
    assert paths(await client.post(path, json={"workerId": "w", **changes})) == where


async def test_an_unknown_queue_is_told_first(client: Client) -> None:
    for path in ("/api/internal/queues/nope/dequeue", "/api/v1/queues/nope/pause"):
        assert code(await client.post(path, json={"x": 1})) == (404, "NOT_FOUND")


@pytest.mark.parametrize("token", ["", "x", "A" * 48, "é" * 48])
async def test_a_foreign_lease_token_is_stale(client: Client, token: str) -> None:
    task_id = await client.create("sums", {"a": 1, "b": 1})
    message = await client.lease()
    assert message["taskId"] == task_id
    path = f"/api/internal/queues/messages/{task_id}/complete"
    assert code(await client.post(path, json={"leaseToken": token, "output": 1})) == (409, "STALE_LEASE")
    assert code(await client.post(path, json={"leaseToken": message["leaseToken"], "x": 1})) == (
        422, "VALIDATION_ERROR",
    )  # fmt: skip
    assert (await client.get(f"/api/v1/tasks/{task_id}")).json()["status"] == "RUNNING"


async def test_an_error_of_a_worker_is_read_strictly(client: Client) -> None:
    task_id = await client.create("sums", {"a": 1, "b": 1})
    token = (await client.lease())["leaseToken"]
    path = f"/api/internal/queues/messages/{task_id}/fail"
    assert paths(await client.post(path, json={"leaseToken": token, "error": {"code": "X"}})) == ["/error/message"]
    odd = {"leaseToken": token, "error": {"code": "X", "message": "x", "why": 1}}
    assert paths(await client.post(path, json=odd)) == ["/error/why"]


async def test_an_output_that_does_not_fit_fails_the_attempt(client: Client) -> None:
    task_id = await client.create("sums", {"a": 1, "b": 1})
    token = (await client.lease())["leaseToken"]
    path = f"/api/internal/queues/messages/{task_id}/complete"
    answer = await client.post(path, json={"leaseToken": token, "output": "three"})
    assert (answer.status_code, answer.json()["status"]) == (200, "FAILED")
    assert answer.json()["error"]["code"] == "OUTPUT_VALIDATION_ERROR"


async def test_illegal_moves_and_stale_versions_change_nothing(client: Client) -> None:
    task_id = await client.create("sums", {"a": 1, "b": 1})
    path = f"{CREATE}/{task_id}"
    before = (await client.get(path)).json()
    assert code(await client.put(f"{path}/status", json={"status": "COMPLETED"})) == (409, "ILLEGAL_TRANSITION")
    assert code(await client.put(f"{path}/status", json={"status": "PENDING"})) == (409, "ILLEGAL_TRANSITION")
    assert paths(await client.put(f"{path}/status", json={"status": "FLYING"})) == ["/status"]
    stale = {"status": "CANCELED", "version": before["version"] + 1}
    assert code(await client.put(f"{path}/status", json=stale)) == (409, "CONFLICT")
    assert code(await client.post(f"/api/v1/tasks/{task_id}/retry")) == (409, "ILLEGAL_TRANSITION")
    assert code(await client.post(f"/api/v1/tasks/{task_id}/complete", json={"output": 1})) == (
        409, "ILLEGAL_TRANSITION",
    )  # fmt: skip
    to = {"assigneeType": "USER", "assigneeId": "bob"}
    assert code(await client.post(f"{path}/reassign", json=to)) == (409, "ILLEGAL_TRANSITION")
    assert (await client.get(path)).json() == before


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, ["/taskIds"]),
        ({"taskIds": ["1"], "filter": {}}, ["/taskIds"]),
        ({"taskIds": ["x"]}, ["/taskIds/0"]),
        ({"taskIds": ["1"], "ratePerSecond": 0}, ["/ratePerSecond"]),
        ({"taskIds": ["1"], "ratePerSecond": 1e-9}, ["/ratePerSecond"]),
        ({"filter": {"nothing": 1}}, ["/filter/nothing"]),
    ],
)
async def test_dead_letters_are_selected_in_one_way(client: Client, body: dict[str, Any], where: list[str]) -> None:
    assert paths(await client.post("/api/internal/deadletters/requeue", json=body)) == where


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, ["/implementation/kind"]),
        ({"implementation": {"kind": "spell"}}, ["/implementation/kind"]),
        ({"implementation": {"kind": "external"}, "color": "red"}, ["/color"]),
        ({"implementation": {"kind": "external"}, "key": "other"}, ["/key"]),
        ({"implementation": {"kind": "external"}, "timeout": -1}, ["/timeout"]),
        ({"implementation": {"kind": "external"}, "inputSchema": {"type": "thing"}}, ["/inputSchema/type"]),
        ({"implementation": {"kind": "external"}, "inputSchema": {"$ref": "http://x/y"}}, ["/inputSchema/$ref"]),
    ],
)
async def test_a_definition_is_checked(client: Client, body: dict[str, Any], where: list[str]) -> None:
    assert paths(await client.put("/api/v1/definitions/k", json=body)) == where


async def test_a_definition_key_is_checked(client: Client) -> None:
    body = {"implementation": {"kind": "external"}}
    assert code(await client.put("/api/v1/definitions/%20", json=body)) == (422, "VALIDATION_ERROR")
    assert code(await client.get("/api/v1/definitions/%00")) == (404, "NOT_FOUND")
    assert code(await client.delete("/api/v1/definitions/nope")) == (404, "NOT_FOUND")


async def test_an_upload_is_one_file_of_a_limited_size(client: Client) -> None:
    path = "/api/v1/uploads"
    assert code(await client.post(path, json={})) == (400, "MALFORMED")
    form = {"Content-Type": "multipart/form-data"}
    assert code(await client.post(path, content=b"x", headers=form)) == (400, "MALFORMED")
    bounded = {"Content-Type": "multipart/form-data; boundary=b"}
    assert code(await client.post(path, content=b"garbage", headers=bounded)) == (400, "MALFORMED")
    assert code(await client.post(path, files={"x": (None, "no file")})) == (422, "VALIDATION_ERROR")
    two = [("file", ("a", b"1")), ("file", ("b", b"2"))]
    assert code(await client.post(path, files=two)) == (400, "MALFORMED")
    large = {"file": ("a", b"0" * (client.services.max_large_body + 1))}
    assert code(await client.post(path, files=large)) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_failure_of_ours_is_told_by_its_id_alone(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("a secret that must not leave")

    monkeypatch.setattr(client.services.engine.store, "queues", fail)
    answer = await client.get("/api/v1/queues")
    assert code(answer) == (500, "INTERNAL")
    assert "secret" not in answer.text
    assert answer.json()["error"]["details"]["id"] in answer.json()["error"]["message"]
