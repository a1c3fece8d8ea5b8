"""Connections: external systems by name, and calls over them."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_page
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.contracts.integration import ConnectionType
from taskyard.domain.breaker import CONNECTION
from taskyard.domain.connection import Connection, ConnectionLimits, Secret, is_connection_id
from taskyard.domain.forms.fields import form_for
from taskyard.domain.policy import invalid
from taskyard.domain.task import Time, iso
from taskyard.engine.connection_book import Known
from taskyard.engine.connections import (
    get_connection,
    leased_connection,
    list_connections,
    open_kept,
    put_connection,
    remove_connection,
    shown_secrets,
)
from taskyard.errors import ConfigurationError
from taskyard.security.box import SecretBox

routes = Routes("Connections")
internal = Routes("Internal: connections")


class ConnectionBody(Connection, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A connection as it is given. Without `secrets` those it has stay, if its settings do;
    `connectionId` repeats the address.
    """

    connection_id: str = ""
    secrets: dict[str, Secret] | None = None


class BreakerState(schemas.Answer):
    """How a breaker stands: `failureRate` of the last minute, `opensIn` seconds until a call is tried again."""

    state: str
    failure_rate: float
    opens_in: float


class ConnectionState(Connection, frozen=True, rename="camel", omit_defaults=False, kw_only=True):
    """A connection as it stands. `secrets`: the names of those it has (true), and where those are that are elsewhere;
    null where they were sealed with a key that is not there.
    """

    secrets: dict[str, Any] | None
    breaker: BreakerState
    created_at: Time
    changed_at: Time


class ConnectionPage(schemas.Answer):
    """Some connections."""

    items: list[ConnectionState]
    next_cursor: str | None


class ConnectionTypeState(schemas.Answer):
    """A type that connections may be of, and the schemas of what it is told; `problem`: why it cannot be used. `fields`
    are those of a form for a connection's settings, secrets and limits.
    """

    type: str
    settings: dict[str, Any] | None
    secrets: dict[str, Any] | None
    operation: dict[str, Any] | None
    fields: dict[str, list[dict[str, Any]]] | None
    problem: str | None


class ConnectionTypes(schemas.Answer):
    """All types."""

    items: list[ConnectionTypeState]
    next_cursor: str | None


class Tested(schemas.Answer):
    """What came of a test; `latencyMs` it took."""

    ok: bool
    latency_ms: float
    error: dict[str, Any] | None


class LeaseBody(schemas.Strict):
    """The lease of a task that goes over the connection."""

    task_id: schemas.TaskId
    lease_token: str


class Resolved(schemas.Answer):
    """A connection with the values of its secrets; an `accessToken` instead where a refresh token is among them."""

    connection_id: str
    type: str
    settings: dict[str, Any]
    secrets: dict[str, str]


_OF_MANY_LINES = frozenset({"authorities", "certificate", "key", "privateKey"})
_TEXTS = frozenset({"text", "textarea", "password"})
_ABBREVIATION = re.compile(r"\b(api|tls|url)\b", re.IGNORECASE)

_LIMIT_HINTS = {"rateLimit": {"placeholder": "10/s"}, "timeout": {"unit": "s"}}
_LIMITS = form_for(msgspec.json.schema(ConnectionLimits), _LIMIT_HINTS)["fields"]

CONNECTION_BODY = Shape[ConnectionBody](ConnectionBody)
LEASE = Shape[LeaseBody](LeaseBody)


@routes.add("GET /api/v1/connection-types", answers={200: ConnectionTypes})
async def read_types(call: Call) -> Response:
    """The types there are, with the schemas from which forms are made."""
    types = call.engine.connection_types
    return answer({"items": [_type_json(name, types.get) for name in types.names], "nextCursor": None})


@routes.add("GET /api/v1/connections", query=schemas.PAGE_QUERY, answers={200: ConnectionPage})
async def read_connections(call: Call) -> Response:
    """The connections, by id."""
    query, cursors = call.query(schemas.PAGE_QUERY), call.services.cursors
    page = await list_connections(call.engine, query.limit, cursors.read_name("connections", query.cursor))
    now = await call.engine.store.now()
    items = [connection_json(known, call.services.box, now) for known in page.items]
    return answer_page(items, cursors.make("connections", page.next))


@routes.add("GET /api/v1/connections/{connectionId}", answers={200: ConnectionState})
async def read_connection(call: Call) -> Response:
    """A connection, and how its breaker stands."""
    return await _told(call, await get_connection(call.engine, call.param("connectionId")))


@routes.add(
    "PUT /api/v1/connections/{connectionId}",
    body=CONNECTION_BODY,
    answers={200: ConnectionState, 201: ConnectionState},
)
async def write_connection(call: Call) -> Response:
    """Keep a connection; its secrets are written and never read."""
    connection, secrets = connection_of(call.param("connectionId"), await call.body(CONNECTION_BODY))
    known, is_new = await put_connection(call.engine, call.services.box, connection, secrets)
    call.audit("connection stored", connection=known.row.id, type=connection.type, secrets=sorted(secrets or ()))
    return await _told(call, known, 201 if is_new else 200)


