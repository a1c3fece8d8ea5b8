"""One connection's bytes, on asyncio alone: the usual way through anyio takes several times as long."""

from __future__ import annotations

import asyncio
import select
import ssl
from typing import cast

import httpx

_MOST_UNREAD = 131_072


class Stream(asyncio.Protocol):
    """A connection's bytes. What comes unasked is kept, up to a bound, and seen in `is_readable`.

    Raises httpx.TransportError.
    """

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._unread = bytearray()
        self._is_paused = False
        self._has_ended = False
        self._failure: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._gone = asyncio.Event()

    async def read(self, most: int, seconds: float | None = None) -> bytes:
        """What has come, so many bytes at most; nothing at the end."""
        if not self._unread and not self._has_ended:
            loop = asyncio.get_running_loop()
            self._reader = loop.create_future()
            timer = None if seconds is None else loop.call_later(seconds, self._wake, httpx.ReadTimeout(""))
            try:
                await self._reader
            finally:
                self._reader = None
                if timer is not None:
                    timer.cancel()
        if not self._unread and self._failure is not None:
            raise httpx.ReadError(str(self._failure)) from self._failure
        data = bytes(self._unread[:most])
        del self._unread[:most]
        if self._is_paused and len(self._unread) <= _MOST_UNREAD:
            self._is_paused = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes, seconds: float | None = None) -> None:
        """Send it, as soon as not too much waits already."""
        if not self._gone.is_set():
            self._transport.write(data)
        if not self._may_write.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._may_write.wait()
            except TimeoutError:
                raise httpx.WriteTimeout("") from None
        if self._gone.is_set():
            raise httpx.WriteError(str(self._failure or "the connection is closed"))

    async def aclose(self) -> None:
        """Close it at once."""
        if not self._gone.is_set():
            self._transport.abort()  # nobody waits for what was not sent
        await self._gone.wait()

    async def start_tls(self, tls: ssl.SSLContext, name: str, seconds: float | None = None) -> None:
        """Go on by TLS, with the certificate of that name."""
        if self._unread:  # it would be taken for what came encrypted
            await self.aclose()
            raise httpx.ConnectError("the other side spoke before the TLS handshake")
        loop, plain = asyncio.get_running_loop(), self._transport
        try:
            async with asyncio.timeout(seconds):
                secured = await loop.start_tls(plain, self, tls, server_hostname=name)
        except BaseException as error:
            self.connection_lost(None)  # nobody else says so to one whose handshake failed
            plain.abort()
            if isinstance(error, TimeoutError):
                raise httpx.ConnectTimeout("") from None
            if isinstance(error, OSError):
                raise httpx.ConnectError(str(error) or "the connection ended amid the TLS handshake") from error
            raise
        self._transport = cast("asyncio.Transport", secured)

    @property
    def is_readable(self) -> bool:
        """Whether something has come that was not read: bytes, or the end."""
        return bool(self._unread) or self._has_ended or _is_readable(self._transport)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._unread += data
        if len(self._unread) > _MOST_UNREAD and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """See asyncio."""
        self._has_ended = True
        self._wake()

    def pause_writing(self) -> None:
        """See asyncio."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """See asyncio."""
        self._may_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._has_ended = True
        self._failure = exc
        self._gone.set()
        self._may_write.set()
        self._wake()

    def _wake(self, failure: Exception | None = None) -> None:
        if self._reader is None or self._reader.done():
            return
        if failure is None:
            self._reader.set_result(None)
        else:
            self._reader.set_exception(failure)


def _is_readable(transport: asyncio.Transport) -> bool:
    """Whether something has come that the loop has not seen yet."""
    socket = transport.get_extra_info("socket")
    if socket is None or socket.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(socket.fileno(), select.POLLIN)
    return bool(poll.poll(0))
