"""Receivers that lie, stall, flood and break the rules; each with what is to come of a try."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

from tests.security.egress.receiver import answer

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

METADATA = "http://169.254.169.254/latest/"
_HEAD = b"HTTP/1.1 200 OK\r\n"


class Receiver(NamedTuple):
    """How it answers, whether the event counts as taken, and a part of what is said where it does not; `stalls`: only
    patience that ends does away with it.
    """

    serve: Serve
    taken: bool
    told: str = ""
    stalls: bool = False


async def _asked(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    await reader.readexactly(int(length.partition(b":")[2]))


def says(raw: bytes) -> Serve:
    """Answers with these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _asked(reader)
        writer.write(raw)
        await writer.drain()

    return serve


def drips(first: bytes, rest: bytes, pause: float = 0.05) -> Serve:
    """Answers with the first at once and with the rest byte by byte."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _asked(reader)
        writer.write(first)
        for byte in rest:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(pause)

    return serve


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the request and says nothing."""
    del writer
    await _asked(reader)
    await asyncio.sleep(3600)


async def hangs_unread(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accepts and does not even read."""
    del reader, writer
    await asyncio.sleep(3600)


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Breaks off hard in the middle of the headers."""
    await _asked(reader)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-le")
    await writer.drain()
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A body without an end."""
    await _asked(reader)
    writer.write(_HEAD + b"transfer-encoding: chunked\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            await writer.drain()


async def continues(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Nothing but 100 Continue."""
    await _asked(reader)
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 50)
            await writer.drain()
            await asyncio.sleep(0.001)


_BOMB = gzip.compress(b"\0" * 10_000_000)

RECEIVERS: dict[str, Receiver] = {
    "accepts and never reads": Receiver(hangs_unread, False, "no", stalls=True),
    "reads and never answers": Receiver(hangs, False, "no", stalls=True),
    "a byte of header at a time": Receiver(drips(b"", _HEAD + b"x: " + b"y" * 4000), False, "within", stalls=True),
    "a byte of body at a time": Receiver(drips(_HEAD + b"content-length: 9999\r\n\r\n", b"x" * 9999), True),
    "an endless body": Receiver(floods, True),
    "a gzip bomb": Receiver(
        says(_HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(_BOMB) + _BOMB), True
    ),
    "10,000 headers": Receiver(
        says(_HEAD + b"".join(b"x-%d: %s\r\n" % (number, b"y" * 90) for number in range(10_000)) + b"\r\n"),
        False,
        "fail",
    ),
    "a reset amid the headers": Receiver(resets, False, "fail"),
    "no HTTP": Receiver(says(b"220 mail.example ESMTP\r\n"), False, "fail"),
    "an early end": Receiver(says(b""), False, "fail"),
    "an early end amid the body": Receiver(says(_HEAD + b"content-length: 100\r\n\r\nshort"), True),
    "a storm of 100 Continue": Receiver(continues, False, "before the answer"),
    "two different lengths": Receiver(says(_HEAD + b"content-length: 2\r\ncontent-length: 9\r\n\r\nok"), False, "fail"),
    "a redirect to itself": Receiver(says(answer("301 Moved", location="/")), False, "redirects are not followed"),
    "a redirect to the metadata": Receiver(says(answer("302 Found", location=METADATA)), False, "answered 302"),
    "a redirect that keeps the body": Receiver(says(answer("307 There", location=METADATA)), False, "answered 307"),
    "gone": Receiver(says(answer("410 Gone")), False, "answered 410"),
    "busy": Receiver(says(answer("429 Busy", retry_after="3600")), False, "answered 429"),
    "busy until yesterday": Receiver(says(answer("429 Busy", retry_after="-1")), False, "answered 429"),
    "busy for ever": Receiver(says(answer("503 Busy", retry_after="999999999999")), False, "answered 503"),
    "broken": Receiver(says(answer("500 Broken", body=b"\x1b]0;owned\x07 trace")), False, "answered 500"),
    "sets cookies": Receiver(says(answer("200 OK", set_cookie="a=b; Max-Age=9999")), True),
    "switches protocols": Receiver(says(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"), False, ""),
    "an unknown coding": Receiver(says(answer("200 OK", body=b"zz", content_encoding="br")), True),
}


@contextlib.asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    """The address of a server that behaves like this; whatever it still does ends with it."""
    running: set[asyncio.Task[Any]] = set()

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await serve(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()

    server = await asyncio.start_server(guarded, "127.0.0.1")
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _main(good: int) -> None:
    """All of them, or so many good ones, as a process of their own: their addresses on a line, until stdin ends."""
    each_one = [says(answer("204 No Content"))] * good or [each.serve for each in RECEIVERS.values()]
    async with contextlib.AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(serving(serve)) for serve in each_one]
        sys.stdout.write(" ".join(urls) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
