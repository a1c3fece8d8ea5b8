"""httpx over guarded connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpcore
import httpx

from taskyard.errors import CallFailed
from taskyard.security.egress.guard import CONNECT_SECONDS, Guard

_KEEP_SECONDS = 30.0


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
                return await self._inner.connect_tcp(
                    str(address), port, limit / len(addresses), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
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
                keepalive_expiry=_KEEP_SECONDS,
                network_backend=_Backend(guard),
            )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx."""
        if self._checked is not None:
            self._checked.check_host(request.url.host)
        return await super().handle_async_request(request)


def guarded_client(guard: Guard, tls: ssl.SSLContext, proxy: str, max_connections: int) -> httpx.AsyncClient:
    """A client that follows no redirect, keeps no cookies and reads nothing from the environment."""
    return httpx.AsyncClient(
        transport=GuardedTransport(guard, tls, proxy, max_connections),
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"user-agent": "taskyard", "accept-encoding": "gzip, deflate"},
    )
