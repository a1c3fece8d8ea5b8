"""The one HTTP client for everything that leaves."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

import httpx

from taskyard.errors import CallFailed, EgressRefused
from taskyard.security.egress.body import bounded
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.tls import tls_context
from taskyard.security.egress.transport import guarded_client
from taskyard.security.egress.url import parse_url

Headers = Mapping[str, str] | list[tuple[str, str]]
Content = bytes | AsyncIterator[bytes] | None

_FOR_ANYBODY = frozenset({"accept", "accept-encoding", "accept-language", "user-agent"})


class Limits(NamedTuple):
    """What one call may take: seconds to connect, between two pieces, and in all; bytes of the unpacked answer."""

    connect: float = 10.0
    read: float = 30.0
    total: float = 60.0
    max_bytes: int = 1 << 20


class Answer(NamedTuple):
    """An answer whose body is still to be read: iterate over `pieces`, which obey the limits."""

    response: httpx.Response
    pieces: AsyncIterator[bytes]


class Egress:
    """Calls to other systems, each connection looked at by the guard. One for the process; `aclose` it in the end."""

    def __init__(
        self, guard: Guard, *, tls: ssl.SSLContext | None = None, proxy: str = "", max_connections: int = 1000
    ) -> None:
        self.guard = guard
        self._proxy = proxy
        self._max_connections = max_connections
        self._own_tls = tls is not None
        self._tls = tls or tls_context()
        self._client = guarded_client(guard, self._tls, proxy, max_connections)
        self._trusting: dict[str, Egress] = {}

    def with_tls(self, tls: ssl.SSLContext) -> Egress:
        """Another one under the same guard that shows a client certificate or trusts other authorities."""
        return Egress(self.guard, tls=tls, proxy=self._proxy, max_connections=self._max_connections)

    def apart(self, max_connections: int) -> Egress:
        """Another one with connections of its own, so many at most: who is slow keeps nobody else's."""
        other = Egress(self.guard, tls=self._tls, proxy=self._proxy, max_connections=max_connections)
        other._own_tls = self._own_tls
        return other

    def trusting(self, url: str, tls: ssl.SSLContext | None = None) -> Egress:
        """Another one that may reach the host of `url` besides, for an address that the operator has set himself:
        never for one that a user gave. It is closed with this one, unless it has a `tls` of its own.
        """
        host = parse_url(url).host
        if tls is None and host in self._trusting:
            return self._trusting[host]
        other = Egress(self.guard.trusting(host), tls=tls, proxy=self._proxy, max_connections=self._max_connections)
        if tls is None:
            self._trusting[host] = other
        return other

    async def aclose(self) -> None:
        """Close all connections, and those of the clients that trust a host besides."""
        for other in self._trusting.values():
            await other.aclose()
        await self._client.aclose()

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Headers | None = None,
        content: Content = None,
        limits: Limits | None = None,
        redirects: int = 0,
    ) -> httpx.Response:
        """Make a call and read the whole answer, unpacked. Any status is an answer.

        Raises EgressRefused for what may not be reached, and CallFailed when no usable answer came.
        """
        async with self.stream(
            method, url, headers=headers, content=content, limits=limits, redirects=redirects
        ) as answer:
            body = b"".join([piece async for piece in answer.pieces])
        response = answer.response
        plain = [(name, value) for name, value in response.headers.multi_items() if name not in _ABOUT_CODING]
        return httpx.Response(response.status_code, headers=plain, content=body, request=response.request)

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Headers | None = None,
        content: Content = None,
        limits: Limits | None = None,
        redirects: int = 0,
    ) -> AsyncIterator[Answer]:
        """As `send`, for bodies too large to be kept. At most `redirects` are followed, each guarded as the first;
        to another origin go neither headers of the caller's nor a body nor a client certificate.
        """
        bounds = limits or Limits()
        scope = asyncio.timeout(bounds.total)
        try:
            async with scope:
                response = await self._follow(self._request(method, url, headers, content, bounds), redirects)
                try:
                    yield Answer(response, bounded(response, bounds.max_bytes))
                finally:
                    await response.aclose()
        except TimeoutError:
            if not scope.expired():
                raise
            raise CallFailed(f"no whole answer within {bounds.total:g} s", reason="timeout") from None
        except httpx.TimeoutException as error:
            raise CallFailed(f"no answer in time: {error or type(error).__name__}", reason="timeout") from None
        except (httpx.TransportError, httpx.StreamError) as error:
            reason = "connect" if isinstance(error, httpx.ConnectError | httpx.ProxyError) else "broken"
            raise CallFailed(f"the call failed: {error or type(error).__name__}", reason=reason) from None

    def _request(
        self, method: str, url: str, headers: Headers | None, content: Content, limits: Limits
    ) -> httpx.Request:
        target = parse_url(url)
        pause = httpx.Timeout(limits.read, connect=limits.connect)
        try:
            return self._client.build_request(method, target, headers=headers, content=content, timeout=pause)
        except (ValueError, TypeError) as error:
            raise EgressRefused(f"the request cannot be written: {error}") from None

    async def _follow(self, request: httpx.Request, redirects: int) -> httpx.Response:
        for left in range(redirects, -1, -1):
            response = await self._client.send(request, stream=True)
            following = response.next_request
            if redirects == 0 or following is None:
                return response
            await response.aclose()
            if left:
                request = self._redirected(request, following)
        raise CallFailed(f"more than {redirects} redirects", reason="redirect", retryable=False)

    def _redirected(self, request: httpx.Request, following: httpx.Request) -> httpx.Request:
        target = parse_url(str(following.url))
        if _origin(request.url) == _origin(target):
            return following
        if request.url.scheme == "https" and target.scheme == "http":
            raise EgressRefused("the answer redirects from https to http")
        if self._own_tls or "content-length" in following.headers or "transfer-encoding" in following.headers:
            raise EgressRefused("the answer redirects a body or a certificate to another origin")
        harmless = {name: value for name, value in request.headers.items() if name in _FOR_ANYBODY}
        return httpx.Request(following.method, target, headers=harmless, extensions=following.extensions)


_ABOUT_CODING = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_PORTS = {"http": 80, "https": 443}


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or _PORTS[url.scheme]
