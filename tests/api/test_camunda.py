"""Camunda 7's external-task REST API, as a worker written for it uses it."""

import asyncio
from typing import Any

import pytest

from taskyard.domain.definition import Definition
from taskyard.engine.define import define
from tests.api.yard import Client, bearer

STORES = ["sqlite", "postgresql"]
ROOT = "/engine-rest/external-task"


async def fetch(client: Client, topic: str = "charge", worker: str = "w1", **more: Any) -> list[dict[str, Any]]:
    topics = [{"topicName": topic, "lockDuration": 60_000, **more.pop("of_topic", {})}]
    body = {"workerId": worker, "maxTasks": 10, "usePriority": True, "topics": topics, **more}
    answer = await client.post(f"{ROOT}/fetchAndLock", json=body)
    assert answer.status_code == 200, answer.text
    return list(answer.json())


async def post(
    client: Client, id_: str, verb: str, expected: int = 204, worker: str = "w1", **body: Any
) -> dict[str, Any]:
    answer = await client.post(f"{ROOT}/{id_}/{verb}", json={"workerId": worker, **body})
    assert answer.status_code == expected, answer.text
    return dict(answer.json()) if answer.content else {}


@pytest.fixture
async def engine(client: Client) -> Client:
    """A client of an API with an external definition that people call by its topic."""
    definition = Definition(
        key="charge-card",
        implementation={"kind": "external", "topic": "charge"},
        retry_policy={"maxRetries": 3, "initialDelay": 0, "jitter": 0},
    )
    await define(client.services.engine, [definition])
    return client


async def task(client: Client, task_id: str) -> dict[str, Any]:
    return dict((await client.get(f"/api/v1/tasks/{task_id}")).json())


async def test_a_task_is_fetched_with_its_variables_and_completed(engine: Client) -> None:
    given = {"amount": 5, "order": {"id": 7}, "name": "Zoë", "gift": False, "rate": 0.5, "note": None}
    fields = {"workflowId": "process-1", "correlationId": "order-7", "priority": "HIGH"}
    task_id = await engine.create("charge-card", given, **fields)
    (locked,) = await fetch(engine, sorting=[{"sortBy": "createTime", "sortOrder": "asc"}], tenantIdIn=[])
    assert locked["id"].partition(".")[0] == task_id
    assert {name: each["type"] for name, each in locked["variables"].items()} == {
        "amount": "Integer", "order": "Json", "name": "String", "gift": "Boolean", "rate": "Double", "note": "Null",
    }  # fmt: skip
    assert (locked["topicName"], locked["workerId"], locked["retries"]) == ("charge", "w1", None)
    assert (locked["processInstanceId"], locked["businessKey"], locked["priority"]) == ("process-1", "order-7", 75)
    assert await fetch(engine) == []
    variables = {"receipt": {"value": "r-1", "type": "String"}, "lines": {"value": "[1, 2]", "type": "Json"}}
    await post(engine, locked["id"], "complete", variables=variables, localVariables={"cents": {"value": 500}})
    done = await task(engine, task_id)
    assert (done["status"], done["output"]) == ("COMPLETED", {"receipt": "r-1", "lines": [1, 2], "cents": 500})
    assert done["executorId"] == "w1"
    assert (await post(engine, locked["id"], "complete", 404))["type"] == "RestException"


async def test_only_wanted_variables_are_told(engine: Client) -> None:
    await engine.create("charge-card", {"a": 1, "b": 2})
    (locked,) = await fetch(engine, of_topic={"variables": ["b", "c"]})
    assert list(locked["variables"]) == ["b"]


async def test_a_worker_waits_for_the_first(engine: Client) -> None:
    waiting = asyncio.create_task(fetch(engine, asyncResponseTimeout=20_000))
    await asyncio.sleep(0)
    await engine.create("charge-card", {})
    assert len(await waiting) == 1
    assert await fetch(engine, topic="nobodys", asyncResponseTimeout=20_000) == []


async def test_the_worker_says_how_often_a_failure_is_tried_again(engine: Client) -> None:
    task_id = await engine.create("charge-card", {})
    (locked,) = await fetch(engine)
    await post(engine, locked["id"], "failure", errorMessage="no", errorDetails="trace", retries=2, retryTimeout=60_000)
    waiting = await task(engine, task_id)
    assert (waiting["status"], waiting["error"]["message"], waiting["error"]["stackTrace"]) == (
        "RETRYING",
        "no",
        "trace",
    )
    assert await fetch(engine) == []
    await engine.post(f"/api/v1/tasks/{task_id}/retry")
    (again,) = await fetch(engine)
    assert (again["retries"], again["errorMessage"]) == (2, "no")
    await post(engine, again["id"], "failure", errorMessage="never", retries=0)
    assert (await task(engine, task_id))["deadLetteredAt"] is not None


