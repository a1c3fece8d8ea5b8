"""The sender: makes one try of one delivery, and tells what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from taskyard.contracts.webhooks import DeliveryRow
from taskyard.domain.task import iso
from taskyard.domain.text import printable
from taskyard.domain.webhook import Heard
from taskyard.errors import CallFailed, EgressRefused
from taskyard.notify.webhooks.credentials import Credentials
from taskyard.security.egress.terms import Limits
from taskyard.security.webhooks import signed_headers

MASKED = "***"
_LIMITS = Limits(connect=5.0, read=15.0, total=15.0, max_bytes=1 << 40)
_BODY_KEPT = 4096
_BODY_SECONDS = 2.0
_BODY_PIECES = 20
"""Each costs what a whole body does; who sends it byte by byte has no more of our time than that."""
_HEADERS_KEPT = 30
_HEADER_LENGTH = 512
_ERROR_LENGTH = 500
_HIDDEN = frozenset({"authorization", "set-cookie", "www-authenticate", "proxy-authenticate"})


class Signing(NamedTuple):
    """With what a delivery is signed: the secrets that hold, newest first; `both`: in our own form besides."""

    secrets: list[str]
    both: bool


class Tried(NamedTuple):
    """What came of a try, and its entry in the delivery's log."""

    heard: Heard
    entry: dict[str, Any]


async def attempt(row: DeliveryRow, url: str, signing: Signing, credentials: Credentials, now: int) -> Tried:
    """Send the delivery once; `now` in microseconds since the epoch. Whatever the receiver does is an answer."""
    begun = time.perf_counter()
    headers = {"content-type": "application/json", "accept": "*/*"}
    headers |= signed_headers(signing.secrets, row.event_id, now, row.body, both=signing.both)
    entry: dict[str, Any] = {"at": iso(now), "request": {"url": url, "headers": _shown(headers.items())}}
    try:
        headers |= await credentials.headers()
        entry["request"]["headers"] = _shown(headers.items())
        async with credentials.egress.stream("POST", url, headers=headers, content=row.body, limits=_LIMITS) as answer:
            response = answer.response
            heard = Heard(response.status_code, None, retry_after(response.headers.get("retry-after"), now))
            entry["response"] = {
                "headers": _shown(response.headers.multi_items()),
                "body": await _beginning(answer.pieces),
            }
    except (CallFailed, EgressRefused) as error:
        heard = Heard(error=printable(error.message)[:_ERROR_LENGTH])
    if heard.status == 401:
        credentials.refused()
    latency = round((time.perf_counter() - begun) * 1000, 1)
    return Tried(heard, {**entry, "status": heard.status, "latencyMs": latency, "error": heard.told})


async def _beginning(pieces: AsyncIterator[bytes]) -> str:
    """The first of a body, as far as it comes soon: its status has said already whether the event was taken."""
    import httpx  # loaded with the first call

    kept = b""
    with contextlib.suppress(TimeoutError, CallFailed, httpx.TransportError, httpx.StreamError):
        async with asyncio.timeout(_BODY_SECONDS):
            left = _BODY_PIECES
            async for piece in pieces:
                kept += piece[: _BODY_KEPT - len(kept)]
                left -= 1
                if len(kept) >= _BODY_KEPT or not left:
                    break
    return printable(kept.decode("utf-8", "replace"))


def retry_after(text: str | None, now: int) -> float | None:
    """The seconds a `Retry-After` asks for (RFC 9110, section 10.2.3); None for none, or nonsense."""
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and len(text) < 12:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now / 1_000_000)
    except (ValueError, TypeError, OverflowError):
        return None


def _shown(headers: Any) -> dict[str, str]:
    """Headers as the log keeps them."""
    kept = list(headers)[:_HEADERS_KEPT]
    return {
        name.lower(): MASKED if name.lower() in _HIDDEN else printable(str(value))[:_HEADER_LENGTH]
        for name, value in kept
    }
