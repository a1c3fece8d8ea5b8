"""A database for each test, and a scene on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskyard import Taskyard
from taskyard.settings import Settings
from tests.recovery.scene import Scene
from tests.servers.postgres import PostgresServer
from tests.stories.conftest import database_url, postgres_url, settings
from tests.stories.plant import yard as planted
from tests.stories.processes import Plant

__all__ = ["database_url", "postgres_url", "settings"]


@pytest.fixture
async def scene(
    settings: Settings, database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Scene]:
    """An empty scene; its server is there only on PostgreSQL."""
    server: PostgresServer | None = None
    if database_url.startswith("postgresql"):
        server = request.getfixturevalue("postgres_server")
    yard = Taskyard(settings=settings)
    for handler in planted.registry:
        yard.registry.add(handler)
    async with yard:
        with Scene(Plant(yard, database_url, tmp_path), database_url, tmp_path, server) as made:
            yield made
