"""Reading an answer's body: never more than asked for, however well it was packed."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Protocol, cast

from taskyard.errors import CallFailed

if TYPE_CHECKING:
    import httpx

_STEP = 65_536
_EITHER_HEADER = 32 + zlib.MAX_WBITS


async def bounded(response: httpx.Response, max_bytes: int) -> AsyncIterator[bytes]:
    """The decoded body in pieces of at most 64 KiB. Raises CallFailed beyond `max_bytes` or for a broken coding."""
    declared = response.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes and response.request.method != "HEAD":
        raise _too_large(max_bytes)
    decoder = _decoder(response.headers.get("content-encoding", ""))
    total = 0
    async for raw in cast("httpx.AsyncByteStream", response.stream):
        for piece in decoder.pieces(raw):
            total += len(piece)
            if total > max_bytes:
                raise _too_large(max_bytes)
            yield piece
    decoder.end()


class _Decoder(Protocol):
    def pieces(self, raw: bytes) -> Iterator[bytes]: ...

    def end(self) -> None: ...


class _Plain:
    def pieces(self, raw: bytes) -> Iterator[bytes]:
        yield raw

    def end(self) -> None:
        pass


class _Inflate:
    """gzip and deflate (RFC 1950, 1952), unpacked step by step so that a bomb is noticed before it has grown."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(_EITHER_HEADER)
        self._fed = False

    def pieces(self, raw: bytes) -> Iterator[bytes]:
        self._fed = self._fed or bool(raw)
        rest = raw
        while rest and not self._inner.eof:
            try:
                piece = self._inner.decompress(rest, _STEP)
            except zlib.error:
                raise CallFailed("the answer's compressed body is damaged", reason="body") from None
            rest = self._inner.unconsumed_tail
            yield piece
        if self._inner.unused_data or rest:
            raise CallFailed("something follows the answer's compressed body", reason="body")

    def end(self) -> None:
        if self._fed and not self._inner.eof:
            raise CallFailed("the answer's compressed body is not whole", reason="body")


def _decoder(coding: str) -> _Decoder:
    match coding.strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip" | "x-gzip" | "deflate":
            return _Inflate()
    raise CallFailed(f"the answer is coded as {coding[:40]!r}, which was not asked for", reason="body")


def _too_large(max_bytes: int) -> CallFailed:
    return CallFailed(f"the answer is larger than {max_bytes} bytes", reason="too-large", retryable=False)