@routes.add("DELETE /api/v1/connections/{connectionId}", answers={204: None})
async def delete_connection(call: Call) -> Response:
    """Forget a connection with its secrets; tasks that go over it fail."""
    connection_id = call.param("connectionId")
    await remove_connection(call.engine, connection_id)
    await call.services.integrations().links.drop(connection_id)
    call.audit("connection removed", connection=connection_id)
    return Response(status_code=204)


@routes.add("POST /api/v1/connections/{connectionId}/test", answers={200: Tested})
async def test_connection(call: Call) -> Response:
    """See whether the other side is there and lets us in; nothing there is changed."""
    known = await get_connection(call.engine, call.param("connectionId"))
    seconds, error = await call.while_here(call.services.integrations().test(known.row))
    call.audit("connection tested", connection=known.row.id, ok=error is None)
    return answer(tested_json(seconds, error))


@internal.add("POST /api/internal/connections/{connectionId}/resolve", body=LEASE, answers={200: Resolved})
async def resolve(call: Call) -> Response:
    """The credentials, for who holds the lease of a task that goes over the connection."""
    connection_id = call.param("connectionId")
    await get_connection(call.engine, connection_id)
    body = await call.body(LEASE)
    row = await leased_connection(
        call.engine, call.services.leases, call.caller, connection_id, int(body.task_id), body.lease_token
    )
    secrets = await call.services.integrations().links.lent(row)
    call.audit("credentials resolved", kept=False, connection=connection_id, task=body.task_id)
    found = row.connection
    return answer({"connectionId": row.id, "type": found.type, "settings": found.settings, "secrets": secrets})


def connection_of(connection_id: str, body: ConnectionBody) -> tuple[Connection, dict[str, Secret] | None]:
    """The connection that a body is about, and its secrets. Raises ValidationFailed."""
    if body.connection_id not in ("", connection_id):
        message = f"the body is about {body.connection_id!r}, the address about {connection_id!r}"
        raise invalid("/connectionId", message, "const")
    if not is_connection_id(connection_id):
        raise invalid("/connectionId", "use letters, digits, dot, dash and underscore, 128 at most", "pattern")
    fields = {each.name: getattr(body, each.name) for each in msgspec.structs.fields(Connection)}
    return Connection(**{**fields, "connection_id": connection_id}), body.secrets


def connection_json(known: Known, box: SecretBox, now: int) -> dict[str, Any]:
    """A connection as the contract's JSON, every field of it but what is secret."""
    row = known.row
    try:
        secrets = shown_secrets(open_kept(box, row))
    except ConfigurationError:
        secrets = None
    return {
        **_plain(row.connection),
        "secrets": secrets,
        "breaker": known.breaker.figures(CONNECTION, now),
        "createdAt": iso(row.created_at),
        "changedAt": iso(row.revision),
    }


def _plain(connection: Connection) -> dict[str, Any]:
    """All its fields, those too that are as they are by default."""
    fields = {each.encode_name: getattr(connection, each.name) for each in msgspec.structs.fields(Connection)}
    return {**fields, "limits": msgspec.to_builtins(connection.limits)}


def tested_json(seconds: float, error: Any) -> dict[str, Any]:
    """What came of a test, as JSON."""
    told = None if error is None else msgspec.to_builtins(error)
    return {"ok": error is None, "latencyMs": round(seconds * 1000, 1), "error": told}


def _type_json(name: str, get: Any) -> dict[str, Any]:
    try:
        found: ConnectionType | None = get(name)
        problem = None
    except ConfigurationError as error:
        found, problem = None, error.message
    schemas_ = {each: getattr(found, each, None) for each in ("settings", "secrets", "operation")}
    return {"type": name, **schemas_, "fields": None if found is None else _fields(found), "problem": problem}


def _fields(type_: ConnectionType) -> dict[str, Any]:
    """Settings that have to be given come first."""
    settings = [_legible(field, "text") for field in form_for(dict(type_.settings))["fields"]]
    secrets = [_secret(field) for field in form_for(dict(type_.secrets))["fields"]]
    return {
        "settings": sorted(settings, key=lambda field: not field["required"]),
        "secrets": secrets,
        "limits": _LIMITS,
    }


def _legible(field: dict[str, Any], line: str) -> dict[str, Any]:
    """A field that keeps the lines of a PEM; whatever else is text goes into a line, however long it may be."""
    told = {**field, "label": _ABBREVIATION.sub(lambda found: found[0].upper(), field["label"])}
    if "fields" in field:
        told["fields"] = [_legible(each, line) for each in field["fields"]]
    if field["widget"] in _TEXTS and not field.get("multiple"):
        told["widget"] = "textarea" if field["key"] in _OF_MANY_LINES else line
    return told


def _secret(field: dict[str, Any]) -> dict[str, Any]:
    """It does not show what is typed, and has no default, lest one be stored in place of what is kept."""
    return {name: value for name, value in _legible(field, "password").items() if name != "default"}


async def _told(call: Call, known: Known, status: int = 200) -> Response:
    return answer(connection_json(known, call.services.box, await call.engine.store.now()), status)
