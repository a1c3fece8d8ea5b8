"""Events from outside: the shapes they come in, and what is read from them.

An event comes as `{key, payload, …}`, as the envelope of our own events, as a CloudEvent (structured, or with `ce_`
headers, https://cloudevents.io), or as any JSON value from a topic that names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from taskyard.domain.json import detail, digest, refusal

TASK_REQUESTED = "workflow.task_requested"
RESPONSE_RECEIVED = "integration.response_received"
METHOD_EXECUTED = "integration.method.executed"
METHOD_FAILED = "integration.method.failed"
SHUTDOWN_REQUESTED = "system.shutdown_requested"
MAINTENANCE_MODE = "system.maintenance_mode"

_LONGEST = 255


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """An event from outside. `id` is its sender's, unique for its `source`; `timestamp` as it was given."""

    key: str
    payload: Any = None
    id: str
    source: str = ""
    description: str = ""
    timestamp: str | int | float | None = None
    metadata: dict[str, Any] = {}

    @property
    def correlation_id(self) -> str | None:
        """What its sender knows the matter by."""
        return _short(self.metadata.get("correlationId"))

    @property
    def identity(self) -> bytes:
        """The same for the same event, however often it comes."""
        return digest(b"event", self.source.encode(), self.id.encode())

    def identity_for(self, purpose: str) -> bytes:
        """The same for the same event and what is made of it, such as the task of one definition."""
        return digest(b"event", self.source.encode(), self.id.encode(), purpose.encode())

    def document(self) -> dict[str, Any]:
        """The event as filters and inputs see it; `payload` is also called `data`."""
        return {
            "key": self.key,
            "id": self.id,
            "source": self.source,
            "description": self.description,
            "timestamp": self.timestamp,
            "metadata": self.metadata,
            "payload": self.payload,
            "data": self.payload,
        }


def read_incoming(
    value: Any, *, message_id: str, headers: Mapping[str, str] | None = None, topic: str = ""
) -> Incoming:
    """The event in a JSON value. `message_id` stands for an id that is not given, `topic` for a key.

    Raises ValidationFailed for what is no event.
    """
    given = _of_headers(value, headers or {}) or _of_value(value) or ({"key": topic, "payload": value} if topic else {})
    if not given:
        raise refusal([detail("", "is no event: give key and payload, or type and data", "oneOf")], "The message")
    return Incoming(
        key=_text(given, "key"),
        payload=given.get("payload"),
        id=_text(given, "id") if given.get("id") is not None else message_id,
        source=_text(given, "source") if given.get("source") else "",
        description=str(given.get("description") or ""),
        timestamp=_timestamp(given.get("timestamp")),
        metadata=given["metadata"] if isinstance(given.get("metadata"), dict) else {},
    )


def _of_headers(value: Any, headers: Mapping[str, str]) -> dict[str, Any] | None:
    """A CloudEvent in binary mode; our own are envelopes all the same."""
    type_ = headers.get("ce_type")
    if type_ is None:
        return None
    if isinstance(value, dict) and value.get("type") == type_ and "data" in value:
        return _of_value(value)
    time, source = headers.get("ce_time"), headers.get("ce_source")
    return {"key": type_, "payload": value, "id": headers.get("ce_id"), "source": source, "timestamp": time}


def _of_value(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        return None
    if "specversion" in value:
        return {**value, "key": value.get("type"), "payload": value.get("data"), "timestamp": value.get("time")}
    if "type" in value and "data" in value:
        metadata = value.get("metadata")
        source = metadata.get("source") if isinstance(metadata, dict) else None
        return {**value, "key": value["type"], "payload": value["data"], "source": value.get("source") or source}
    return value if "key" in value and "payload" in value else None


def _text(given: Mapping[str, Any], name: str) -> str:
    text = given.get(name)
    if isinstance(text, int) and not isinstance(text, bool):
        text = str(text)
    if not isinstance(text, str) or not 0 < len(text) <= _LONGEST:
        raise refusal([detail(f"/{name}", f"must be a text of 1 to {_LONGEST} characters", "maxLength")])
    return text


def _timestamp(value: Any) -> str | int | float | None:
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def _short(text: Any) -> str | None:
    return text if isinstance(text, str) and 0 < len(text) <= _LONGEST else None
