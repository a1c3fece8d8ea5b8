"""Fixtures for every promise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskyard import Taskyard
from taskyard.testing import World, yard_for_test
from tests.api.yard import Client
from tests.promises.yard import client_of, define_more, make_yard


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A yard with a worker, in which time passes when the test says so."""
    async with yard_for_test(make_yard(tmp_path)) as made:
        await define_more(made.yard)
        yield made


@pytest.fixture
async def http(world: World) -> AsyncIterator[Client]:
    """An administrator of that world."""
    async with client_of(world.yard) as made:
        yield made


@pytest.fixture
async def idle_yard(tmp_path: Path) -> AsyncIterator[Taskyard]:
    """A yard without a worker."""
    async with make_yard(tmp_path) as made:
        await define_more(made)
        yield made


@pytest.fixture
async def idle(idle_yard: Taskyard) -> AsyncIterator[Client]:
    """An administrator where nothing is executed."""
    async with client_of(idle_yard) as made:
        yield made
