"""The PostgreSQL store behind a PgBouncer in transaction mode."""

import functools
from collections.abc import Callable, Iterator

import psycopg
import pytest
from tests.conformance.test_postgres import empty, shared_dsn
from tests.servers.pgbouncer import Pooler, pooler
from tests.servers.postgres import PostgresServer

from taskyard.store.postgres import PostgresStore
from taskyard.testing.conformance.processes import Address
from taskyard.testing.conformance.store import *  # noqa: F403 - its tests run here
from taskyard.testing.conformance.store.bench import Database

__all__ = ["empty", "shared_dsn"]

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def in_between(postgres_server: PostgresServer) -> Iterator[Pooler]:
    with pooler(postgres_server) as started:
        yield started


@pytest.fixture
def new_database(shared_dsn: str, in_between: Pooler, empty: Callable[[], object]) -> Callable[[], Database]:
    def new_database() -> Database:
        empty()
        return functools.partial(PostgresStore, in_between.url(shared_dsn), listen_url=shared_dsn)

    return new_database


@pytest.fixture
def bare_database(postgres_dsn: str, in_between: Pooler) -> Address:
    return Address("taskyard.store.postgres:PostgresStore", in_between.url(postgres_dsn))


@pytest.fixture
def begin(shared_dsn: str, in_between: Pooler) -> Iterator[Callable[[], psycopg.Connection]]:
    with psycopg.connect(in_between.url(shared_dsn), prepare_threshold=None) as connection:
        yield lambda: connection
