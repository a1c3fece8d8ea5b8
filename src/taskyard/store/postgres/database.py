"""The connections: small pools, each for one kind of promise, which come back by themselves.

Behind a connection pooler (PgBouncer in transaction mode) a session is everybody's: there each statement has a
transaction of its own, which begins with what the pool promises, and no statement is prepared for later.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg

from taskyard.errors import ConfigurationError, Overloaded
from taskyard.store.postgres.sessions import Sessions

_RETRY_AFTER = 1.0
_TRIES = 5
_CONNECT_TIMEOUT = 5.0
_ANSWER_TIMEOUT = 40.0
_STATEMENTS = 100

_NAME = {"application_name": "taskyard"}
_SETTINGS = {
    "jit": "off",
    "statement_timeout": "30s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "5s",  # of who was stopped within one and holds locks
}
_DURABLE = {"synchronous_commit": "on", "plan_cache_mode": "force_generic_plan"}
# What is lost here with the last moments before a crash of the database is merely done again.
_RELAXED = {"synchronous_commit": "off", "plan_cache_mode": "force_generic_plan"}
# Whoever stands still at a gate keeps others from passing it.
_GATED = {**_RELAXED, "lock_timeout": "250ms", "idle_in_transaction_session_timeout": "2s"}
# Lists are of many shapes, and worth a plan each.
_READING = {"default_transaction_read_only": "on", "plan_cache_mode": "force_custom_plan"}

_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_BUSY = (asyncpg.LockNotAvailableError, asyncpg.ReadOnlySQLTransactionError, *_AGAIN)
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""What says that the database cannot be reached, rather than that it is busy."""

_REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
)


class Database:
    """The pools of one store. They belong to the event loop that opened them.

    `on_away` is called whenever the database could not be reached.
    """

    def __init__(self, url: str, on_away: Callable[[], None] = lambda: None) -> None:
        self._url = url
        self.durable = Pool(url, _DURABLE, 3, on_away)
        self.relaxed = Pool(url, _RELAXED, 3, on_away)
        self.gated = Pool(url, _GATED, 2, on_away)
        self.reading = Pool(url, _READING, 2, on_away)
        self.pooled = False
        self._pools = (self.durable, self.relaxed, self.gated, self.reading)

    async def open(self) -> None:
        """Look whether there is a connection pooler in between, and make the pools; they connect when they are used."""
        with answering():
            self.pooled = await self._is_pooled()
        for pool in self._pools:
            pool.open(pooled=self.pooled)

    async def close(self) -> None:
        """Wait for what is under way and disconnect."""
        for pool in self._pools:
            await pool.close()

    async def connect(self) -> asyncpg.Connection:
        """A connection for one transaction, with the server's own settings. Raises as the driver does."""
        return await _connect(self._url, _NAME, statement_cache_size=0)

    async def connect_directly(self, url: str = "") -> asyncpg.Connection:
        """A session to keep, at `url` where the store's own leads to a pooler. Raises as the driver does."""
        return await _connect(url or self._url, {**_NAME, **_SETTINGS, **_RELAXED})

    async def _is_pooled(self) -> bool:
        """Whether who let us in is another than who answers us."""
        connection = await self.connect()
        try:
            return bool(await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid())
        finally:
            await connection.close()


class Pool:
    """Connections with the same settings. Every verb raises Overloaded when the database does not answer.

    A statement that ended in a deadlock is run again; a transaction is not.
    """

    def __init__(self, url: str, settings: dict[str, str], size: int, on_away: Callable[[], None]) -> None:
        self._url = url
        self._settings = {**_SETTINGS, **settings}
        self._size = size
        self._on_away = on_away
        self._sessions: Sessions | None = None
        self._promises = ""

    def open(self, *, pooled: bool) -> None:
        """Let sessions be made; `pooled`: with a pooler."""
        local = {name.removeprefix("default_"): value for name, value in self._settings.items()} if pooled else {}
        self._promises = "".join(f"; SET LOCAL {name} = '{value}'" for name, value in local.items())
        settings = _NAME if pooled else {**_NAME, **self._settings}
        statements = 0 if pooled else _STATEMENTS
        self._sessions = Sessions(lambda: _connect(self._url, settings, statement_cache_size=statements), self._size)

    async def close(self) -> None:
        """Disconnect."""
        sessions, self._sessions = self._sessions, None
        if sessions is not None:
            with suppress(*AWAY, *_BUSY):
                await sessions.close()

    async def fetch(self, sql: str, *parameters: Any) -> list[asyncpg.Record]:
        """The rows."""
        for _ in range(_TRIES - 1):
            try:
                return await self._fetch(sql, parameters)
            except Overloaded as error:
                if not isinstance(error.__cause__, (*_AGAIN, asyncpg.CheckViolationError)):
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
        async with self._acquired() as connection, self._begun(connection, "BEGIN"):
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection that sees one moment only."""
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
        async with self._acquired() as connection, self._begun(connection, begin):
            yield connection

    async def _fetch(self, sql: str, parameters: tuple[Any, ...]) -> list[asyncpg.Record]:
        async with self.transaction() if self._promises else self._acquired() as connection:
            return list(await connection.fetch(sql, *parameters))

    @asynccontextmanager
    async def _acquired(self) -> AsyncIterator[asyncpg.Connection]:
        with answering(self._on_away):
            sessions = self._opened()
            connection = await sessions.take()
            usable = True
            try:
                yield connection
            except AWAY:
                usable = False
                raise
            finally:
                sessions.give(connection, usable=usable)

    @asynccontextmanager
    async def _begun(self, connection: asyncpg.Connection, begin: str) -> AsyncIterator[None]:
        try:
            await connection.execute(begin + self._promises)
            yield
        except BaseException:
            with suppress(*AWAY, asyncpg.PostgresError):
                await connection.execute("ROLLBACK")
            raise
        await connection.execute("COMMIT")

    def _opened(self) -> Sessions:
        if self._sessions is None:
            raise Overloaded("the store is closed", retry_after=_RETRY_AFTER)
        return self._sessions


async def _connect(url: str, settings: dict[str, str], **options: Any) -> asyncpg.Connection:
    return await asyncpg.connect(
        url, timeout=_CONNECT_TIMEOUT, command_timeout=_ANSWER_TIMEOUT, server_settings=settings, **options
    )


@contextmanager
def answering(on_away: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Raises Overloaded where the database does not answer, ConfigurationError where it does not let us in."""
    try:
        yield
    except _REFUSED as error:
        raise ConfigurationError(f"cannot connect to the database ({error}); check TASKYARD_DATABASE_URL") from error
    except (*AWAY, *_BUSY, asyncpg.CheckViolationError) as error:
        if isinstance(error, asyncpg.CheckViolationError) and not _is_overtaken(error):
            raise
        if isinstance(error, AWAY):
            on_away()
        raise Overloaded(
            f"the database cannot be used now ({error or type(error).__name__}); try again", retry_after=_RETRY_AFTER
        ) from error


def _is_overtaken(error: asyncpg.CheckViolationError) -> bool:
    """Whether a row was on its way to the default partition while one was made for it: again, it goes there.

    That is the only check without a name.
    """
    return error.constraint_name is None
