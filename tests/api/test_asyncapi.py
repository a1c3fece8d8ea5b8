"""The AsyncAPI document: true to the events that are told, and to those that are understood."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import jsonschema_rs
import pytest

from taskyard.calls.breakers import Circuit
from taskyard.contracts.connector import Message, Refusal
from taskyard.domain.event import NAMES
from taskyard.domain.lifecycle import EventType
from taskyard.domain.window import BREAKER
from taskyard.runtime.relay import Relay
from taskyard.testing.clock import ManualClock
from tests.api.test_people import ANN, BOB, act, made
from tests.api.yard import Client
from tests.promises.test_events_in import envelope, send, wait_for_answer
from tests.promises.yard import client_of, define_more, events_of, make_yard


@pytest.fixture
async def document(client: Client) -> dict[str, Any]:
    answer = await client.get("/asyncapi.json")
    assert answer.status_code == 200
    return dict(answer.json())


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def resolve(document: dict[str, Any], reference: str) -> Any:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def validator(document: dict[str, Any], channel: str, key: str) -> jsonschema_rs.Validator:
    """What the payload of the message of this routing key must be."""
    messages = [resolve(document, each["$ref"]) for each in document["channels"][channel]["messages"].values()]
    (message,) = [each for each in messages if each["name"] == key]
    return jsonschema_rs.validator_for({**message["payload"], "components": document["components"]})


async def test_it_is_whole(document: dict[str, Any]) -> None:
    assert document["asyncapi"] == "3.0.0"
    for reference in references(document):
        assert resolve(document, reference) is not None, reference
    names = set(document["channels"]["published"]["messages"])
    assert names == {f"Task{type_.name.title()}Event" for type_ in EventType}
    assert {
        "TaskCreatedEvent",
        "TaskStartedEvent",
        "TaskCompletedEvent",
        "TaskFailedEvent",
        "TaskCanceledEvent",
    } <= names
    told = {resolve(document, each["$ref"])["name"] for each in document["channels"]["understood"]["messages"].values()}
    assert {"workflow.task_requested", "integration.response_received", "system.maintenance_mode"} <= told


async def test_events_are_as_it_says(document: dict[str, Any], tmp_path: Path) -> None:
    yard = make_yard(tmp_path)
    async with yard.worker(concurrency=2), client_of(yard) as http:
        await define_more(yard)
        ids = [
            await http.create("add", {"a": 1, "b": 2}),
            await http.create("refused", {"code": "NO"}),
            await http.create("flaky", {"failures": 1}),
            await http.create("approve"),
        ]
        await http.until(ids[0], "COMPLETED")
        await http.until(ids[1], "FAILED")
        await http.until(ids[2], "RETRYING")
        await http.until(ids[3], "ASSIGNED")
        ids.append(await wait_for_answer(http))
        await http.post(f"/api/internal/tasks/{ids[4]}/cancel", json={"reason": "enough"})
        await http.post("/api/internal/deadletters/requeue", json={"taskIds": [ids[1]]})
        (invalid,) = await send(http, envelope("workflow.task_requested", {"taskDefinitionId": "none"}))
        told = [event for task_id in [*ids, invalid] for event in await events_of(http, task_id)]
    keys = {name.type: name.key for name in NAMES.values()}
    for event in told:
        assert not list(validator(document, "published", keys[event["type"]]).iter_errors(event)), event
    assert {keys[event["type"]] for event in told} >= {
        "task.created", "task.started", "task.completed", "task.failed", "task.deadlettered", "task.retry",
        "task.assigned", "task.waiting", "task.canceled", "task.requeued",
    }  # fmt: skip


async def test_what_goes_to_a_broker_is_as_it_says(document: dict[str, Any], tmp_path: Path) -> None:
    yard, broker = make_yard(tmp_path), Taking()
    async with yard.worker(concurrency=1), client_of(yard) as http:
        relay = Relay(
            yard.engine, cast("Any", broker), Circuit("connector:taking", BREAKER, ManualClock()), cloud_events=True
        )
        await relay.begin()
        task_id = await made(http)
        for who, verb, body in (
            (ANN, "claim", {}), (ANN, "draft", {"output": {"ok": False}}), (ANN, "comments", {"text": "hm"}),
            (ANN, "follow-up", {"at": "2999-01-01T00:00:00Z"}), (ANN, "delegate", {"assigneeId": "bob"}),
            (BOB, "resolve", {}), (ANN, "release", {}), (ANN, "claim", {}), (ANN, "complete", {"output": {"ok": True}}),
        ):  # fmt: skip
            status, told = await act(http, who, task_id, verb, **body)
            assert status == 200, told
        while await yard.engine.store.sequence(1000):
            pass
        await relay.turn()
    keys = {name.type: name.key for name in NAMES.values()}
    sent = [(json.loads(message.body), dict(message.headers)) for message in broker.taken]
    for event, headers in sent:
        assert not list(validator(document, "published", keys[event["type"]]).iter_errors(event)), event
        assert (headers["ce_type"], headers["ce_id"], headers["ce_specversion"]) == (event["type"], event["id"], "1.0")
    assert {keys[event["type"]] for event, _ in sent} >= {
        "task.created", "task.assigned", "task.claimed", "task.drafted", "task.commented", "task.follow-up",
        "task.delegated", "task.resolved", "task.released", "task.completed",
    }  # fmt: skip


class Taking:
    """A broker that takes everything."""

    name, sends, receives = "taking", True, False

    def __init__(self) -> None:
        self.taken: list[Message] = []

    async def publish(self, messages: Sequence[Message]) -> list[Refusal | None]:
        self.taken += messages
        return [None] * len(messages)


@pytest.mark.parametrize(
    ("key", "data", "fits"),
    [
        ("workflow.task_requested", {"taskDefinitionId": "add", "input": {}}, True),
        ("workflow.task_requested", {"input": {}}, False),
        ("integration.response_received", {"taskId": "1", "output": None}, True),
        ("system.maintenance_mode", {"enabled": True}, True),
        ("system.maintenance_mode", {}, False),
        ("system.shutdown_requested", {}, True),
    ],
)
async def test_what_is_understood_is_as_it_says(document: dict[str, Any], key: str, data: Any, fits: bool) -> None:
    assert validator(document, "understood", key).is_valid(envelope(key, data)) == fits
