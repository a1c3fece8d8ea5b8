"""Connections kept for the next call. A call looks at those it may use, whatever others there are: httpcore's own pool
looks at every connection several times a call, and closes idle ones as soon as more are in use than may be idle.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx

from taskyard.security.egress.connection import Connection
from taskyard.security.egress.stream import Stream

Connect = Callable[[httpx.URL, float | None], Awaitable[Stream]]
"""`await connect(url, seconds)` connects to the host and port of a URL, by TLS for https."""

_Key = tuple[bytes, bytes, int | None]


class Pool(httpx.AsyncBaseTransport):
    """At most `most` calls at once; of the connections that none uses at most `kept` stay open, so many seconds."""

    def __init__(self, connect: Connect, *, most: int, kept: int, seconds: float) -> None:
        self._connect = connect
        self._kept = kept
        self._seconds = seconds
        self._room = asyncio.Semaphore(most)
        self._idle: dict[_Key, deque[Connection]] = {}
        self._since: dict[Connection, tuple[_Key, float]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx. The connection is free again when the answer is closed."""
        pauses = request.extensions.get("timeout", {})
        await self._enter(pauses.get("pool"))
        url, read = request.url, pauses.get("read")
        key = url.raw_scheme, url.raw_host, url.port
        connection: Connection | None = None
        try:
            connection = await self._kept_one(key) or Connection(await self._connect(url, pauses.get("connect")))
            head = await connection.ask(request, pauses.get("write"), read)
        except BaseException:
            self._room.release()
            if connection is not None:
                await connection.aclose()
            raise
        body = _Body(connection.body(read), self, key, connection)
        told = {"http_version": b"HTTP/" + head.http_version, "reason_phrase": head.reason}
        return httpx.Response(head.status_code, headers=head.headers.raw_items(), stream=body, extensions=told)

    async def release(self, key: _Key, connection: Connection) -> None:
        """The answer that came over it is closed."""
        self._room.release()
        if self._closed or not connection.is_free():
            await connection.aclose()
            return
        self._idle.setdefault(key, deque()).append(connection)
        self._since[connection] = key, asyncio.get_running_loop().time()
        self._arm()
        while len(self._since) > self._kept:
            await self._close_oldest()

    async def aclose(self) -> None:
        """Close what is idle now, and what is in use when its answer is closed."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._since:
            await self._close_oldest()
        if self._sweeping is not None:
            await self._sweeping

    async def _enter(self, seconds: float | None) -> None:
        if not self._room.locked():
            await self._room.acquire()
            return
        try:
            async with asyncio.timeout(seconds):
                await self._room.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("all connections are in use") from None

    async def _kept_one(self, key: _Key) -> Connection | None:
        """The one that was used last, which is the likeliest to be open still."""
        while found := self._idle.get(key):
            connection = found.pop()
            is_over = self._is_over(connection)
            self._forget(key, connection)
            if not is_over and not connection.is_readable:
                return connection
            await connection.aclose()
        return None

    def _is_over(self, connection: Connection) -> bool:
        return asyncio.get_running_loop().time() - self._since[connection][1] >= self._seconds

    def _arm(self) -> None:
        """Wake when the time of the oldest is over, though no other call may ever come."""
        if self._timer is None and self._since and not self._closed:
            loop = asyncio.get_running_loop()
            _, since = next(iter(self._since.values()))
            self._timer = loop.call_at(since + self._seconds, self._wake)

    def _wake(self) -> None:
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep())

    async def _sweep(self) -> None:
        try:
            while self._since and self._is_over(next(iter(self._since))):
                await self._close_oldest()
        finally:
            self._timer = None
            self._arm()

    async def _close_oldest(self) -> None:
        connection, (key, _) = next(iter(self._since.items()))
        self._idle[key].popleft()
        self._forget(key, connection)
        await connection.aclose()

    def _forget(self, key: _Key, connection: Connection) -> None:
        del self._since[connection]
        if not self._idle[key]:
            del self._idle[key]


class _Body(httpx.AsyncByteStream):
    """An answer's body; closing it frees its connection."""

    def __init__(self, pieces: AsyncIterator[bytes], pool: Pool, key: _Key, connection: Connection) -> None:
        self._pieces = pieces
        self._pool = pool
        self._key = key
        self._connection = connection
        self._is_closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def aclose(self) -> None:
        """See httpx."""
        if not self._is_closed:
            self._is_closed = True
            await self._pool.release(self._key, self._connection)
