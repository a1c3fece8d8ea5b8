"""External systems by name, and calls over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taskyard.client.talk import API, JsonObject, Stream, Talk, fetch, given, pages, part


def connections() -> Stream[JsonObject]:
    """The connections, by id."""
    yield from pages(f"{API}/connections")


def connection(connection_id: str) -> Talk[JsonObject]:
    """A connection, and how its breaker stands. Raises NotFound."""
    answer: JsonObject = yield from fetch("GET", _connection(connection_id))
    return answer


def connection_types() -> Stream[JsonObject]:
    """The types that connections may be of, with the schemas of what they are told."""
    yield from pages(f"{API}/connection-types")


def put_connection(connection: Mapping[str, Any]) -> Talk[JsonObject]:
    """Keep a connection under its `connectionId`: `{"type": "rest", "settings": …, "secrets": …}`.

    Without `secrets` those it has stay, if its settings do. Raises ValidationFailed.
    """
    path = _connection(str(connection["connectionId"]))
    answer: JsonObject = yield from fetch("PUT", path, body=dict(connection), repeatable=True)
    return answer


def remove_connection(connection_id: str) -> Talk[None]:
    """Forget a connection with its secrets. Raises NotFound."""
    yield from fetch("DELETE", _connection(connection_id))


def try_connection(connection_id: str) -> Talk[JsonObject]:
    """See whether the other side is there and lets us in: `{ok, latencyMs, error}`. Raises NotFound."""
    answer: JsonObject = yield from fetch("POST", f"{_connection(connection_id)}/test", waits=30)
    return answer


def invoke(
    connection_id: str, operation: Mapping[str, Any], input: Any = None, *, timeout: float = 60.0, **about: Any
) -> Talk[JsonObject]:
    """Make a call over a connection, without a task: `{output, correlationId}`.

    `about`: `request`, `response`, `error_expression`, `idempotency_key`, `correlation_id`. Raises NotFound, Forbidden,
    ValidationFailed, CallFailed, CircuitOpen.
    """
    body = given(operation=dict(operation), input=input, timeout=timeout, **about)
    path = f"{API}/integrations/{part(connection_id)}/invoke"
    answer: JsonObject = yield from fetch("POST", path, body=body, waits=timeout)
    return answer


def _connection(connection_id: str) -> str:
    return f"{API}/connections/{part(connection_id)}"
