"""Calls by httpx, in our terms: loaded with the first call, as a process that makes none starts faster without it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from taskyard.errors import CallFailed, EgressRefused
from taskyard.security.egress.body import bounded
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.terms import Answer, Content, Headers, Limits
from taskyard.security.egress.transport import guarded_client, guarded_transport
from taskyard.security.egress.url import parse_url

_FOR_ANYBODY = frozenset({"accept", "accept-encoding", "accept-language", "user-agent"})
_ABOUT_CODING = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})
_PORTS = {"http": 80, "https": 443}


class Calls:
    """What makes the calls of one `Egress`; `own_tls`: its connections show or trust what is not everybody's."""

    def __init__(self, guard: Guard, tls: ssl.SSLContext, proxy: str, max_connections: int, *, own_tls: bool) -> None:
        self._transport = guarded_transport(guard, tls, proxy, max_connections)
        self._client = guarded_client(self._transport)
        self._usual = list(self._client.headers.items())
        self._own_tls = own_tls

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def send(
        self, method: str, url: str, headers: Headers | None, content: Content, bounds: Limits, redirects: int
    ) -> httpx.Response:
        """See `Egress`."""
        async with self.stream(method, url, headers, content, bounds, redirects) as answer:
            body = b"".join([piece async for piece in answer.pieces])
        response = answer.response
        plain = [(name, value) for name, value in response.headers.multi_items() if name not in _ABOUT_CODING]
        return httpx.Response(response.status_code, headers=plain, content=body, request=response.request)

    @contextlib.asynccontextmanager
    async def stream(
        self, method: str, url: str, headers: Headers | None, content: Content, bounds: Limits, redirects: int
    ) -> AsyncIterator[Answer]:
        """See `Egress`."""
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
        except httpx.PoolTimeout:
            raise CallFailed("all connections for such calls are in use here", reason="busy") from None
        except httpx.TimeoutException as error:
            raise CallFailed(f"no answer in time: {error or type(error).__name__}", reason="timeout") from None
        except (httpx.TransportError, httpx.StreamError) as error:
            reason = "connect" if isinstance(error, httpx.ConnectError | httpx.ProxyError) else "broken"
            raise CallFailed(f"the call failed: {error or type(error).__name__}", reason=reason) from None

    def _request(
        self, method: str, url: str, headers: Headers | None, content: Content, limits: Limits
    ) -> httpx.Request:
        target = parse_url(url)
        pauses = {
            "connect": limits.connect, "read": limits.read, "write": limits.read,
            "pool": min(limits.read, limits.total / 3),
        }  # fmt: skip
        given = list(headers.items() if isinstance(headers, Mapping) else headers or ())
        names = {name.lower() for name, _ in given}
        told = [*((name, value) for name, value in self._usual if name not in names), *given]
        more: dict[str, Any] = {"content": content}
        if content is None or isinstance(content, bytes):  # httpx would read all headers again to add these two
            if "host" not in names:
                told.insert(0, ("host", target.netloc.decode("ascii")))
            if "content-length" not in names and (content or method in _WITH_LENGTH):
                told.append(("content-length", str(len(content or b""))))
            more = {"stream": httpx.ByteStream(content or b"")}
        try:
            return httpx.Request(method, target, headers=told, extensions={"timeout": pauses}, **more)
        except (ValueError, TypeError) as error:
            raise EgressRefused(f"the request cannot be written: {error}") from None

    async def _follow(self, request: httpx.Request, redirects: int) -> httpx.Response:
        if not redirects:  # the client's own work is to look for cookies, logins and where to go next
            response = await self._transport.handle_async_request(request)
            response.request = request
            return response
        for left in range(redirects, -1, -1):
            response = await self._client.send(request, stream=True)
            following = response.next_request
            if following is None:
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


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or _PORTS[url.scheme]
