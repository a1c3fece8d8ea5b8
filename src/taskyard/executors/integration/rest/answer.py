"""From a response to an answer, or to the failure it stands for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx

from taskyard.contracts.integration import Files, OperationFailed
from taskyard.domain.json import loads
from taskyard.domain.text import printable
from taskyard.errors import CallFailed, TaskyardError
from taskyard.executors.integration.rest.shapes import Operation

_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_WAITS = frozenset({429, 503})
_MOST_OF_A_FAILURE = 64 << 10
_SHOWN = 2048
_LONGEST_WAIT = 86_400.0
_HIDDEN = frozenset({"set-cookie", "set-cookie2"})
_FILE_NAME = re.compile(r"filename\*?=(?:UTF-8'')?\"?([^\";]+)", re.IGNORECASE)


def headers_of(response: httpx.Response) -> dict[str, str]:
    """The headers as they may be kept."""
    return {name: printable(value) for name, value in response.headers.items() if name not in _HIDDEN}


async def read(
    operation: Operation, response: httpx.Response, pieces: AsyncIterator[bytes], files: Files
) -> tuple[Any, int]:
    """The output and the bytes of its body. Raises OperationFailed for a status or a content that is none."""
    if not response.is_success:
        raise await refused(response, pieces)
    media = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    kind = _kind(operation, media)
    if kind == "binary":
        return await _as_file(response, pieces, files)
    body = b"".join([piece async for piece in pieces])
    if not body:
        return None, 0
    if kind == "json":
        return _as_json(body, media), len(body)
    return _as_text(response, body), len(body)


async def refused(response: httpx.Response, pieces: AsyncIterator[bytes]) -> OperationFailed:
    """What a status that is no success stands for."""
    status, body = response.status_code, await _beginning(pieces)
    after = retry_after_of(response)
    text = printable(body[:_SHOWN].decode("utf-8", "replace"))
    return OperationFailed(
        _told(response),
        reason="credentials" if status == 401 else "status",
        retryable=status in _AGAIN,
        retry_after=after,
        burns=not (status in _WAITS and after is not None),
        counts=status >= 500,
        status=status,
        output=_parsed(body, text),
        details={"headers": headers_of(response), "body": text},
    )


def retry_after_of(response: httpx.Response) -> float | None:
    """The seconds that a response asks to wait; None where it does not say."""
    return retry_after(response.headers.get("retry-after", ""), datetime.now(UTC))


def retry_after(text: str, now: datetime) -> float | None:
    """The seconds that a Retry-After asks for (RFC 9110, section 10.2.3), a day at most; None for what is none."""
    if text.isascii() and text.isdecimal():
        return min(float(text[:12]), _LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), _LONGEST_WAIT)


def _kind(operation: Operation, media: str) -> str:
    is_json = media.endswith(("/json", "+json"))
    if operation.expect == "json" and not is_json and media:
        raise OperationFailed(
            f"the other side answered {printable(media[:100])}, and the operation expects JSON",
            reason="media",
            retryable=False,
        )
    if operation.expect != "auto":
        return operation.expect
    if is_json:
        return "json"
    is_text = media.startswith("text/") or media.endswith(("/xml", "+xml", "/x-www-form-urlencoded")) or not media
    return "text" if is_text else "binary"


def _as_json(body: bytes, media: str) -> Any:
    try:
        return loads(body)
    except (TaskyardError, ValueError, RecursionError) as error:
        why = getattr(error, "message", str(error))
        told = f"the answer ({media or 'without a media type'}) is no JSON that can be kept: {why}"
        raise OperationFailed(printable(told), reason="body", retryable=False) from None


def _as_text(response: httpx.Response, body: bytes) -> str:
    try:
        return body.decode(response.charset_encoding or "utf-8").replace("\0", "")
    except (LookupError, UnicodeDecodeError):
        raise OperationFailed(
            "the answer is no text in the encoding that it names; expect binary", reason="body", retryable=False
        ) from None


async def _as_file(response: httpx.Response, pieces: AsyncIterator[bytes], files: Files) -> tuple[Any, int]:
    path, size = files.folder / "answer", 0
    try:
        with await asyncio.to_thread(path.open, "wb") as stream:
            async for piece in pieces:
                size += len(piece)
                await asyncio.to_thread(stream.write, piece)
    except OSError as error:
        raise CallFailed(
            f"the answer cannot be kept: {error.strerror}; the data folder needs room", reason="disk"
        ) from None
    return await files.keep(path, _name_of(response)), size


def _name_of(response: httpx.Response) -> str:
    """What the answer calls its file: a name, whatever path it gives."""
    found = _FILE_NAME.search(response.headers.get("content-disposition", ""))
    name = unquote(found[1]) if found else response.request.url.path
    return Path(name.replace("\\", "/")).name.replace("\0", "")[:200] or "answer"


def _parsed(body: bytes, text: str) -> Any:
    try:
        return loads(body)
    except (TaskyardError, ValueError, RecursionError):
        return text


async def _beginning(pieces: AsyncIterator[bytes]) -> bytes:
    body = b""
    try:
        async for piece in pieces:
            body += piece
            if len(body) > _MOST_OF_A_FAILURE:
                break
    except CallFailed:
        pass  # the status says enough
    return body[:_MOST_OF_A_FAILURE]


def _told(response: httpx.Response) -> str:
    status, host = response.status_code, response.request.url.host
    told = f"{host} answered {status} {printable(response.reason_phrase)[:100]}".rstrip()
    if status == 401:
        return f"{told}: give the connection's credentials anew, or ask who has withdrawn them"
    if response.is_redirect:
        return f"{told}, which leads elsewhere: name that address, or set the connection's redirects"
    return told
