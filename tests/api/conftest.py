"""Fixtures of the API's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskyard import Taskyard
from taskyard.api.server import create_api
from tests.api.yard import Client, define_more, make_services, make_yard


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Taskyard]:
    """An open yard without a worker."""
    made = make_yard(tmp_path)
    async with made:
        await define_more(made)
        yield made


@pytest.fixture
async def working_yard(tmp_path: Path) -> AsyncIterator[Taskyard]:
    """An open yard with a worker."""
    made = make_yard(tmp_path)
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
