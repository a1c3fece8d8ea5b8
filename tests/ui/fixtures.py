"""Fixtures of the browser's tests: one house a module, on each store unless the module names one."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from taskyard.contracts.clock import SystemClock
from taskyard.storing import make_store
from tests.servers.postgres import PostgresServer
from tests.ui.yard import Gates, define_manual, make_yard


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def house_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of an empty database of the module's own."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('ui') / 'ui.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database("ui", template=server.template("migrated", _migrate))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(house_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    """A server with a worker, and a browser."""
    from tests.ui.house import chromium, house_of  # Playwright takes a while, and few tests need it

    gates = Gates()
    yard = make_yard(Path(tmp_path_factory.mktemp("data")), house_url, gates)
    async with yard.worker(concurrency=8), chromium() as browser, house_of(yard, gates, browser) as made:
        await define_manual(yard)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("taskyard.engine.sparing._QUICK", math.inf)  # a busy machine counts slowly, and then seldom
            yield made


def _migrate(url: str) -> None:
    asyncio.run(make_store(url, SystemClock()).migrate())
