"""The PostgreSQL store. Its tests share a database, which each finds empty."""

import asyncio
import functools
from collections.abc import Callable, Iterator

import psycopg
import pytest
from tests.servers.postgres import PostgresServer

from taskyard.store.postgres import PostgresStore
from taskyard.testing.conformance.processes import Address
from taskyard.testing.conformance.store import *  # noqa: F403 - its tests run here
from taskyard.testing.conformance.store.bench import Database

_EMPTY = """
DO $$ DECLARE one name; BEGIN
  FOR one IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relispartition AND relname !~ '_default$'
  LOOP EXECUTE format('DROP TABLE taskyard.%I', one); END LOOP;
  FOR one IN SELECT tablename FROM pg_tables
    WHERE schemaname = 'taskyard' AND tablename NOT IN ('migration', 'queue', 'sequencer', 'webhook_mark')
  LOOP EXECUTE format('DELETE FROM taskyard.%I', one); END LOOP;
  UPDATE taskyard.queue SET paused = false, asked = false;
  UPDATE taskyard.sequencer SET pos = 0;
  UPDATE taskyard.webhook_mark SET pos = 0, callbacks_since = NULL;
END $$
"""


@pytest.fixture(scope="module")
def shared_dsn(postgres_server: PostgresServer) -> Iterator[str]:
    dsn = postgres_server.create_database("conformance")
    asyncio.run(PostgresStore(dsn).migrate())
    yield dsn
    postgres_server.drop_database(dsn)


@pytest.fixture(scope="module")
def empty(shared_dsn: str) -> Iterator[Callable[[], object]]:
    with psycopg.connect(shared_dsn, autocommit=True) as connection:
        yield lambda: connection.execute(_EMPTY)


@pytest.fixture
def new_database(shared_dsn: str, empty: Callable[[], object]) -> Callable[[], Database]:
    def new_database() -> Database:
        empty()
        return functools.partial(PostgresStore, shared_dsn)

    return new_database


@pytest.fixture
def bare_database(postgres_dsn: str) -> Address:
    return Address("taskyard.store.postgres:PostgresStore", postgres_dsn)


@pytest.fixture
def begin(shared_dsn: str) -> Iterator[Callable[[], psycopg.Connection]]:
    with psycopg.connect(shared_dsn) as connection:
        yield lambda: connection