async def test_without_a_word_the_policy_decides(engine: Client) -> None:
    task_id = await engine.create("charge-card", {})
    (locked,) = await fetch(engine)
    await post(engine, locked["id"], "failure")
    assert (await task(engine, task_id))["retryCount"] == 1


async def test_a_business_error_ends_the_task_with_its_code(engine: Client) -> None:
    task_id = await engine.create("charge-card", {})
    (locked,) = await fetch(engine)
    variables = {"limit": {"value": 100, "type": "Integer"}}
    await post(
        engine, locked["id"], "bpmnError", errorCode="card-refused", errorMessage="too much", variables=variables
    )
    failed = await task(engine, task_id)
    assert failed["status"] == "FAILED"
    assert {name: failed["error"][name] for name in ("code", "message", "details")} == {
        "code": "card-refused", "message": "too much", "details": {"limit": 100},
    }  # fmt: skip


async def test_a_lock_is_extended_given_back_and_lost(engine: Client) -> None:
    task_id = await engine.create("charge-card", {})
    (locked,) = await fetch(engine)
    await post(engine, locked["id"], "extendLock", newDuration=120_000)
    shown = (await engine.get(f"{ROOT}/{task_id}")).json()
    assert shown["workerId"] == "w1"
    assert shown["lockExpirationTime"] > locked["lockExpirationTime"]
    other = await post(engine, locked["id"], "complete", 400, worker="w2")
    assert "cannot be completed by worker 'w2'. It is locked by worker 'w1'" in other["message"]
    assert (await engine.post(f"{ROOT}/{locked['id']}/unlock")).status_code == 204
    (again,) = await fetch(engine, worker="w2")
    assert again["id"] != locked["id"]
    await post(engine, locked["id"], "complete", 404)
    await post(engine, locked["id"], "extendLock", 404, newDuration=5)
    await post(engine, again["id"], "complete", worker="w2")
    assert (await task(engine, task_id))["status"] == "COMPLETED"


async def test_a_lock_is_of_no_use_to_another_caller(engine: Client) -> None:
    await engine.create("charge-card", {})
    (locked,) = await fetch(engine)
    other = bearer("tasks:execute", subject="eve")
    answer = await engine.post(f"{ROOT}/{locked['id']}/complete", json={"workerId": "w1"}, headers=other)
    assert answer.status_code == 404


async def test_they_are_listed_counted_and_shown(engine: Client) -> None:
    ids = [await engine.create("charge-card", {}, workflowId=f"p{number}") for number in range(3)]
    await engine.create("sums", {"a": 1, "b": 2})
    await fetch(engine, maxTasks=1)

    async def found(query: str = "") -> list[str]:
        return [each["id"] for each in (await engine.get(f"{ROOT}{query}")).json()]

    assert len(await found()) == 4
    assert await found("?topicName=charge") == ids[::-1]
    assert await found("?locked=true") == ids[:1]
    assert await found("?notLocked=true&topicName=charge") == ids[:0:-1]
    assert await found("?processInstanceId=p1") == ids[1:2]
    assert await found("?topicName=charge&firstResult=1&maxResults=1") == ids[1:2]
    assert (await engine.get(f"{ROOT}/count?topicName=charge")).json() == {"count": 3}
    assert (await engine.get(f"{ROOT}/{ids[0]}")).json()["topicName"] == "charge"
    assert (await engine.get(f"{ROOT}/77")).json()["type"] == "RestException"


async def test_an_output_that_does_not_fit_is_refused(client: Client) -> None:
    task_id = await client.create("sums", {"a": 1, "b": 2})
    (locked,) = await fetch(client, topic="sums")
    refused = await post(client, locked["id"], "complete", 400, variables={"output": {"value": "x"}})
    assert refused["type"] == "InvalidRequestException"
    assert (await task(client, task_id))["error"]["code"] == "OUTPUT_VALIDATION_ERROR"
    task_id = await client.create("sums", {"a": 1, "b": 2})
    (locked,) = await fetch(client, topic="sums")
    await post(client, locked["id"], "complete", variables={"output": {"value": 3, "type": "Integer"}})
    assert (await task(client, task_id))["output"] == 3


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("fetchAndLock", {}),
        ("fetchAndLock", {"workerId": "w", "maxTasks": 0, "topics": []}),
        ("fetchAndLock", {"workerId": "w", "maxTasks": 1, "topics": [{"topicName": "charge"}]}),
        ("fetchAndLock", {"workerId": "w", "maxTasks": 1, "topics": [{"topicName": "charge", "lockDuration": 0}]}),
        ("fetchAndLock", {"workerId": "w", "maxTasks": 1, "topics": "charge"}),
        ("1/complete", {}),
        ("1/failure", {"workerId": "w", "retries": "many"}),
        ("1/bpmnError", {"workerId": "w"}),
        ("1/extendLock", {"workerId": "w", "newDuration": -1}),
    ],
)
async def test_bad_bodies_are_told_in_their_words(engine: Client, verb: str, body: dict[str, Any]) -> None:
    answer = await engine.post(f"{ROOT}/{verb}", json=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "InvalidRequestException")
    assert (await engine.post(f"{ROOT}/{verb}", content=b"{")).status_code == 400


