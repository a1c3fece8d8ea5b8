"""PostgreSQL, over a pool of guarded connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg

from taskyard.calls.sql.postgres import transaction, unreachable
from taskyard.calls.sql.result import Execute
from taskyard.executors.integration.busy import Room
from taskyard.executors.integration.database.address import parse_address
from taskyard.executors.integration.database.source import DatabaseSecrets, DatabaseSettings, at_once
from taskyard.executors.integration.house import House
from taskyard.executors.integration.tls import context_for

_PORT: Final = 5432
_CONNECT_SECONDS: Final = 10.0
_IDLE_SECONDS: Final = 60.0
_CLOSE_SECONDS: Final = 2.0


class PostgresSource:
    """Read-only is what the server holds transactions to."""

    def __init__(self, settings: DatabaseSettings, secrets: DatabaseSecrets, house: House) -> None:
        self._address = parse_address(settings.url)
        self._settings, self._secrets, self._house = settings, secrets, house
        self._tls = context_for(settings, secrets, self._address.host)
        self._room = Room("the database", settings.max_connections)
        self._pool: Any = None
        self._opening = asyncio.Lock()
        self.label = self._address.name or self._address.host

    @contextlib.asynccontextmanager
    async def transaction(self, seconds: float) -> AsyncIterator[Execute]:
        """See the protocol."""
        pool = await self._opened()
        async with self._room.entered(seconds):
            with unreachable():
                connection = await pool.acquire()
            try:
                read_only, budget = self._settings.read_only, at_once()
                async with transaction(connection, read_only=read_only, seconds=seconds, budget=budget) as execute:
                    yield execute
            finally:
                await pool.release(connection, timeout=_CLOSE_SECONDS)

    async def close(self) -> None:
        """See the protocol."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await pool.close()
            except TimeoutError:
                pool.terminate()

    async def _opened(self) -> Any:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    min_size=0,
                    max_size=self._settings.max_connections,
                    max_inactive_connection_lifetime=_IDLE_SECONDS,
                    connect=self._connect,
                )
            return self._pool

    async def _connect(self, *_: Any, **given: Any) -> Any:
        """To an address that the guard has looked at. Nothing is taken from the environment."""
        address, secrets = self._address, self._secrets
        port = address.port or _PORT
        found = await self._house.egress().guard.addresses(address.host, port)
        return await asyncpg.connect(
            host=[str(each) for each in found],
            port=[port] * len(found),
            user=secrets.username or address.user or "postgres",
            password=secrets.password,
            database=address.name or None,
            ssl=self._tls or False,
            timeout=_CONNECT_SECONDS,
            statement_cache_size=0,
            server_settings={"application_name": "taskyard"},
            connection_class=given["connection_class"],
            record_class=given["record_class"],
            loop=given["loop"],
        )
