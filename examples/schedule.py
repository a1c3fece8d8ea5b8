"""A task that starts every second: once a time, however many processes keep it."""

import asyncio
import tempfile
from datetime import datetime
from pathlib import Path

from taskyard import Context, Taskyard

folder = Path(tempfile.mkdtemp(prefix="taskyard-example-"))
yard = Taskyard(f"sqlite:///{folder}/example.db")
seen: "asyncio.Queue[datetime]" = asyncio.Queue()


@yard.task
async def measure(ctx: Context, sensor: str) -> None:
    print(f"{sensor} measured because of {ctx.cause_type} {ctx.cause}")
    seen.put_nowait(datetime.fromisoformat(ctx.metadata["scheduledAt"]))


yard.schedule("every-second", measure, interval=1, input={"sensor": "door"})


async def main() -> None:
    async with yard.worker():
        first, second = await seen.get(), await seen.get()
    print("apart:", (second - first).total_seconds())


asyncio.run(main())
