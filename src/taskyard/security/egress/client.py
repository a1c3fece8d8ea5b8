"""The one HTTP client for everything that leaves."""

from __future__ import annotations

import ssl
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from typing import TYPE_CHECKING

from taskyard.security.egress.guard import Guard
from taskyard.security.egress.terms import Answer, Content, Headers, Limits
from taskyard.security.egress.tls import tls_context
from taskyard.security.egress.url import parse_url

if TYPE_CHECKING:
    import httpx

    from taskyard.security.egress.calls import Calls


class Egress:
    """Calls to other systems, each connection looked at by the guard. One for the process; `aclose` it in the end."""

    def __init__(
        self, guard: Guard, *, tls: ssl.SSLContext | None = None, proxy: str = "", max_connections: int = 1000
    ) -> None:
        self.guard = guard
        self._proxy = proxy
        self._max_connections = max_connections
        self._own_tls = tls is not None
        self._given_tls = tls
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
        if "_calls" in self.__dict__:
            await self._calls.aclose()

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

        Raises EgressRefused for what may not be reached, and CallFailed when no usable answer came; its reason is
        `busy` where no connection got free within a third of the time.
        """
        return await self._calls.send(method, url, headers, content, limits or Limits(), redirects)

    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Headers | None = None,
        content: Content = None,
        limits: Limits | None = None,
        redirects: int = 0,
    ) -> AbstractAsyncContextManager[Answer]:
        """As `send`, for bodies too large to be kept. At most `redirects` are followed, each guarded as the first;
        to another origin go neither headers of the caller's nor a body nor a client certificate.
        """
        return self._calls.stream(method, url, headers, content, limits or Limits(), redirects)

    @cached_property
    def _calls(self) -> Calls:
        from taskyard.security.egress.calls import Calls

        return Calls(self.guard, self._tls, self._proxy, self._max_connections, own_tls=self._own_tls)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._given_tls or tls_context()
