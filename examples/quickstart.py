"""A task with progress, retries and a result."""

import asyncio
import tempfile
from pathlib import Path

from pydantic import BaseModel

from taskyard import Context, Taskyard

folder = Path(tempfile.mkdtemp(prefix="taskyard-example-"))
yard = Taskyard(f"sqlite:///{folder}/example.db")


class Report(BaseModel):
    words: int
    longest: str


@yard.task(title="Count words", category="report", retry=3, retry_delay=lambda retry: 0.1 * retry)
async def count_words(ctx: Context, text: str) -> Report:
    if ctx.attempt == 1:
        raise ConnectionError("the dictionary did not answer")  # it is tried again by itself
    words = text.split()
    for number, word in enumerate(words, start=1):
        ctx.progress(number, len(words), word)
    ctx.log.info("counted %d words", len(words))
    return Report(words=len(words), longest=max(words, key=len))


async def main() -> None:
    async with yard.worker():
        run = await count_words.start(text="every task is kept safe until it is done")
        async for message in run.follow():
            print(message["type"], message.get("status") or message.get("text") or message.get("percent") or "")
        report = await run.result()
        print(f"{report.words} words, the longest is {report.longest!r}")


asyncio.run(main())
