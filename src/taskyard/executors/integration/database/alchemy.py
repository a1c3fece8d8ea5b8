"""Databases that SQLAlchemy speaks with: MySQL, MariaDB, and whatever there is an asynchronous driver for."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from taskyard.calls.sql.result import BATCH, Budget, Execute, Result, Row
from taskyard.domain.statement import escaped, first_word
from taskyard.errors import CallFailed, ValidationFailed
from taskyard.executors.integration.busy import Room
from taskyard.executors.integration.database.address import parse_address
from taskyard.executors.integration.database.source import DatabaseSecrets, DatabaseSettings, at_once
from taskyard.executors.integration.house import House

_DRIVERS: Final = {"mysql": "aiomysql", "mariadb": "aiomysql", "mssql": "aioodbc", "oracle": "oracledb_async"}
_READ_ONLY: Final = {
    "mysql": "START TRANSACTION READ ONLY",
    "mariadb": "START TRANSACTION READ ONLY",
    "oracle": "SET TRANSACTION READ ONLY",
    "postgresql": "SET TRANSACTION READ ONLY",
}
_ALWAYS_STREAMED: Final = {"mysql", "mariadb"}
_AHEAD: Final = 8
"""Rows that SQLAlchemy reads before they are asked for, whatever their size."""
_SMALL: Final = 16
"""Bytes that a value without a length is taken for."""
_READING: Final = {"SELECT", "TABLE", "VALUES"}
"""Statements that every database can give row by row, by a cursor of its own."""
_NOT_LET_IN: Final = {1044, 1045, 1049, 1698, "28000", "28P01", "3D000"}
_REFUSED: Final = {1142, 1143, 1227, 1290, 1370, 1792, 1836, "25006", "42501"}
"""What is not permitted, read-only transactions among it. Numbers are MySQL's, texts SQLSTATEs."""


class AlchemySource:
    """What the database can hold to being read-only is; with all others nothing is ever committed."""

    def __init__(self, settings: DatabaseSettings, secrets: DatabaseSecrets, house: House) -> None:
        self._address = parse_address(settings.url)
        self._settings, self._secrets, self._house = settings, secrets, house
        self._room = Room("the database", settings.max_connections)
        self._engine = self._make_engine()
        self.label = self._address.name or self._address.host

    @contextlib.asynccontextmanager
    async def transaction(self, seconds: float) -> AsyncIterator[Execute]:
        """See the protocol."""
        async with self._room.entered(seconds):
            with _as_refusals():
                async with self._engine.connect() as connection:
                    await self._begin(connection, seconds)

                    unread: list[Any] = []

                    async def execute(statement: str, parameters: Mapping[str, Any]) -> Result:
                        return await _execute(connection, statement, parameters, unread)

                    try:
                        yield execute
                        await self._end(connection, unread)
                    except BaseException:
                        if unread:  # rows may come for long before the connection can be used again
                            await connection.invalidate()
                        raise

    async def close(self) -> None:
        """See the protocol."""
        await self._engine.dispose()

    async def _begin(self, connection: AsyncConnection, seconds: float) -> None:
        dialect = connection.dialect
        if getattr(dialect, "is_mariadb", False):
            await connection.exec_driver_sql(f"SET SESSION max_statement_time = {seconds:.3f}")
        elif dialect.name == "mysql":
            await connection.exec_driver_sql(f"SET SESSION max_execution_time = {int(seconds * 1000)}")
        await connection.rollback()
        if self._settings.read_only and dialect.name in _READ_ONLY:
            await connection.exec_driver_sql(_READ_ONLY[dialect.name])

    async def _end(self, connection: AsyncConnection, unread: list[Any]) -> None:
        """Rows that nobody wants are not read to their end, where nothing has to be committed."""
        if not self._settings.read_only:
            for result in unread:
                while await connection.run_sync(_more_of, result):
                    pass
            await connection.commit()
        elif unread:
            await connection.invalidate()
        else:
            await connection.rollback()

    def _make_engine(self) -> AsyncEngine:
        family, _, driver = self._address.scheme.partition("+")
        driver = driver or _DRIVERS.get(family, "")
        url = sqlalchemy.URL.create(
            f"{family}+{driver}" if driver else family,
            self._secrets.username or self._address.user or None,
            self._secrets.password or None,
            self._address.host,
            self._address.port,
            self._address.name or None,
        )
        more: dict[str, Any] = {}
        if driver == "aiomysql":
            from taskyard.executors.integration.database.mysql import connector

            more["async_creator"] = connector(self._settings, self._secrets, self._house)
        else:
            self._check_unguarded(family)
        try:
            return create_async_engine(
                url, pool_size=self._settings.max_connections, max_overflow=0, pool_recycle=1800,
                pool_pre_ping=True, hide_parameters=True, **more,
            )  # fmt: skip
        except (exc.ArgumentError, exc.InvalidRequestError, ImportError) as error:
            raise ValidationFailed(
                f"settings: a database at {family}:// needs an asynchronous driver that is installed here: {error}"
            ) from None

    def _check_unguarded(self, family: str) -> None:
        """Raises ValidationFailed unless the operator lets the driver connect as it will, and nothing is lost by it."""
        if family not in self._house.unguarded_databases:
            raise ValidationFailed(
                f"settings: nothing here guards where a driver of {family} connects to; an operator can let it by"
                f" TASKYARD_UNGUARDED_DATABASES={family}"
            )
        settings, secrets = self._settings, self._secrets
        if settings.tls == "verify" or settings.authorities or secrets.certificate or secrets.key:
            raise ValidationFailed(
                f"settings: a driver of {family} is told nothing of `tls`, authorities and certificates; leave them out"
            )


