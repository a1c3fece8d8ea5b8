"""The one way out of a jail: an HTTP proxy at a socket file, to the endpoints that a definition allows and no others.

`CONNECT` for what speaks TLS (RFC 9110 §9.3.6), requests with a whole address for plain HTTP (RFC 9112 §3.2.2).
What is allowed is looked at again by the guard of all that leaves: on the address that is connected to.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from taskyard.errors import CallFailed, EgressRefused

if TYPE_CHECKING:
    from taskyard.security.egress.guard import Guard

_HEAD_SECONDS = 10.0
_LONGEST_HEAD = 16_384
_CHUNK = 65_536
_HTTP = 80
_MOST_AT_ONCE = 64
"""Connections of one call: each takes two of our descriptors."""

_HOP = (b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive")


class Wanted(NamedTuple):
    """Where a request wants to go; `head` is what goes there first."""

    host: str
    port: int
    head: bytes


class Proxy:
    """Serves one call. Use as `async with`. `path`: its socket's, made and removed; None: it is at a `port` of this
    machine, and speaks only with whom it was told to expect.
    """

    def __init__(self, guard: Guard, allow: Sequence[str], path: Path | None) -> None:
        self._guard = guard
        self._allow = frozenset(endpoint.lower() for endpoint in allow)
        self.path = path
        self.port = 0
        self._expected: set[int] = set()
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        if self.path is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_LONGEST_HEAD)
            self.port = self._server.sockets[0].getsockname()[1]
        else:
            self._server = await asyncio.start_unix_server(self._accept, self.path, limit=_LONGEST_HEAD)
            self.path.chmod(0o600)
        return self

    def expect(self, port: int) -> None:
        """Speak with who comes from this port of this machine, once. May be called from any thread."""
        self._expected.add(port)

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs has a task
        self._serving.add(task)
        try:
            if self._is_expected(writer) and len(self._serving) <= _MOST_AT_ONCE:
                await self._serve(reader, writer)
        finally:
            self._serving.discard(task)
            writer.close()

    def _is_expected(self, writer: asyncio.StreamWriter) -> bool:
        if self.path is not None:
            return True
        port = writer.get_extra_info("peername")[1]
        if port not in self._expected:
            return False
        self._expected.discard(port)
        return True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            wanted = read_head(head)
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return _answer(writer, 400, "this is no request to a proxy")
        if f"{wanted.host}:{wanted.port}" not in self._allow:
            return _answer(writer, 403, f"{wanted.host}:{wanted.port} is not in the definition's network.allow")
        try:
            theirs, there = await self._guard.open_connection(wanted.host, wanted.port)
        except EgressRefused as refused:
            return _answer(writer, 403, refused.message)
        except CallFailed as failed:
            return _answer(writer, 502, failed.message)
        if wanted.head:
            there.write(wanted.head)
        else:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            await asyncio.gather(_copy(reader, there), _copy(theirs, writer))
        finally:
            there.close()
        return None


def read_head(head: bytes) -> Wanted:
    """Where the request goes, and its head as its server wants it. Raises ValueError."""
    lines = head[:-4].split(b"\r\n")
    method, target, version = lines[0].decode("ascii").split(" ")
    if not version.startswith("HTTP/1.") or any(b"\n" in line or b"\r" in line for line in lines):
        raise ValueError("not HTTP/1")
    if method == "CONNECT":
        host, _, port = target.rpartition(":")
        return Wanted(host.lower(), int(port), b"")
    parts = urlsplit(target)
    if parts.scheme != "http" or not parts.hostname or parts.username is not None:
        raise ValueError("not a plain HTTP address")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kept = [line for line in lines[1:] if line.partition(b":")[0].strip().lower() not in _HOP]
    first = f"{method} {path} {version}".encode()
    return Wanted(parts.hostname, parts.port or _HTTP, b"\r\n".join([first, *kept, b"Connection: close", b"", b""]))


def _answer(writer: asyncio.StreamWriter, status: int, text: str) -> None:
    body = f"{text}\n".encode()
    head = f"HTTP/1.1 {status} Refused\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
