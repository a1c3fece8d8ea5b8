"""The connections: small pools, each for one kind of promise, which come back by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from taskyard.errors import ConfigurationError, Overloaded

_RETRY_AFTER = 1.0
_TRIES = 5
_CONNECT_TIMEOUT = 5.0
_ACQUIRE_TIMEOUT = 10.0
_ANSWER_TIMEOUT = 40.0
_CLOSE_TIMEOUT = 5.0

_SETTINGS = {
    "application_name": "taskyard",
    "jit": "off",
    "statement_timeout": "30s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "60s",
}
_DURABLE = {"synchronous_commit": "on", "plan_cache_mode": "force_generic_plan"}
# What is lost here with the last moments before a crash of the database is merely done again.
_RELAXED = {"synchronous_commit": "off", "plan_cache_mode": "force_generic_plan"}
# Lists are of many shapes, and worth a plan each.
_READING = {"default_transaction_read_only": "on", "plan_cache_mode": "force_custom_plan"}

_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    *_AGAIN,
)
_REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
)


class Database:
    """The pools of one store. They belong to the event loop that opened them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.durable = Pool(url, _DURABLE, 3)
        self.relaxed = Pool(url, _RELAXED, 3)
        self.reading = Pool(url, _READING, 2)

    async def open(self) -> None:
        """Make the pools; they connect when they are used."""
        for pool in (self.durable, self.relaxed, self.reading):
            await pool.open()

    async def close(self) -> None:
        """Wait for what is under way and disconnect."""
        for pool in (self.durable, self.relaxed, self.reading):
            await pool.close()

    async def connect(self) -> asyncpg.Connection:
        """A connection of its own, for who has to keep one. Raises as the driver does."""
        return await asyncpg.connect(
            self._url,
            timeout=_CONNECT_TIMEOUT,
            command_timeout=_ANSWER_TIMEOUT,
            server_settings={**_SETTINGS, **_RELAXED},
        )


class Pool:
    """Connections with the same settings. Every verb raises Overloaded when the database does not answer.

    A statement that ended in a deadlock is run again; a transaction is not.
    """

    def __init__(self, url: str, settings: dict[str, str], size: int) -> None:
        self._url = url
        self._settings = {**_SETTINGS, **settings}
        self._size = size
        self._pool: asyncpg.Pool | None = None

    async def open(self) -> None:
        """Make the pool."""
        with answering():
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=0,
                max_size=self._size,
                max_queries=1_000_000,
                timeout=_CONNECT_TIMEOUT,
                command_timeout=_ANSWER_TIMEOUT,
                server_settings=self._settings,
                reset=_keep,
            )

    async def close(self) -> None:
        """Disconnect."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), _CLOSE_TIMEOUT)
            except _AWAY:
                pool.terminate()

    async def fetch(self, sql: str, *parameters: Any) -> list[asyncpg.Record]:
        """The rows."""
        for _ in range(_TRIES - 1):
            try:
                return await self._fetch(sql, parameters)
            except Overloaded as error:
                if not isinstance(error.__cause__, _AGAIN):
                    raise
        return await self._fetch(sql, parameters)

    async def row(self, sql: str, *parameters: Any) -> asyncpg.Record | None:
        """The first row, or None."""
        rows = await self.fetch(sql, *parameters)
        return rows[0] if rows else None

    async def only(self, sql: str, *parameters: Any) -> asyncpg.Record:
        """The row of a statement that always gives one."""
        return (await self.fetch(sql, *parameters))[0]

    async def value(self, sql: str, *parameters: Any) -> Any:
        """The first column of the first row, or None."""
        row = await self.row(sql, *parameters)
        return row[0] if row else None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection in a transaction."""
        with answering():
            async with self._opened().acquire(timeout=_ACQUIRE_TIMEOUT) as connection, connection.transaction():
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection that sees one moment only."""
        with answering():
            async with (
                self._opened().acquire(timeout=_ACQUIRE_TIMEOUT) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield connection

    async def _fetch(self, sql: str, parameters: tuple[Any, ...]) -> list[asyncpg.Record]:
        with answering():
            async with self._opened().acquire(timeout=_ACQUIRE_TIMEOUT) as connection:
                return list(await connection.fetch(sql, *parameters))

    def _opened(self) -> asyncpg.Pool:
        if self._pool is None:
            raise Overloaded("the store is closed", retry_after=_RETRY_AFTER)
        return self._pool


@contextmanager
def answering() -> Iterator[None]:
    """Raises Overloaded where the database does not answer, ConfigurationError where it does not let us in."""
    try:
        yield
    except _REFUSED as error:
        raise ConfigurationError(f"cannot connect to the database ({error}); check TASKYARD_DATABASE_URL") from error
    except _AWAY as error:
        raise Overloaded(
            f"the database cannot be used now ({error or type(error).__name__}); try again", retry_after=_RETRY_AFTER
        ) from error


async def _keep(connection: asyncpg.Connection) -> None:
    """Our sessions change no settings, so there is nothing to reset when one is given back."""
