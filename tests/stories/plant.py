"""A yard for worker processes of stories: `tests.stories.plant:yard`. Its handlers keep a ledger on disk."""

import asyncio
import os
from pathlib import Path

from taskyard import Context, Taskyard

yard = Taskyard()


def folder() -> Path:
    """Where the story's files are."""
    return Path(os.environ["STORY_FOLDER"])


def enter(word: str, subject: object) -> None:
    """Write a line to the ledger, on the disk before this returns."""
    ledger = os.open(folder() / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ledger, f"{word} {subject}\n".encode())
    os.fsync(ledger)
    os.close(ledger)


@yard.task
async def tick(ctx: Context, number: int, seconds: float = 0.02) -> int:
    await asyncio.sleep(seconds)
    enter("done", number)
    return number


@yard.task
async def wait_for_release(ctx: Context, name: str) -> str:
    enter("waiting", name)
    while not (folder() / f"release-{name}").exists():
        await asyncio.sleep(0.01)
    enter("done", name)
    return name


@yard.task
def poison(ctx: Context) -> None:
    enter("poisoned", ctx.attempt)
    os._exit(1)


@yard.task(max_concurrent=2)
async def limited(ctx: Context, number: int) -> None:
    enter("in", number)
    await asyncio.sleep(0.02)
    enter("out", number)
