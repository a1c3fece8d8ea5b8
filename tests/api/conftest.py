"""Fixtures of the API's tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskyard import Taskyard
from taskyard.api.server import create_api
from taskyard.contracts.clock import SystemClock
from taskyard.storing import make_store
from tests.api.yard import Client, define_more, make_services, make_yard
from tests.servers.postgres import PostgresServer


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a module's tests on the stores it names; on SQLite alone if it names none."""
    if "database_url" in metafunc.fixturenames:
        metafunc.parametrize("database_url", getattr(metafunc.module, "STORES", ["sqlite"]), indirect=True)


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database of the test's own."""
    if request.param == "sqlite":
        return "sqlite:///:memory:"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database("api", template=server.template("migrated", _migrate))


@pytest.fixture
async def yard(tmp_path: Path, database_url: str) -> AsyncIterator[Taskyard]:
    """An open yard without a worker."""
    made = make_yard(tmp_path, database_url)
    async with made:
        await define_more(made)
        yield made


@pytest.fixture
async def working_yard(tmp_path: Path, database_url: str) -> AsyncIterator[Taskyard]:
    """An open yard with a worker."""
    made = make_yard(tmp_path, database_url)
    async with made.worker():
        await define_more(made)
        yield made


@pytest.fixture
async def client(yard: Taskyard) -> AsyncIterator[Client]:
    """An admin, where nothing is executed."""
    services = make_services(yard)
    async with Client(create_api(services), services) as made:
        yield made


@pytest.fixture
async def working(working_yard: Taskyard) -> AsyncIterator[Client]:
    """An admin, where tasks are executed."""
    services = make_services(working_yard)
    async with Client(create_api(services), services) as made:
        yield made


def _migrate(url: str) -> None:
    asyncio.run(make_store(url, SystemClock()).migrate())
