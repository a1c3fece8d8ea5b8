"""A yard whose work is the steps of a process; each is written down when it is done."""

import asyncio
import os
from pathlib import Path

from taskyard import Context, Taskyard

yard = Taskyard()


@yard.task(retry={"initialDelay": 0})
async def work(ctx: Context, number: int) -> None:
    await asyncio.sleep(0.02)
    with (Path(os.environ["STORY_FOLDER"]) / "ledger").open("a") as ledger:
        ledger.write(f"done {number}\n")


yard.workflow(Path(__file__).with_name("assembly.bpmn"))
