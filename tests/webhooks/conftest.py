"""A post office on each store, which may send to this machine."""

from collections.abc import AsyncIterator

import pytest

from taskyard import Taskyard
from taskyard.settings import Settings
from taskyard.testing.clock import ManualClock
from tests.stories.conftest import clock, database_url, postgres_url, settings
from tests.webhooks.post import Post

__all__ = ["clock", "database_url", "postgres_url", "settings"]


@pytest.fixture
async def post(settings: Settings, clock: ManualClock) -> AsyncIterator[Post]:
    allowed = settings.with_values(TASKYARD_EGRESS_ALLOW=("127.0.0.0/8",))
    async with Taskyard(settings=allowed, clock=clock) as yard:
        office = await Post.on(yard, clock)
        yield office
        await office.dispatcher.stop()
