"""The SQLite store, in memory."""

import functools
from collections.abc import Callable

import pytest

from taskyard.store.sqlite import SqliteStore
from taskyard.testing.conformance.store.alone import *  # noqa: F403 - its tests run here
from taskyard.testing.conformance.store.bench import Database


@pytest.fixture
def new_database() -> Callable[[], Database]:
    return lambda: functools.partial(SqliteStore, ":memory:")
