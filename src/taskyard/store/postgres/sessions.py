"""A few sessions of the database, lent one at a time.

The driver's own pool shields, times and resets each loan, which costs as much as a small statement; our sessions
change no settings, and the driver itself waits for a statement that is being canceled before it sends another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg

_PATIENCE = 10.0
_GOODBYE = 5.0
_IDLE = 300.0


class Sessions:
    """At most `size` sessions: made when they are needed, the last used lent first, closed after 300 s without use."""

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]], size: int) -> None:
        self._connect = connect
        self._size = size
        self._free = asyncio.Semaphore(size)
        self._idle: list[tuple[asyncpg.Connection, float]] = []
        self._lent: set[asyncpg.Connection] = set()

    async def take(self) -> asyncpg.Connection:
        """A session, to be given back. Raises TimeoutError after 10 s, and as the driver does."""
        if self._free.locked():
            async with asyncio.timeout(_PATIENCE):
                await self._free.acquire()
        else:
            await self._free.acquire()
        try:
            connection = self._kept() or await self._connect()
        except BaseException:
            self._free.release()
            raise
        self._lent.add(connection)
        return connection

    def give(self, connection: asyncpg.Connection, *, usable: bool) -> None:
        """Give a session back; one that is not usable, or still in a transaction, is closed."""
        self._lent.discard(connection)
        now = time.monotonic()
        if not usable or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
        else:
            self._idle.append((connection, now))
        if self._idle and self._idle[0][1] < now - _IDLE:
            self._idle.pop(0)[0].terminate()
        self._free.release()

    async def close(self) -> None:
        """Wait up to 5 s for those that are lent, and close all."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE):
                for _ in range(self._size):
                    await self._free.acquire()
                while connection := self._kept():
                    await connection.close()
        for connection in self._lent | {idle for idle, _ in self._idle}:
            connection.terminate()

    def _kept(self) -> asyncpg.Connection | None:
        while self._idle:
            connection, _ = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None
