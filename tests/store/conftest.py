"""Databases with the schema of the PostgreSQL store."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from taskyard.store.postgres import PostgresStore
from tests.servers.postgres import PostgresServer


@pytest.fixture
def migrated_dsn(postgres_server: PostgresServer) -> Iterator[str]:
    """The DSN of a database of this test's own, migrated and empty."""
    postgres_server.ensure_running()
    template = postgres_server.template("migrated", lambda dsn: asyncio.run(_migrate(dsn)))
    dsn = postgres_server.create_database(template=template)
    yield dsn
    postgres_server.ensure_running()
    postgres_server.drop_database(dsn)


@pytest.fixture
async def postgres_store(migrated_dsn: str) -> AsyncIterator[PostgresStore]:
    """An open PostgreSQL store by the database's own clock."""
    store = PostgresStore(migrated_dsn)
    await store.open()
    yield store
    await store.close()


async def _migrate(dsn: str) -> None:
    await PostgresStore(dsn).migrate()
