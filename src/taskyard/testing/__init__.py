"""What tests of and around Taskyard need.

A test runs the yard it is about in memory, with a clock that stands still until the test moves it:

    from taskyard.testing import World, yard_for_test
    from my_app.tasks import yard, send_reminder

    @pytest.fixture
    async def world() -> AsyncIterator[World]:
        async with yard_for_test(yard) as world:
            yield world

    async def test_reminds_after_a_day(world):
        run = await send_reminder.options(delay=86_400).start(customer="c-1")
        await world.advance(86_399)
        assert (await run.refresh()).status == "PENDING"
        await world.advance(1)
        assert (await run.refresh()).status == "COMPLETED"

    async def test_says_whom_it_reminded(world):
        assert await world.run(send_reminder, {"customer": "c-1"}) == "reminded c-1"
"""

from taskyard.testing.clock import ManualClock
from taskyard.testing.world import World, yard_for_test

__all__ = ["ManualClock", "World", "yard_for_test"]