async def _execute(
    connection: AsyncConnection, statement: str, parameters: Mapping[str, Any], unread: list[Any]
) -> Result:
    text, names = escaped(statement)
    missing = sorted({*names} - {*parameters})
    if missing:
        raise ValidationFailed(f"the statement and the parameters do not fit: {', '.join(missing)}")
    streamed = connection.dialect.name in _ALWAYS_STREAMED or first_word(statement) in _READING
    with _as_refusals():
        result = await connection.run_sync(
            lambda sync: sync.execute(
                sqlalchemy.text(text),
                dict(parameters),
                execution_options={"stream_results": streamed, "max_row_buffer": _AHEAD},
            )
        )
    if not result.returns_rows:
        return Result(None, max(result.rowcount, 0))
    mappings = result.mappings()
    unread.append(mappings)

    budget = at_once()

    async def fetch() -> Sequence[Row]:
        with _as_refusals():
            rows = await connection.run_sync(lambda _: _some(mappings, budget))
            if not rows:
                unread.remove(mappings)
            return rows

    return Result(fetch)


def _some(mappings: Any, budget: Budget) -> list[Row]:
    """The next rows, none when there are no more. Raises ValidationFailed for more than may be at once."""
    budget.refill()
    rows: list[Row] = []
    while len(rows) < BATCH and (found := mappings.fetchone()) is not None:
        row = {str(name): value for name, value in found.items()}
        if not budget.take(sum(len(value) if isinstance(value, str | bytes) else _SMALL for value in row.values())):
            raise budget.exceeded()
        rows.append(row)
    return rows


@contextlib.contextmanager
def _as_refusals() -> Iterator[None]:
    try:
        yield
    except exc.IntegrityError as error:
        raise CallFailed(f"the database refuses: {_told(error)}", reason="refused", retryable=False) from None
    except (exc.OperationalError, exc.InternalError, exc.InterfaceError) as error:
        raise _failure(error) from None
    except exc.DBAPIError as error:
        if error.connection_invalidated:
            raise _failure(error) from None
        raise ValidationFailed(f"the statement cannot be executed: {_told(error)}") from None
    except exc.SQLAlchemyError as error:
        raise ValidationFailed(f"the statement cannot be executed: {_told(error)}") from None
    except OSError as error:
        raise CallFailed(f"the database is not to be had: {type(error).__name__}", reason="connect") from None


def _failure(error: exc.DBAPIError) -> CallFailed:
    arguments = error.orig.args if error.orig is not None else ()
    codes = {getattr(error.orig, "sqlstate", None), *(each for each in arguments[:1] if isinstance(each, int))}
    if codes & _NOT_LET_IN:
        return CallFailed(
            "the database does not let us in: check the user, the password and the name",
            reason="credentials",
            retryable=False,
        )
    if codes & _REFUSED:
        return CallFailed(f"the database refuses: {_told(error)}", reason="refused", retryable=False)
    return CallFailed(f"the database could not do it now: {_told(error)}", reason="connect")


def _more_of(_: object, result: Any) -> bool:
    return bool(result.fetchmany(BATCH))


def _told(error: exc.SQLAlchemyError) -> str:
    """The driver's own words: SQLAlchemy's would repeat the statement."""
    inner = getattr(error, "orig", None)
    return " ".join(str(inner or error).split())[:500]
