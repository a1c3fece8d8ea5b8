"""A yard on each store."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskyard import Taskyard
from taskyard.contracts.clock import SystemClock
from taskyard.settings import Settings, load
from taskyard.storing import make_store
from taskyard.testing.clock import ManualClock
from tests.servers.postgres import PostgresServer

STORES = ["sqlite", "postgresql"]


@pytest.fixture(params=STORES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty, migrated database of the test's own."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tasks.db'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A clone of a database that was migrated once."""
    postgres_server.ensure_running()
    url = postgres_server.create_database("story", template=postgres_server.template("migrated", _migrate))
    yield url
    postgres_server.ensure_running()
    postgres_server.drop_database(url)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """The defaults, on the test's database and folder, and with a short grace."""
    return load({}).with_values(
        TASKYARD_DATABASE_URL=database_url, TASKYARD_DATA_DIR=str(tmp_path / "data"), TASKYARD_GRACE=1.0
    )


@pytest.fixture
def yard(settings: Settings) -> Taskyard:
    """A yard without tasks, not yet open."""
    return Taskyard(settings=settings)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def yard_by_hand(settings: Settings, clock: ManualClock) -> Taskyard:
    """A yard whose store keeps its time by `clock`."""
    return Taskyard(settings=settings, clock=clock)


@pytest.fixture
def another_yard(settings: Settings) -> Callable[[], Taskyard]:
    """Makes further yards on the same database, as another process would."""
    return lambda: Taskyard(settings=settings)


def _migrate(url: str) -> None:
    asyncio.run(make_store(url, SystemClock()).migrate())
