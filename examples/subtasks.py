"""A parent that runs children: each runs once in the parent's life, however often the parent is tried again."""

import asyncio
import tempfile
from pathlib import Path

from taskyard import Context, Taskyard

folder = Path(tempfile.mkdtemp(prefix="taskyard-example-"))
yard = Taskyard(f"sqlite:///{folder}/example.db")
bought: list[str] = []


@yard.task
async def buy(ctx: Context, item: str) -> str:
    bought.append(item)
    return f"{item} #{len(bought)}"


@yard.task(retry=1, retry_delay=lambda _: 0.0)
async def build_shelter(ctx: Context) -> list[str]:
    parts = [await ctx.run(buy, {"item": item}) for item in ("planks", "nails")]
    if ctx.attempt == 1:
        raise RuntimeError("it rained")
    return parts


async def main() -> None:
    async with yard.worker():
        print(await build_shelter.run())
    print("bought", bought)


asyncio.run(main())
