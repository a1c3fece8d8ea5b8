"""From an operation and an input to the request: whatever the input holds goes as data, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlencode

import msgspec

from taskyard.contracts.integration import Call
from taskyard.domain.json import dumps
from taskyard.domain.template import fill, parse_template
from taskyard.errors import ValidationFailed
from taskyard.executors.integration.rest.multipart import multipart, streamed
from taskyard.executors.integration.rest.shapes import Operation

_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
_OURS = frozenset(
    {
        "host", "content-length", "transfer-encoding", "connection", "authorization", "proxy-authorization",
        "accept-encoding", "traceparent", "te", "upgrade",
    }
)  # fmt: skip
_OF_PATHS = "/%:@!$&'()*+,;=~"
_STEPS = frozenset({".", ".."})
_VALUE = re.compile(r"[\t -~\x80-\U0010ffff]*")
_MEDIA = {"json": "application/json", "form": "application/x-www-form-urlencoded", "text": "text/plain; charset=utf-8"}


class Body(NamedTuple):
    """What is sent: all of it at once, or in pieces. `size` in bytes."""

    content: bytes | AsyncIterator[bytes] | None
    media: str
    size: int


class Planned(NamedTuple):
    """A request but for its credentials. `query` in order."""

    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]


def plan(operation: Operation, call: Call) -> Planned:
    """The request for this input. Raises ValidationFailed for one that cannot be made of it."""
    try:
        path = quote(parse_template(operation.path).text(call.input, _segment), safe=_OF_PATHS)
        query = [pair for name, value in operation.query.items() for pair in _pairs(name, fill(value, call.input))]
        values = {name: fill(text, call.input) for name, text in operation.headers.items()}
        headers = {name.lower(): _header(name, value) for name, value in values.items() if value is not None}
    except ValueError as error:
        raise ValidationFailed(f"the request cannot be made of this input: {error}") from None
    if any(unquote(step) in _STEPS for step in path.split("/")):
        raise ValidationFailed(f"the path {path[:200]!r} has a step . or .. in it, which would lead elsewhere")
    return Planned(path, query, headers)


async def body_of(operation: Operation, call: Call) -> Body:
    """The body. Raises ValidationFailed for an input of which it cannot be made."""
    encoding = operation.encoding or ("none" if operation.method in _WITHOUT_BODY else "json")
    if encoding == "none":
        return Body(None, "", 0)
    value = call.body
    if operation.body is not msgspec.UNSET:
        try:
            value = fill(operation.body, call.input)
        except ValueError as error:
            raise ValidationFailed(f"the body cannot be made of this input: {error}") from None
    match encoding:
        case "multipart":
            return Body(*await multipart(_object(value, encoding), call.files))
        case "binary":
            file = await call.files.read(str(value.get("file") if isinstance(value, dict) else value))
            return Body(streamed(file), operation.content_type or "application/octet-stream", file.size)
        case "form":
            pairs = [pair for name, each in _object(value, encoding).items() for pair in _pairs(name, each)]
            content = urlencode(pairs).encode()
        case "text":
            content = (value if isinstance(value, str) else msgspec.json.encode(value).decode()).encode()
        case _:
            content = dumps(value)
    return Body(content, operation.content_type or _MEDIA[encoding], len(content))


def _segment(text: str) -> str:
    if text in ("", *_STEPS):
        raise ValueError(f"{text!r} is nothing that can stand in a path")
    return quote(text, safe="")


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    if value is None:
        return []
    if isinstance(value, list):
        return [pair for item in value for pair in _pairs(name, item)]
    if isinstance(value, bool):
        return [(name, "true" if value else "false")]
    return [(name, value if isinstance(value, str) else msgspec.json.encode(value).decode())]


def _header(name: str, given: Any) -> str:
    value = given if isinstance(given, str) else msgspec.json.encode(given).decode()
    if name.lower() in _OURS:
        raise ValueError(f"the header {name} is set by the connection and the request itself")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"the value of the header {name} holds characters that no header may")
    return value


def _object(value: Any, encoding: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValidationFailed(f"a body of encoding {encoding} is made of an object, its fields by name")
    return value
