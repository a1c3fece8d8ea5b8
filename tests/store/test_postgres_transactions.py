"""Tasks that are stored in the caller's own transaction, over every kind of connection people bring."""

import sqlite3

import asyncpg
import psycopg
import pytest
import sqlalchemy
from sqlalchemy.orm import Session

from taskyard.contracts.records import Entry
from taskyard.errors import ConfigurationError
from taskyard.store.postgres import PostgresStore
from tests.servers.postgres import PostgresServer
from tests.store.made import ground


@pytest.fixture
async def entries(postgres_store: PostgresStore) -> list[Entry]:
    return (await ground(postgres_store)).entries(postgres_store, 3)


async def stored(store: PostgresStore, entries: list[Entry]) -> int:
    return len(await store.facts([entry.id for entry in entries]))


async def test_asyncpg(postgres_store: PostgresStore, migrated_dsn: str, entries: list[Entry]) -> None:
    connection = await asyncpg.connect(migrated_dsn)
    for commits in (False, True):
        transaction = connection.transaction()
        await transaction.start()
        await postgres_store.enqueue_with(connection, entries)
        assert await stored(postgres_store, entries) == 0
        await (transaction.commit() if commits else transaction.rollback())
    assert await stored(postgres_store, entries) == 3
    with pytest.raises(ConfigurationError, match="no open transaction"):
        await postgres_store.enqueue_with(connection, entries)
    await connection.close()


async def test_asyncpg_from_a_pool(postgres_store: PostgresStore, migrated_dsn: str, entries: list[Entry]) -> None:
    async with (
        asyncpg.create_pool(migrated_dsn, min_size=1, max_size=1) as pool,
        pool.acquire() as connection,
        connection.transaction(),
    ):
        await postgres_store.enqueue_with(connection, entries)
    assert await stored(postgres_store, entries) == 3


async def test_psycopg(postgres_store: PostgresStore, migrated_dsn: str, entries: list[Entry]) -> None:
    with psycopg.connect(migrated_dsn) as connection:
        await postgres_store.enqueue_with(connection, entries)
        assert await stored(postgres_store, entries) == 0
        connection.rollback()
        assert await stored(postgres_store, entries) == 0
        await postgres_store.enqueue_with(connection, entries)
    assert await stored(postgres_store, entries) == 3
    with (
        psycopg.connect(migrated_dsn, autocommit=True) as connection,
        pytest.raises(ConfigurationError, match="no open transaction"),
    ):
        await postgres_store.enqueue_with(connection, entries)


async def test_asynchronous_psycopg(postgres_store: PostgresStore, migrated_dsn: str, entries: list[Entry]) -> None:
    async with await psycopg.AsyncConnection.connect(migrated_dsn) as connection:
        await postgres_store.enqueue_with(connection, entries)
        await connection.rollback()
        assert await stored(postgres_store, entries) == 0
        await postgres_store.enqueue_with(connection, entries)
    assert await stored(postgres_store, entries) == 3


async def test_sqlalchemy_session(postgres_store: PostgresStore, migrated_dsn: str, entries: list[Entry]) -> None:
    engine = sqlalchemy.create_engine(migrated_dsn.replace("postgresql://", "postgresql+psycopg://"))
    with Session(engine) as session:
        await postgres_store.enqueue_with(session, entries)
        session.rollback()
        assert await stored(postgres_store, entries) == 0
        await postgres_store.enqueue_with(session, entries)
        session.commit()
    engine.dispose()
    assert await stored(postgres_store, entries) == 3


async def test_sqlalchemy_connection(postgres_store: PostgresStore, migrated_dsn: str, entries: list[Entry]) -> None:
    engine = sqlalchemy.create_engine(migrated_dsn.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        await postgres_store.enqueue_with(connection, entries)
        connection.rollback()
        assert await stored(postgres_store, entries) == 0
        await postgres_store.enqueue_with(connection, entries)
        connection.commit()
    engine.dispose()
    assert await stored(postgres_store, entries) == 3


async def test_another_database_is_refused(
    postgres_store: PostgresStore, postgres_server: PostgresServer, postgres_dsn: str, entries: list[Entry]
) -> None:
    for dsn in (postgres_dsn, postgres_server.dsn()):
        with psycopg.connect(dsn) as connection, pytest.raises(ConfigurationError, match="another database"):
            await postgres_store.enqueue_with(connection, entries)


async def test_another_kind_of_connection_is_refused(postgres_store: PostgresStore, entries: list[Entry]) -> None:
    connection = sqlite3.connect(":memory:")
    with pytest.raises(ConfigurationError, match=r"sqlite3\.Connection"):
        await postgres_store.enqueue_with(connection, entries)
    connection.close()
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as over_sqlite, pytest.raises(ConfigurationError, match="on sqlite"):
        await postgres_store.enqueue_with(over_sqlite, entries)
    engine.dispose()


async def test_what_was_stored_by_others_is_claimed_like_the_rest(
    postgres_store: PostgresStore, migrated_dsn: str, entries: list[Entry]
) -> None:
    """A transaction that commits long after its tasks were written is found although the floor has been raised."""
    connection = await asyncpg.connect(migrated_dsn)
    async with connection.transaction():
        await postgres_store.enqueue_with(connection, entries)
        await connection.execute("UPDATE taskyard.ready SET ord = ord - 60000000")
        await postgres_store.tidy()
    await connection.close()
    while (lease := await postgres_store.claim(1, [entries[0].lane_id], 10)) is None:
        await postgres_store.tidy()
    assert [task.task_id for task in lease.tasks] == [entry.id for entry in entries]
