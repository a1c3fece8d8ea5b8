"""A sandbox in each tier, and what makes its jails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.executors.sandbox.calls import TIERS_HERE, sandbox

from taskyard.executors.script.sandbox.forkserver import ForkServer
from taskyard.executors.script.sandbox.target import Sandbox


@pytest.fixture(params=TIERS_HERE)
async def box(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    async with sandbox([request.param]) as made:
        yield made


@pytest.fixture
def server() -> Iterator[ForkServer]:
    made = ForkServer()
    yield made
    made.stop()
