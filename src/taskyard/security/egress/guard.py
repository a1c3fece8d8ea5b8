"""The guard: resolves a host once, looks at every address, and connects to one it has looked at."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from taskyard.errors import CallFailed, EgressRefused
from taskyard.security.egress.address import Address
from taskyard.security.egress.rules import Rules, literal, normal

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""`await resolve(host, port)` gives the host's addresses as text; raises OSError when it has none."""

CONNECT_SECONDS = 10.0
_MOST_ADDRESSES = 8
_MOST_NAMES = 64
"""Asked for at once; each takes a thread, for as long as its name servers are silent."""


class Guard:
    """Decides what may be reached, on the address that is connected to; so a name that changes gains nothing."""

    def __init__(self, rules: Rules, resolve: Resolve | None = None) -> None:
        self._rules = rules
        self._resolve = resolve or _System()

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
            found = await self._find(name, port)
        except (OSError, UnicodeError) as error:
            raise CallFailed(f"{name} has no address: {error}", reason="connect") from None
        named = self._rules.names(name)
        addresses = [ip_address(text.partition("%")[0]) for text in found[:_MOST_ADDRESSES]]
        if not addresses:
            raise CallFailed(f"{name} has no address", reason="connect")
        if not all(self._rules.permits(address, named=named) for address in addresses):
            raise _refusal(name)
        return addresses

    async def _find(self, name: str, port: int) -> list[str]:
        with contextlib.suppress(ValueError):
            return [str(ip_address(name))]
        return await self._resolve(name, port)

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

        Raises EgressRefused, an error 422. A name without an address in good time passes: it is looked at again
        when connected.
        """
        from taskyard.security.egress.url import parse_url  # it brings the whole client along

        try:
            parts = parse_url(url)
            async with asyncio.timeout(CONNECT_SECONDS):
                await self.addresses(parts.host, parts.port or 0)
        except EgressRefused as refused:
            raise EgressRefused(
                f"{path}: {refused.message}",
                details=[{"path": path, "message": refused.message, "keyword": "egress"}],
            ) from None
        except (CallFailed, TimeoutError):
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
        except BaseException:
            connected.close()
            raise


def close_at_once(writer: asyncio.StreamWriter) -> None:
    """End a connection of `open_connection`, whatever of it waits to be sent or answered."""
    with contextlib.suppress(AttributeError):  # asyncio's own, of one that was closed amid a write and has gone since
        writer.transport.abort()


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


class _System:
    """Asks in threads of its own: the loop has a few for all, and a name that nobody answers for holds its for long."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(_MOST_NAMES)

    async def __call__(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()

        def tell(found: list[str] | Exception) -> None:
            self._room.release()  # only now, though nobody may wait any more: until here there was a thread
            if answer.done():
                return
            if isinstance(found, Exception):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def ask() -> None:
            found = _asked(host, port)
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(tell, found)

        await self._room.acquire()
        try:
            threading.Thread(target=ask, name=f"taskyard-name-{host}", daemon=True).start()
        except RuntimeError as error:  # the system has no more of them
            self._room.release()
            raise OSError(str(error)) from None
        return await answer


def _asked(host: str, port: int) -> list[str] | Exception:
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return error
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


def _refusal(host: str) -> EgressRefused:
    return EgressRefused(
        f"{host} may not be reached from here: it is, or leads to, an address that is private, local or denied;"
        " an operator can allow it in TASKYARD_EGRESS_ALLOW"
    )
