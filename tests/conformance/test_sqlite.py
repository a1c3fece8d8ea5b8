"""The SQLite store, in a file."""

import contextlib
import functools
import itertools
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskyard.contracts.store import Store
from taskyard.errors import ConfigurationError
from taskyard.store.sqlite import SqliteStore
from taskyard.store.sqlite.database import connect
from taskyard.testing.conformance.processes import Address
from taskyard.testing.conformance.store import *  # noqa: F403 - its tests run here
from taskyard.testing.conformance.store.bench import Bench, Database


@pytest.fixture
def new_database(tmp_path: Path) -> Callable[[], Database]:
    numbers = itertools.count()
    return lambda: functools.partial(SqliteStore, str(tmp_path / f"{next(numbers)}.db"))


@pytest.fixture
def bare_database(tmp_path: Path) -> Address:
    return Address("taskyard.store.sqlite:SqliteStore", str(tmp_path / "bare.db"))


@pytest.fixture
def begin(store: Store) -> Iterator[Callable[[], sqlite3.Connection]]:
    assert isinstance(store, SqliteStore)
    connection = sqlite3.connect(store.path, isolation_level=None)

    def begin() -> sqlite3.Connection:
        connection.execute("BEGIN IMMEDIATE")
        return connection

    yield begin
    connection.close()


@pytest.mark.parametrize("begun", [True, False])
async def test_only_an_open_transaction_on_the_same_file_carries_tasks(
    bench: Bench, tmp_path: Path, begun: bool
) -> None:
    assert isinstance(bench.store, SqliteStore)
    with contextlib.closing(
        sqlite3.connect(tmp_path / "another.db" if begun else bench.store.path, isolation_level=None)
    ) as connection:
        entries = await bench.entries()
        if begun:
            connection.execute("BEGIN")
        with pytest.raises(ConfigurationError):
            await bench.store.enqueue_with(connection, entries)


def test_a_file_that_is_made_is_read_by_its_owner_alone(tmp_path: Path) -> None:
    former = os.umask(0o022)
    try:
        with contextlib.closing(connect(str(tmp_path / "own.db"))) as connection:
            connection.execute("CREATE TABLE one (number)")
            modes = {each.name: oct(each.stat().st_mode & 0o777) for each in tmp_path.iterdir()}
    finally:
        os.umask(former)
    assert modes == dict.fromkeys(("own.db", "own.db-wal", "own.db-shm"), "0o600")