async def test_what_is_given_up_is_listed_told_and_tried_again(engine: Client) -> None:
    task_id = await engine.create("charge-card", {}, workflowId="p1")
    await engine.create("charge-card", {})
    first = next(each for each in await fetch(engine) if each["id"].startswith(task_id))
    assert await counted(engine, locked=True) == 2
    await post(engine, first["id"], "failure", errorMessage="never", errorDetails="the trace", retries=0)
    assert (await counted(engine, noRetriesLeft=True), await counted(engine, withRetriesLeft=True)) == (1, 1)
    (given_up,) = (
        await engine.post(f"{ROOT}?maxResults=5", json={"noRetriesLeft": True, "topicName": "charge"})
    ).json()
    assert (given_up["id"], given_up["retries"], given_up["errorMessage"]) == (task_id, 0, "never")
    assert (await engine.get(f"{ROOT}/{task_id}/errorDetails")).text == "the trace"
    assert (await engine.get(f"{ROOT}/topic-names")).json() == ["charge", "sums"]
    assert (await engine.put(f"{ROOT}/{task_id}/retries", json={"retries": 0})).status_code == 400
    assert (await engine.put(f"{ROOT}/{task_id}/retries", json={"retries": 3})).status_code == 204
    assert (await engine.put(f"{ROOT}/{task_id}/retries", json={"retries": 3})).status_code == 400
    assert (await task(engine, task_id))["status"] == "PENDING"
    assert await counted(engine, processInstanceId="p1", externalTaskId=task_id, notLocked=True) == 1
    assert await counted(engine, workerId="w1") == 1
    assert (await engine.post(ROOT, json={"unheard": 1})).status_code == 400


async def test_several_that_are_given_up_are_tried_again(engine: Client) -> None:
    ids = [await engine.create("charge-card", {}) for _ in range(2)]
    for each in await fetch(engine):
        await post(engine, each["id"], "failure", errorMessage="never", retries=0)
    assert (await engine.put(f"{ROOT}/retries", json={"retries": 1})).status_code == 400
    unknown = {"retries": 1, "externalTaskIds": ["1"]}
    assert (await engine.put(f"{ROOT}/retries", json=unknown)).status_code == 404
    some_unknown = {"retries": 1, "externalTaskIds": [*ids, "1"]}
    assert (await engine.put(f"{ROOT}/retries", json=some_unknown)).status_code == 404
    others = {"retries": 1, "externalTaskIds": ids, "processInstanceIds": ["p1"]}
    assert (await engine.put(f"{ROOT}/retries", json=others)).status_code == 400
    assert {(await task(engine, id_))["status"] for id_ in ids} == {"FAILED"}
    assert (await engine.put(f"{ROOT}/retries", json={"retries": 1, "externalTaskIds": ids})).status_code == 204
    assert {(await task(engine, id_))["status"] for id_ in ids} == {"PENDING"}


async def counted(client: Client, **wanted: Any) -> int:
    """By a body; and by a query, which says the same."""
    by_body = (await client.post(f"{ROOT}/count", json=wanted)).json()["count"]
    query = {name: str(value).lower() if isinstance(value, bool) else value for name, value in wanted.items()}
    assert (await client.get(f"{ROOT}/count", params=query)).json()["count"] == by_body
    return int(by_body)


async def test_a_worker_may_ask_for_far_more_than_there_is_and_for_a_topic_many_times(
    engine: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, claims = engine.services.engine.store, 0
    claim = store.claim

    async def counted(*given: Any) -> Any:
        nonlocal claims
        claims += 1
        return await claim(*given)

    monkeypatch.setattr(store, "claim", counted)
    await engine.create("charge-card")
    topics = [{"topicName": "charge", "lockDuration": 60_000}] * 50
    body = {"workerId": "w1", "maxTasks": 2**62, "topics": topics}
    answer = await engine.post(f"{ROOT}/fetchAndLock", json=body)
    assert answer.status_code == 200, answer.text
    (locked,) = answer.json()
    assert claims == 1
    await post(engine, locked["id"], "failure", retries=2**62)
    assert (await task(engine, locked["id"].partition(".")[0]))["status"] == "RETRYING"
