"""The SQLite store, in a file."""

import functools
import itertools
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskyard.contracts.store import Store
from taskyard.store.sqlite import SqliteStore
from taskyard.testing.conformance.store import *  # noqa: F403
from taskyard.testing.conformance.store.bench import Database


@pytest.fixture
def new_database(tmp_path: Path) -> Callable[[], Database]:
    numbers = itertools.count()
    return lambda: functools.partial(SqliteStore, str(tmp_path / f"{next(numbers)}.db"))


@pytest.fixture
def bare_database(new_database: Callable[[], Database]) -> Database:
    return new_database()


@pytest.fixture
def begin(store: Store) -> Iterator[Callable[[], sqlite3.Connection]]:
    assert isinstance(store, SqliteStore)
    connection = sqlite3.connect(store.path, isolation_level=None)

    def begin() -> sqlite3.Connection:
        connection.execute("BEGIN IMMEDIATE")
        return connection

    yield begin
    connection.close()
