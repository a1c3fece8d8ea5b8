"""The fixtures of the suite. All rest on one that the implementer gives: `new_database`.

`new_database` is a function that returns a `Database` on an empty database of its own at every call.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from taskyard.contracts.store import Store
from taskyard.errors import ConfigurationError
from taskyard.testing.clock import ManualClock
from taskyard.testing.conformance.store.bench import Bench, Database

OpenStore = Callable[[], Awaitable[Store]]


class Suite:
    """What all test classes share."""

    pytestmark = pytest.mark.asyncio


async def open_migrated(store: Store) -> None:
    """Open a store, and first migrate its database where it is not."""
    try:
        await store.open()
    except ConfigurationError:
        await store.migrate()
        await store.open()


@pytest.fixture
def clock() -> ManualClock:
    """The clock of all the test's stores."""
    return ManualClock()


@pytest.fixture
def database(new_database: Callable[[], Database]) -> Database:
    """The test's own empty database, migrated or not."""
    return new_database()


@pytest_asyncio.fixture
async def store(database: Database, clock: ManualClock) -> AsyncIterator[Store]:
    """A migrated and open store."""
    made = database(clock)
    await open_migrated(made)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def open_store(store: Store, database: Database, clock: ManualClock) -> AsyncIterator[OpenStore]:
    """Opens further stores on the database of `store`."""
    del store  # it has migrated the database
    opened: list[Store] = []

    async def open_another() -> Store:
        another = database(clock)
        await another.open()
        opened.append(another)
        return another

    yield open_another
    for another in opened:
        await another.close()


@pytest_asyncio.fixture
async def bench(store: Store, clock: ManualClock) -> Bench:
    """The store at work."""
    return await Bench.on(store, clock)
