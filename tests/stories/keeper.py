"""A process that does nothing but start what schedules have due, over and over: `python -m tests.stories.keeper`."""

import asyncio

from taskyard.engine.firing import fire_due
from tests.stories.plant import yard


async def keep() -> None:
    async with yard:
        while True:
            await fire_due(yard.engine)


if __name__ == "__main__":
    asyncio.run(keep())
