"""httpx over guarded connections."""

from __future__ import annotations

import asyncio
import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from taskyard.errors import CallFailed
from taskyard.security.egress.guard import CONNECT_SECONDS, Guard
from taskyard.security.egress.pool import Connect, Pool
from taskyard.security.egress.stream import Stream

_KEEP_SECONDS = 30.0
_KEPT = 64
_PORTS = {"http": 80, "https": 443}


class _Proxied(httpx.AsyncHTTPTransport):
    """Through a proxy the proxy connects, and only hosts are looked at."""

    def __init__(self, guard: Guard, tls: ssl.SSLContext, proxy: str, limits: httpx.Limits) -> None:
        super().__init__(verify=tls, trust_env=False, limits=limits, proxy=proxy)
        self._guard = guard

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._guard.check_host(request.url.host)
        return await super().handle_async_request(request)


def guarded_transport(guard: Guard, tls: ssl.SSLContext, proxy: str, max_connections: int) -> httpx.AsyncBaseTransport:
    """What makes the calls: over connections of ours, or where there is a `proxy` through that."""
    if proxy:
        limits = httpx.Limits(max_connections=max_connections, keepalive_expiry=_KEEP_SECONDS)
        return _Proxied(guard, tls, proxy, limits)
    return Pool(guarded_connect(guard, tls), most=max_connections, kept=_KEPT, seconds=_KEEP_SECONDS)


def guarded_connect(guard: Guard, tls: ssl.SSLContext) -> Connect:
    """Connects to addresses that the guard has looked at. TLS comes afterwards, with the name of the URL."""
    tls.set_alpn_protocols(["http/1.1"])

    async def connect(url: httpx.URL, seconds: float | None) -> Stream:
        limit, host = seconds or CONNECT_SECONDS, url.raw_host.decode("ascii")
        stream = await _connected(guard, host, url.port or _PORTS[url.scheme], limit)
        if url.scheme == "https":
            await stream.start_tls(tls, host, limit)
        return stream

    return connect


async def _connected(guard: Guard, host: str, port: int, limit: float) -> Stream:
    try:
        async with asyncio.timeout(limit):
            addresses = await guard.addresses(host, port)
    except TimeoutError:
        raise httpx.ConnectTimeout(f"{host} could not be resolved in time") from None
    except CallFailed as failed:
        raise httpx.ConnectError(failed.message) from None
    loop = asyncio.get_running_loop()
    failure: Exception = httpx.ConnectError(f"{host} has no address")
    for address in addresses:
        try:
            async with asyncio.timeout(limit / len(addresses)):
                _, stream = await loop.create_connection(Stream, str(address), port)
        except TimeoutError:
            failure = httpx.ConnectTimeout("")
        except OSError as error:
            failure = httpx.ConnectError(str(error))
        else:
            return stream
    raise failure


def guarded_client(transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    """A client that follows no redirect, keeps no cookies and reads nothing from the environment."""
    return httpx.AsyncClient(
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"user-agent": "taskyard", "accept-encoding": "gzip, deflate"},
    )
