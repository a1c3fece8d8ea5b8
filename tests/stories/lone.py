"""A worker that nobody supervises: `python -m tests.stories.lone`, until SIGTERM."""

import asyncio
import signal

from tests.stories.plant import yard


async def work() -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with yard.worker():
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(work())
