"""A process that keeps time for manual tasks and has people told, over and over: `python -m tests.stories.teller`."""

import asyncio

from taskyard.engine.events import latest_position
from taskyard.engine.people.timekeeping import keep_time
from taskyard.notifying import make_planner
from tests.stories.plant import yard


async def keep() -> None:
    async with yard:
        planner = make_planner(yard.app.notifying)
        while True:
            await keep_time(yard.engine)
            await latest_position(yard.engine)
            await planner.turn()


if __name__ == "__main__":
    asyncio.run(keep())
