"""Bodies: read strictly, with their limit checked before and while they are read."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Receive

from taskyard.api.errors import ClientGone
from taskyard.domain.json import loads
from taskyard.errors import Malformed, PayloadTooLarge


async def read_json(headers: Headers, receive: Receive, limit: int, *, optional: bool = False) -> Any:
    """The JSON value of a body of at most `limit` bytes; `{}` for an empty one that is `optional`.

    Raises Malformed, ValidationFailed, PayloadTooLarge, ClientGone.
    """
    raw = await read_body(headers, receive, limit)
    if not raw and optional:
        return {}
    check_media_type(headers, "application/json")
    return loads(raw)


async def read_body(headers: Headers, receive: Receive, limit: int) -> bytes:
    """All of a body of at most `limit` bytes. Raises Malformed, PayloadTooLarge, ClientGone."""
    return b"".join([chunk async for chunk in stream_body(headers, receive, limit)])


async def stream_body(headers: Headers, receive: Receive, limit: int) -> AsyncGenerator[bytes, None]:
    """A body's chunks, broken off beyond `limit` bytes. Raises Malformed, PayloadTooLarge, ClientGone."""
    if headers.get("content-encoding", "identity") != "identity":
        raise Malformed("Bodies are taken uncompressed; send this one without Content-Encoding.")
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise _too_large(limit)
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return


def media_type(headers: Headers) -> str:
    """The body's media type without its parameters, in lower case."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def check_media_type(headers: Headers, expected: str) -> None:
    """Raise Malformed unless the body is of this media type."""
    given = media_type(headers)
    if given != expected:
        raise Malformed(f"Content-Type is {given or 'missing'}; send {expected}.")


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The body is larger than the {limit} bytes it may have.", details={"limit": limit})
