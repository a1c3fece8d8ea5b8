"""Events from outside: every shape they come in, and whatever else comes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain import sequence
from taskyard.domain.incoming import Incoming, read_incoming
from taskyard.errors import ValidationFailed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
FIELDS = st.sampled_from(["key", "payload", "type", "data", "id", "source", "specversion", "metadata", "timestamp"])
HEADERS = st.dictionaries(st.sampled_from(["ce_type", "ce_id", "ce_source", "ce_time", "x"]), st.text(), max_size=3)


@pytest.mark.parametrize(
    ("value", "headers", "topic"),
    [
        ({"key": "k", "payload": 1, "id": "7", "source": "s", "description": "d", "timestamp": 5}, {}, ""),
        ({"type": "k", "data": 1, "id": "7", "metadata": {"source": "s"}, "timestamp": 5}, {}, ""),
        ({"specversion": "1.0", "type": "k", "data": 1, "id": "7", "source": "s", "time": 5}, {}, ""),
        (1, {"ce_type": "k", "ce_id": "7", "ce_source": "s", "ce_time": "5"}, "topic"),
        ({"type": "k", "data": 1, "id": "7", "metadata": {"source": "s"}}, {"ce_type": "k"}, "topic"),
    ],
)
def test_each_shape_is_the_same_event(value: Any, headers: dict[str, str], topic: str) -> None:
    event = read_incoming(value, message_id="m", headers=headers, topic=topic)
    assert (event.key, event.payload, event.id, event.source) == ("k", 1, "7", "s")


def test_any_json_of_a_topic_is_an_event_of_it() -> None:
    event = read_incoming({"type": "order", "total": 3}, message_id="kafka:orders:0:7", topic="orders")
    assert (event.key, event.payload, event.id) == ("orders", {"type": "order", "total": 3}, "kafka:orders:0:7")


@pytest.mark.parametrize(
    "value",
    [None, 1, [], {}, {"key": "k"}, {"type": "k"}, {"key": "", "payload": 1}, {"key": "k" * 256, "payload": 1},
     {"key": ["k"], "payload": 1}, {"key": "k", "payload": 1, "id": ""}, {"key": "k", "payload": 1, "id": {}}],
)  # fmt: skip
def test_what_is_no_event_is_refused(value: Any) -> None:
    with pytest.raises(ValidationFailed):
        read_incoming(value, message_id="m")


@given(JSON | st.dictionaries(FIELDS, JSON, max_size=8), HEADERS, st.sampled_from(["", "topic"]))
def test_whatever_comes_is_an_event_or_refused(value: Any, headers: dict[str, str], topic: str) -> None:
    try:
        event = read_incoming(value, message_id="m", headers=headers, topic=topic)
    except ValidationFailed:
        return
    assert 0 < len(event.key) <= 255
    assert 0 < len(event.id) <= 255
    assert isinstance(event.source, str)
    assert event.identity == read_incoming(value, message_id="m", headers=headers, topic=topic).identity


def test_events_are_told_apart_by_source_and_id() -> None:
    def identity(source: str, id_: str) -> bytes:
        return Incoming(key="k", id=id_, source=source).identity

    identities = {identity("a", "bc"), identity("ab", "c"), identity("", "abc"), identity("abc", "")}
    assert len(identities) == 4
    assert Incoming(key="x", id="1").identity == Incoming(key="y", id="1", payload=2).identity
    assert Incoming(key="x", id="1").identity_for("a") != Incoming(key="x", id="1").identity_for("b")


@given(st.integers(0, 2**63 - 1))
def test_a_tasks_own_correlation_id_leads_back_to_it(task_id: int) -> None:
    assert sequence.task_of(sequence.correlation_id(task_id)) == task_id


@given(st.uuids().map(str) | st.text())
def test_another_correlation_id_leads_nowhere(text: str) -> None:
    found = sequence.task_of(text)
    assert found is None or sequence.correlation_id(found) == text
