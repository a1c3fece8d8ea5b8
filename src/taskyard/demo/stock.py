"""The stock service of the demo: a small REST API on this machine that wants to see a token, and a connection to it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec

from taskyard.demo.plan import Step
from taskyard.domain.connection import Connection, ConnectionLimits
from taskyard.engine.connections import put_connection
from taskyard.engine.define import define, parse_definition
from taskyard.engine.engine import Engine
from taskyard.security.box import SecretBox

CONNECTION, HOST = "stock", "127.0.0.1"

DEFINITION: dict[str, Any] = {
    "key": "check-stock",
    "title": "Check the stock",
    "description": "Asks the stock service, over the connection “stock”; its token never comes near the task.",
    "category": "data",
    "icon": "package",
    "tags": ["integration", "rest"],
    "implementation": {
        "kind": "integration",
        "connectionId": CONNECTION,
        "operation": {"path": "/items/{article}", "query": {"place": "{place}"}},
        "response": "{summary: join('', [output.article, ': ', to_string(output.pieces), ' pieces']), stock: output}",
        "errorExpression": "status == `404` && {code: 'UNKNOWN_ARTICLE', message: output.error}",
    },
    "inputSchema": {
        "type": "object",
        "properties": {
            "article": {"type": "string", "title": "Article", "minLength": 1, "default": "lamp"},
            "place": {"type": "string", "title": "Place", "enum": ["shop", "warehouse"], "default": "shop"},
        },
        "required": ["article"],
        "additionalProperties": False,
    },
}

STEP = Step(DEFINITION["key"], {"article": "lamp", "place": "warehouse"}, {})

_PIECES = {"lamp": {"shop": 4, "warehouse": 120}, "chair": {"shop": 0, "warehouse": 18}}
_LONGEST_HEAD = 8192


class Service(NamedTuple):
    """Where the service is, and the token that it wants to see."""

    port: int
    token: str


async def prepare(engine: Engine, box: SecretBox, service: Service) -> None:
    """Keep the connection to the service, and the definition that uses it."""
    settings = {"baseUrl": f"http://{HOST}:{service.port}", "auth": {"type": "bearer"}}
    connection = Connection(
        connection_id=CONNECTION, type="rest", title="The stock service", settings=settings,
        limits=ConnectionLimits(rate_limit="50/s", max_concurrent=4, timeout=10.0),
    )  # fmt: skip
    await put_connection(engine, box, connection, {"token": service.token})
    await define(engine, [parse_definition(DEFINITION)])


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Service]:
    """The service at work."""
    token = secrets.token_urlsafe(16)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            writer.write(_answer(head, token))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0, limit=_LONGEST_HEAD)
    async with server:
        yield Service(server.sockets[0].getsockname()[1], token)


def _answer(head: str, token: str) -> bytes:
    target = urlsplit(head.split(" ", 2)[1])
    article = target.path.rpartition("/")[2]
    place = parse_qs(target.query).get("place", ["shop"])[0]
    if f"authorization: bearer {token}".lower() not in head.lower():
        return _written("401 Unauthorized", {"error": "who is asking?"})
    if article not in _PIECES:
        return _written("404 Not Found", {"error": f"there is no article {article}"})
    return _written("200 OK", {"article": article, "place": place, "pieces": _PIECES[article].get(place, 0)})


def _written(status: str, told: dict[str, Any]) -> bytes:
    body = msgspec.json.encode(told)
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return f"{head}\r\nconnection: close\r\n\r\n".encode() + body
