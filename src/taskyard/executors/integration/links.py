"""Links kept open: one a connection, until it changes or its secrets may have."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import structlog

from taskyard.contracts.connections import ConnectionRow
from taskyard.contracts.integration import ConnectionTypes, Lender, Link, OpenConnection, Shared
from taskyard.domain.connection import Secret, SecretFrom
from taskyard.domain.mask import Mask, spellings
from taskyard.errors import Conflict

_FURTHER = 16
_ELSEWHERE_FOR = 300.0
"""Seconds for which secrets that are kept elsewhere are taken for what they were."""

log = structlog.get_logger("taskyard.integration")


class OpenLink:
    """A link, and what nobody may read of what is said about it."""

    def __init__(self, revision: int, secrets: Mapping[str, str], until: float) -> None:
        self.revision = revision
        self.until = until
        self.users = 0
        self.retired = False
        self.link: Link | None = None
        self._secrets = {form for value in secrets.values() for form in spellings(value)}
        self._further: dict[str, None] = {}
        self.mask = Mask(self._secrets)

    def conceal(self, value: str) -> None:
        """Keep a further value, however it is written, out of what is said: the last ones, for tokens are many."""
        self._further.pop(value, None)
        self._further[value] = None
        if len(self._further) > _FURTHER:
            del self._further[next(iter(self._further))]
        self.mask = Mask({*self._secrets, *(form for each in self._further for form in spellings(each))})


class Links:
    """The links of this process. `kept` gives a connection's secrets, `resolve` the value of one kept elsewhere,
    `shared` what its links on all machines keep for each other.
    """

    def __init__(
        self,
        types: ConnectionTypes,
        kept: Callable[[ConnectionRow], Mapping[str, Secret]],
        resolve: Callable[[str], Awaitable[str]],
        shared: Callable[[str], Shared | None] = lambda _: None,
    ) -> None:
        self._types = types
        self._kept = kept
        self._resolve = resolve
        self._shared = shared
        self._open: dict[str, OpenLink] = {}
        self._made: dict[str, OpenLink] = {}
        self._opening: dict[str, asyncio.Task[OpenLink]] = {}

    @contextlib.asynccontextmanager
    async def use(self, row: ConnectionRow) -> AsyncIterator[tuple[OpenLink, Link]]:
        """The connection's link while it is needed. Raises what opening it does."""
        found = await self._get(row)
        while (link := found.link) is None or found.revision < row.revision:  # it was replaced while we waited for it
            found = await self._get(row)
        found.users += 1
        try:
            yield found, link
        finally:
            found.users -= 1
            await self._let_go(found)

    async def secrets(self, row: ConnectionRow) -> dict[str, str]:
        """The values of a connection's secrets now. Raises ConfigurationError, CallFailed."""
        return {
            name: await self._resolve(secret.source) if isinstance(secret, SecretFrom) else secret
            for name, secret in self._kept(row).items()
        }

    async def lent(self, row: ConnectionRow) -> dict[str, str]:
        """The same for who makes the calls elsewhere: what is spent by its use stays here.

        Raises what links do, and Conflict for a connection that has changed meanwhile.
        """
        type_ = self._types.get(row.connection.type)
        if not isinstance(type_, Lender) or not type_.spends(row.connection.settings):
            return await self.secrets(row)
        async with self.use(row) as (found, link):
            if found.revision != row.revision:
                raise Conflict(f"the connection {row.id!r} was changed just now; ask again")
            return await type_.lend(link)

    def mask(self, connection_id: str) -> Mask:
        """What nobody may read of what is said about a connection, also where its link does not open."""
        made = self._made.get(connection_id)
        return Mask(()) if made is None else made.mask

    async def refused(self, connection_id: str, found: OpenLink) -> None:
        """The other side did not take the secrets of this link: those that are kept elsewhere may be others by now."""
        if found.until < float("inf") and self._open.get(connection_id) is found:
            await self.drop(connection_id)

    async def drop(self, connection_id: str) -> None:
        """Open it anew next time, if there is one."""
        self._made.pop(connection_id, None)
        found = self._open.pop(connection_id, None)
        if found is not None:
            found.retired = True
            await self._let_go(found)

    async def close(self) -> None:
        """Let go of all; calls have ended."""
        for task in self._opening.values():
            task.cancel()
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        for connection_id in tuple(self._open):
            await self.drop(connection_id)

    async def _get(self, row: ConnectionRow) -> OpenLink:
        found = self._open.get(row.id)
        if found is not None and found.revision >= row.revision and time.monotonic() < found.until:
            return found
        opening = self._opening.get(row.id)
        if opening is None:
            opening = self._opening[row.id] = asyncio.create_task(self._open_anew(row))
            opening.add_done_callback(lambda _: self._opening.pop(row.id, None))
        return await asyncio.shield(opening)

    async def _open_anew(self, row: ConnectionRow) -> OpenLink:
        elsewhere = any(isinstance(secret, SecretFrom) for secret in self._kept(row).values())
        secrets = await self.secrets(row)
        made = OpenLink(row.revision, secrets, time.monotonic() + _ELSEWHERE_FOR if elsewhere else float("inf"))
        settings, shared = row.connection.settings, self._shared(row.id)
        connection = OpenConnection(row.id, row.revision, settings, secrets, made.conceal, shared)
        self._made[row.id] = made
        made.link = await self._types.get(row.connection.type).open(connection)
        await self.drop(row.id)
        self._open[row.id] = self._made[row.id] = made
        return made

    async def _let_go(self, found: OpenLink) -> None:
        if not found.retired or found.users or found.link is None:
            return
        link, found.link = found.link, None
        try:
            await link.close()
        except Exception as error:  # noqa: BLE001 - what is let go of must not fail a call
            log.error("a link did not close", trace=trace_of(error, found.mask))  # noqa: TRY400 - masked


def trace_of(error: Exception, mask: Mask) -> str:
    """Where an error comes from, without secrets."""
    return mask.said("".join(traceback.format_exception(error)))
