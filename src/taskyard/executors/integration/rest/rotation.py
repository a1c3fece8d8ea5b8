"""A refresh token that may be another after each use (RFC 9700, 4.14.2): all machines know the newest, and one of them
uses it at a time, for a server may take the second use of one for theft.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import msgspec
import structlog

from taskyard.contracts.integration import OperationFailed, Shared
from taskyard.errors import CallFailed, ConfigurationError, TaskyardError

_BUSY_SECONDS: Final = 20.0
"""More than the token endpoint may take: who asked for longer is taken to be gone."""
_LONGEST_SECONDS: Final = 30.0
_AGAIN_SECONDS: Final = 0.2
_CLOSING_SECONDS: Final = 5.0

log = structlog.get_logger("taskyard.integration")


class Issued(NamedTuple):
    """What the token endpoint gave; `lasts`: the seconds for which `access` is used. `refresh` may be empty."""

    access: str
    refresh: str
    lasts: float


class Rotation:
    """The tokens of one connection. `first`: the refresh token that its secrets hold as of `revision`. `exchange` asks
    the endpoint.
    """

    def __init__(
        self, shared: Shared, first: str, revision: int, exchange: Callable[[str], Awaitable[Issued]], *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self._shared = shared
        self._start = _State(hashlib.sha256(first.encode()).hexdigest(), first, revision=revision)
        self._exchange = exchange
        self._sleep = sleep
        self._exchanging: asyncio.Task[Issued] | None = None

    async def token(self, refused: str) -> Issued:
        """Tokens that hold, whoever got them; not the one that was `refused`. Raises what `exchange` does, CallFailed
        where nobody gets one in time, OperationFailed where the connection has another refresh token by now.
        """
        began = now = await self._shared.now()
        while now - began < _LONGEST_SECONDS:
            version, state = await self._look()
            if state.access not in ("", refused) and now < state.until:
                return Issued(state.access, state.refresh, state.until - now)
            busy = msgspec.structs.replace(state, busy_until=now + _BUSY_SECONDS)
            if now >= state.busy_until and await self._shared.put(version, msgspec.json.encode(busy)):
                self._exchanging = asyncio.create_task(self._exchanged(version + 1, state, busy))
                return await asyncio.shield(self._exchanging)
            await self._sleep(_AGAIN_SECONDS)
            now = await self._shared.now()
        raise CallFailed("no machine has got an access token in time; try again", reason="secret")

    async def close(self) -> None:
        """See that what the endpoint has given meanwhile is kept."""
        if self._exchanging is not None and not self._exchanging.done():
            await asyncio.wait([self._exchanging], timeout=_CLOSING_SECONDS)
            self._exchanging.cancel()

    async def _look(self) -> tuple[int, _State]:
        """What all know; nothing with a first token that is newer than theirs. Raises OperationFailed for an older."""
        version, content = await self._shared.get()
        if content is None:
            return version, self._start
        state = msgspec.json.decode(content, type=_State)
        own = self._start
        if state.first == own.first:
            return version, msgspec.structs.replace(state, revision=max(state.revision, own.revision))
        if own.revision < state.revision or (own.revision == state.revision and own.first == state.former):
            raise OperationFailed(
                "the connection has another refresh token by now; should this one hold, put the connection anew",
                reason="secret",
                burns=own.revision == state.revision,
                retry_after=1.0,
                counts=False,
            )
        return version, msgspec.structs.replace(own, former=state.first)

    async def _exchanged(self, version: int, state: _State, busy: _State) -> Issued:
        try:
            issued = await self._exchange(state.refresh)
        except TaskyardError:
            with contextlib.suppress(TaskyardError):  # the mark ends by itself
                await self._shared.put(version, msgspec.json.encode(msgspec.structs.replace(state, access="")))
            raise
        until = busy.busy_until - _BUSY_SECONDS + issued.lasts
        after = msgspec.structs.replace(
            state, refresh=issued.refresh or state.refresh, access=issued.access, until=until, busy_until=0.0
        )
        await self._land(version, msgspec.json.encode(busy), msgspec.json.encode(after))
        return issued

    async def _land(self, version: int, busy: bytes, after: bytes) -> None:
        """Have all know what the endpoint gave, which it gives once: until they do, or others have begun anew."""
        for tries in itertools.count():
            try:
                if await self._shared.put(version, after):
                    return
                version, content = await self._shared.get()
                if content != busy:
                    return
            except ConfigurationError as error:
                log.error("a refresh token is not kept", reason=error.message)  # noqa: TRY400 - the message says it all
                return
            except TaskyardError as error:
                if tries == 0:
                    log.warning("a refresh token is not kept yet", reason=error.message)
            await self._sleep(_AGAIN_SECONDS)


class _State(msgspec.Struct, frozen=True):
    """`first`: the digest of the token that all came from, as of `revision`; `former`: of the one before. Moments are
    seconds since the epoch, by the clock that all machines share.
    """

    first: str
    refresh: str
    access: str = ""
    until: float = 0.0
    busy_until: float = 0.0
    revision: int = 0
    former: str = ""
