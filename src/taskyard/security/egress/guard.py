"""The guard: resolves a host once, looks at every address, and connects to one it has looked at."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from taskyard.errors import CallFailed, EgressRefused
from taskyard.security.egress.address import Address
from taskyard.security.egress.rules import Rules, literal, normal

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""`await resolve(host, port)` gives the host's addresses as text; raises OSError when it has none."""

CONNECT_SECONDS = 10.0
_MOST_ADDRESSES = 8


class Guard:
    """Decides what may be reached, on the address that is connected to; so a name that changes gains nothing."""

    def __init__(self, rules: Rules, resolve: Resolve | None = None) -> None:
        self._rules = rules
        self._resolve = resolve or _ask_system

    def trusting(self, host: str) -> Guard:
        """A guard that allows one host besides: for an address that the operator has set."""
        return Guard(self._rules.trusting(host), self._resolve)

    async def addresses(self, host: str, port: int) -> list[Address]:
        """The addresses of `host`, each of which may be connected to: connect to these, never to the name again.

        Raises EgressRefused when any of them may not be reached, and CallFailed for a name that has none.
        """
        name = normal(host)
        self.check_host(name)
        try:
            found = await self._resolve(name, port)
        except (OSError, UnicodeError) as error:
            raise CallFailed(f"{name} has no address: {error}", reason="connect") from None
        named = self._rules.names(name)
        addresses = [ip_address(text.partition("%")[0]) for text in found[:_MOST_ADDRESSES]]
        if not addresses:
            raise CallFailed(f"{name} has no address", reason="connect")
        if not all(self._rules.permits(address, named=named) for address in addresses):
            raise _refusal(name)
        return addresses

    def check_host(self, host: str) -> None:
        """Refuse what can be told without asking for addresses. Raises EgressRefused."""
        name = normal(host)
        address = literal(name)
        if self._rules.refuses_name(name) or (
            address is not None and not self._rules.permits(address, named=self._rules.names(name))
        ):
            raise _refusal(name)

    async def check_url(self, url: str, path: str = "/url") -> str:
        """The URL itself, if calls may go there; for the door, where `path` (a JSON Pointer) names the field.

        Raises EgressRefused, an error 422. A name without an address passes: it is looked at again when connected.
        """
        from taskyard.security.egress.url import parse_url  # it brings the whole client along

        try:
            parts = parse_url(url)
            await self.addresses(parts.host, parts.port or 0)
        except EgressRefused as refused:
            raise EgressRefused(
                f"{path}: {refused.message}",
                details=[{"path": path, "message": refused.message, "keyword": "egress"}],
            ) from None
        except CallFailed:
            pass
        return url

    async def open_socket(self, host: str, port: int, *, seconds: float = CONNECT_SECONDS) -> socket.socket:
        """A connected, non-blocking TCP socket, for libraries that take one; within `seconds`.

        Raises EgressRefused or CallFailed.
        """
        try:
            async with asyncio.timeout(seconds):
                addresses = await self.addresses(host, port)
                return await _connect_first(addresses, host, port, seconds)
        except TimeoutError:
            raise CallFailed(f"{host}:{port} did not answer within {seconds:g} s", reason="timeout") from None

    async def open_connection(
        self, host: str, port: int, *, tls: ssl.SSLContext | None = None, seconds: float = CONNECT_SECONDS
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A guarded `asyncio.open_connection`; with `tls` the certificate must be `host`'s.

        Raises EgressRefused or CallFailed.
        """
        connected = await self.open_socket(host, port, seconds=seconds)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.open_connection(
                    sock=connected, ssl=tls, server_hostname=normal(host) if tls else None
                )
        except (OSError, TimeoutError) as error:
            connected.close()
            raise CallFailed(f"{host}:{port}: {error or 'no answer in time'}", reason="connect") from None


async def _connect_first(addresses: list[Address], host: str, port: int, seconds: float) -> socket.socket:
    loop = asyncio.get_running_loop()
    failure: Exception | None = None
    for address in addresses:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            async with asyncio.timeout(seconds / len(addresses)):
                await loop.sock_connect(connection, (str(address), port))
        except (OSError, OverflowError) as error:  # among them the TimeoutError
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise CallFailed(f"{host}:{port} cannot be reached: {failure or 'no answer in time'}", reason="connect")


async def _ask_system(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _refusal(host: str) -> EgressRefused:
    return EgressRefused(
        f"{host} may not be reached from here: it is, or leads to, an address that is private, local or denied;"
        " an operator can allow it in TASKYARD_EGRESS_ALLOW"
    )
