"""Enqueueing in a transaction that is the caller's, over asyncpg, psycopg or SQLAlchemy, none of them required.

What a connection is, is told by the modules its class comes from; so nothing is imported that is not there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from taskyard.errors import ConfigurationError

IDENTITY = "SELECT current_database() || ' ' || obj_description(to_regnamespace('taskyard'), 'pg_namespace')"
"""What our database answers, and no other."""

_BEGIN = "SELECT 1"
_ONE_OF = "give an asyncpg or psycopg connection, or a SQLAlchemy session or connection over one of them"


async def carry(connection: Any, identity: str, sql: str, parameters: Sequence[Any]) -> None:
    """Run the statement in the connection's open transaction.

    Raises ConfigurationError when it has none, is of an unknown kind, or leads to another database than `identity`.
    """
    driver = await _driver(connection)
    if _comes_from(driver, "asyncpg"):
        await _over_asyncpg(driver, identity, sql, parameters)
    elif _comes_from(driver, "psycopg"):
        await _over_psycopg(driver, identity, sql, [list(p) if isinstance(p, tuple) else p for p in parameters])
    else:
        raise ConfigurationError(
            f"cannot enqueue in the transaction of a {type(driver).__module__}.{type(driver).__qualname__}: {_ONE_OF}"
        )


def _comes_from(thing: Any, library: str) -> bool:
    return any(cls.__module__.partition(".")[0] == library for cls in type(thing).__mro__)


async def _driver(connection: Any) -> Any:
    """The driver's connection, behind a SQLAlchemy one whose transaction has been made to begin."""
    if not _comes_from(connection, "sqlalchemy"):
        return connection
    if hasattr(connection, "get_bind"):  # a session
        made = connection.connection()
        connection = await made if asyncio.iscoroutine(made) else made
    if connection.dialect.name != "postgresql":
        raise ConfigurationError(f"the transaction is on {connection.dialect.name}, but the tasks are on PostgreSQL")
    if hasattr(connection, "get_raw_connection"):  # an asynchronous one
        await connection.exec_driver_sql(_BEGIN)
        return (await connection.get_raw_connection()).driver_connection
    await asyncio.to_thread(connection.exec_driver_sql, _BEGIN)
    return connection.connection.driver_connection


async def _over_asyncpg(driver: Any, identity: str, sql: str, parameters: Sequence[Any]) -> None:
    _require(in_transaction=driver.is_in_transaction())
    _require_same(identity, await driver.fetchval(IDENTITY))
    await driver.execute(sql, *parameters)


async def _over_psycopg(driver: Any, identity: str, sql: str, parameters: Sequence[Any]) -> None:
    import psycopg  # its connection is here, so it is
    from psycopg.rows import tuple_row

    idle = driver.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    _require(in_transaction=not (driver.autocommit and idle))
    if isinstance(driver, psycopg.AsyncConnection):
        async with psycopg.AsyncRawCursor(driver, row_factory=tuple_row) as cursor:
            row = await (await cursor.execute(IDENTITY.encode())).fetchone()
            _require_same(identity, row and row[0])
            await cursor.execute(sql.encode(), parameters)
    else:
        await asyncio.to_thread(_over_blocking_psycopg, driver, identity, sql, parameters)


def _over_blocking_psycopg(driver: Any, identity: str, sql: str, parameters: Sequence[Any]) -> None:
    import psycopg
    from psycopg.rows import tuple_row

    with psycopg.RawCursor(driver, row_factory=tuple_row) as cursor:
        row = cursor.execute(IDENTITY.encode()).fetchone()
        _require_same(identity, row and row[0])
        cursor.execute(sql.encode(), parameters)


def _require(*, in_transaction: bool) -> None:
    if not in_transaction:
        raise ConfigurationError("the connection has no open transaction; begin one first")


def _require_same(identity: str, found: Any) -> None:
    if found != identity:
        raise ConfigurationError(
            f"the transaction is on another database than the tasks, which are on {identity.partition(' ')[0]}; "
            "open the connection on that one"
        )
