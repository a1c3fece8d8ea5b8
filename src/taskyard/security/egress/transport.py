"""httpx over guarded connections."""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Iterable
from contextvars import ContextVar
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpcore
import httpx

from taskyard.errors import CallFailed
from taskyard.security.egress.guard import CONNECT_SECONDS, Guard

_KEEP_SECONDS = 30.0
_KEPT = 16  # each is looked at by every call
_HEAD_BYTES = 65_536
_HEAD_STEP = 4096


class _Head:
    """How many bytes may still come before an answer's own headers have."""

    def __init__(self) -> None:
        self.left: float = _HEAD_BYTES

    def take(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise httpcore.RemoteProtocolError(f"more than {_HEAD_BYTES} bytes came before the answer")

    def is_over(self) -> None:
        self.left = float("inf")


_head: ContextVar[_Head | None] = ContextVar("head", default=None)


class _Stream(httpcore.AsyncNetworkStream):
    """Reads an answer's head in small steps and never more than there may be of it: interim answers (RFC 9110, section
    15.2) could otherwise come without an end, and leave the loop to nobody else.
    """

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._socket: Any = inner.get_extra_info("socket")

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - the signature is httpcore's
        head = _head.get()
        if head is None or head.left == float("inf"):
            return await self._inner.read(max_bytes, timeout)
        data = await self._inner.read(min(max_bytes, _HEAD_STEP), timeout)
        head.take(len(data))
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the signature is httpcore's
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # asked for every idle connection at every call
            return self._is_readable()
        return self._inner.get_extra_info(info)

    def _is_readable(self) -> bool:
        if self._socket.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        return bool(poll.poll(0))


class _Backend(httpcore.AsyncNetworkBackend):
    """Connects to addresses that the guard has looked at. TLS comes afterwards, with the name of the URL."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        limit = timeout or CONNECT_SECONDS
        try:
            async with asyncio.timeout(limit):
                addresses = await self._guard.addresses(host, port)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"{host} could not be resolved in time") from None
        except CallFailed as failed:
            raise httpcore.ConnectError(failed.message) from None
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                stream = await self._inner.connect_tcp(
                    str(address), port, limit / len(addresses), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream)
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        del path, timeout, socket_options
        raise httpcore.ConnectError("sockets of this machine may not be reached")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport with our connections; through a `proxy` the proxy connects, and only hosts are looked at."""

    def __init__(self, guard: Guard, tls: ssl.SSLContext, proxy: str, max_connections: int) -> None:
        limits = httpx.Limits(max_connections=max_connections, keepalive_expiry=_KEEP_SECONDS)
        super().__init__(verify=tls, trust_env=False, limits=limits, proxy=proxy or None)
        self._checked = guard if proxy else None
        if not proxy:
            if not isinstance(self._pool, httpcore.AsyncConnectionPool):
                raise TypeError("this httpx keeps its connections elsewhere; the guard would be passed by")
            self._pool = httpcore.AsyncConnectionPool(
                ssl_context=tls,
                max_connections=max_connections,
                max_keepalive_connections=_KEPT,
                keepalive_expiry=_KEEP_SECONDS,
                network_backend=_Backend(guard),
            )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx."""
        if self._checked is not None:
            self._checked.check_host(request.url.host)
        head = _Head()
        token = _head.set(head)
        try:
            return await super().handle_async_request(request)
        finally:
            head.is_over()
            _head.reset(token)


def guarded_client(guard: Guard, tls: ssl.SSLContext, proxy: str, max_connections: int) -> httpx.AsyncClient:
    """A client that follows no redirect, keeps no cookies and reads nothing from the environment."""
    return httpx.AsyncClient(
        transport=GuardedTransport(guard, tls, proxy, max_connections),
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"user-agent": "taskyard", "accept-encoding": "gzip, deflate"},
    )
