"""Enqueueing in the caller's own transaction: the task is there when, and only if, it commits."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest
import sqlalchemy
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from taskyard import TaskHandle, Taskyard
from taskyard.errors import ConfigurationError, Conflict
from tests.stories.tools import count_tasks

End = Callable[[], Awaitable[None]]
Opened = tuple[Any, End, End]
Open = Callable[[str], AbstractAsyncContextManager[Opened]]
"""Opens a transaction on a database: what to give to Taskyard, how to commit, how to roll back."""


def blocking(connection: Any) -> Opened:
    async def commit() -> None:
        connection.commit()

    async def rollback() -> None:
        connection.rollback()

    return connection, commit, rollback


@asynccontextmanager
async def sqlite3_connection(url: str) -> AsyncIterator[Opened]:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield blocking(connection)


@asynccontextmanager
async def sqlite3_connection_of_dicts(url: str) -> AsyncIterator[Opened]:
    async with sqlite3_connection(url) as opened:
        connection = opened[0]
        connection.row_factory, connection.text_factory = row_as_dict, bytes
        yield opened
        assert (connection.row_factory, connection.text_factory) == (row_as_dict, bytes)


def row_as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


@asynccontextmanager
async def asyncpg_connection(url: str) -> AsyncIterator[Opened]:
    connection = await asyncpg.connect(url)
    transaction = connection.transaction()
    await transaction.start()
    yield connection, transaction.commit, transaction.rollback
    await connection.close()


@asynccontextmanager
async def psycopg_connection(url: str) -> AsyncIterator[Opened]:
    with psycopg.connect(url) as connection:
        yield blocking(connection)


@asynccontextmanager
async def psycopg_connection_of_dicts(url: str) -> AsyncIterator[Opened]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        yield blocking(connection)


@asynccontextmanager
async def psycopg_async_connection_of_dicts(url: str) -> AsyncIterator[Opened]:
    async with await psycopg.AsyncConnection.connect(url, row_factory=dict_row) as connection:
        yield connection, connection.commit, connection.rollback


@asynccontextmanager
async def psycopg_async_connection(url: str) -> AsyncIterator[Opened]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        yield connection, connection.commit, connection.rollback


def sqlalchemy_session(driver: str) -> Open:
    @asynccontextmanager
    async def open_session(url: str) -> AsyncIterator[Opened]:
        engine = sqlalchemy.create_engine(url.replace("postgresql://", f"{driver}://"))
        with Session(engine) as session:
            yield blocking(session)
        engine.dispose()

    return open_session


def sqlalchemy_connection(driver: str) -> Open:
    @asynccontextmanager
    async def open_connection(url: str) -> AsyncIterator[Opened]:
        engine = sqlalchemy.create_engine(url.replace("postgresql://", f"{driver}://"))
        with engine.connect() as connection:
            yield blocking(connection)
        engine.dispose()

    return open_connection


def sqlalchemy_async_session(driver: str) -> Open:
    @asynccontextmanager
    async def open_session(url: str) -> AsyncIterator[Opened]:
        engine = create_async_engine(url.replace("postgresql://", f"{driver}://"))
        async with AsyncSession(engine) as session:
            yield session, session.commit, session.rollback
        await engine.dispose()

    return open_session


ON_SQLITE: dict[str, Open] = {
    "sqlite3": sqlite3_connection,
    "sqlite3-dicts": sqlite3_connection_of_dicts,
    "sqlalchemy-session": sqlalchemy_session("sqlite"),
    "sqlalchemy-connection": sqlalchemy_connection("sqlite"),
}
ON_POSTGRESQL: dict[str, Open] = {
    "asyncpg": asyncpg_connection,
    "psycopg": psycopg_connection,
    "psycopg-dicts": psycopg_connection_of_dicts,
    "psycopg-async": psycopg_async_connection,
    "psycopg-async-dicts": psycopg_async_connection_of_dicts,
    "sqlalchemy-session": sqlalchemy_session("postgresql+psycopg"),
    "sqlalchemy-connection": sqlalchemy_connection("postgresql+psycopg"),
    "sqlalchemy-async-session": sqlalchemy_async_session("postgresql+asyncpg"),
    "sqlalchemy-async-session-psycopg": sqlalchemy_async_session("postgresql+psycopg_async"),
}
WAYS = [("sqlite", name) for name in ON_SQLITE] + [("postgresql", name) for name in ON_POSTGRESQL]

every_way = pytest.mark.parametrize(
    ("database_url", "way"), WAYS, indirect=["database_url"], ids=[f"{store}-{name}" for store, name in WAYS]
)


def opener(url: str, way: str) -> AbstractAsyncContextManager[Opened]:
    return (ON_SQLITE if url.startswith("sqlite") else ON_POSTGRESQL)[way](url)


@pytest.fixture
def job(yard: Taskyard) -> TaskHandle[..., Any]:
    async def job(number: int = 0) -> int:
        return number * 2

    return yard.register("job", job)


@every_way
async def test_a_commit_brings_the_task(yard: Taskyard, job: TaskHandle[..., Any], database_url: str, way: str) -> None:
    async with yard.worker(), opener(database_url, way) as (transaction, commit, _):
        run = await job.options(transaction=transaction, priority="HIGH").start(number=4)
        assert await count_tasks(yard) == 0
        await commit()
        assert await run.result() == 8


@every_way
async def test_a_rollback_brings_nothing(
    yard: Taskyard, job: TaskHandle[..., Any], database_url: str, way: str
) -> None:
    async with yard:
        async with opener(database_url, way) as (transaction, _, rollback):
            await job.options(transaction=transaction).start(number=4)
            await rollback()
        assert await count_tasks(yard) == 0


@every_way
async def test_a_bulk_goes_in_one_transaction_too(
    yard: Taskyard, job: TaskHandle[..., Any], database_url: str, way: str
) -> None:
    async with yard.worker(), opener(database_url, way) as (transaction, commit, _):
        runs = await job.options(transaction=transaction).start_many([{"number": n} for n in range(100)])
        assert await count_tasks(yard) == 0
        await commit()
        assert [await run.result() for run in runs] == [n * 2 for n in range(100)]


async def test_a_policy_of_its_own_goes_with_the_transaction(
    yard: Taskyard, job: TaskHandle[..., Any], database_url: str
) -> None:
    way = "sqlite3" if database_url.startswith("sqlite") else "asyncpg"
    own = job.options(execution_config={"timeout": 7, "retryPolicy": {"maxRetries": 1}}, concurrency_key="k")
    async with yard.worker():
        await own.run(number=1)
        async with opener(database_url, way) as (transaction, commit, _):
            run = await own.options(transaction=transaction).start(number=1)
            await commit()
            assert await run.result() == 2
            assert run.task.max_retries == 1


async def test_a_limited_task_waits_for_its_slot_also_from_a_transaction(yard: Taskyard, database_url: str) -> None:
    way = "sqlite3" if database_url.startswith("sqlite") else "asyncpg"

    @yard.task(max_concurrent=1)
    async def one_at_a_time(number: int) -> int:
        return number

    async with yard.worker(), opener(database_url, way) as (transaction, commit, _):
        runs = await one_at_a_time.options(transaction=transaction).start_many([{"number": n} for n in range(3)])
        await commit()
        assert [await run.result() for run in runs] == [0, 1, 2]


async def test_what_cannot_be_kept_in_a_transaction_is_refused(
    yard: Taskyard, job: TaskHandle[..., Any], database_url: str
) -> None:
    way = "sqlite3" if database_url.startswith("sqlite") else "asyncpg"
    async with yard, opener(database_url, way) as (transaction, commit, _):
        with pytest.raises(Conflict):
            await job.options(transaction=transaction, idempotency_key="k").start()
        with pytest.raises(Conflict):
            await job.options(transaction=transaction, expire=60).start()
        with pytest.raises(ConfigurationError, match="object"):
            await job.options(transaction=object()).start()
        await commit()
        assert await count_tasks(yard) == 0


async def test_a_connection_without_a_transaction_is_refused(
    yard: Taskyard, job: TaskHandle[..., Any], database_url: str
) -> None:
    async with yard:
        if database_url.startswith("sqlite"):
            with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as connection:
                with pytest.raises(ConfigurationError, match="no open transaction"):
                    await job.options(transaction=connection).start()
        else:
            pg = await asyncpg.connect(database_url)
            with pytest.raises(ConfigurationError, match="no open transaction"):
                await job.options(transaction=pg).start()
            await pg.close()
        assert await count_tasks(yard) == 0


async def test_a_transaction_on_another_database_is_refused(
    yard: Taskyard, job: TaskHandle[..., Any], tmp_path: Path
) -> None:
    async with yard:
        with closing(sqlite3.connect(tmp_path / "other.db", isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            with pytest.raises(ConfigurationError):
                await job.options(transaction=connection).start()
            connection.execute("ROLLBACK")
        assert await count_tasks(yard) == 0
