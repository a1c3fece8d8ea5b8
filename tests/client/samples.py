"""The tasks that the tests ask for over HTTP."""

import asyncio
from pathlib import Path

from taskyard.domain.upload import UploadedFile
from taskyard.executors.function.context import Context
from taskyard.yard import Taskyard

LINES = 60


async def add(ctx: Context, a: int, b: int) -> int:
    ctx.log.info("adding %s and %s", a, b)
    return a + b


async def hold(ctx: Context) -> None:
    ctx.progress(1, 4, "holding")
    await asyncio.Event().wait()


async def talk(ctx: Context, pause: float = 0.01) -> str:
    """Says its lines in two attempts: the first half, then it fails, then the rest."""
    half = LINES // 2
    for number in range((ctx.attempt - 1) * half, ctx.attempt * half):
        ctx.log.info("line %d", number)
        ctx.progress(number + 1, LINES, "talking")
        await asyncio.sleep(pause)
    if ctx.attempt == 1:
        raise RuntimeError("lost the thread")
    return "said it all"


async def fail() -> None:
    raise RuntimeError("it cannot be done")


def read(file: UploadedFile) -> str:
    assert isinstance(file.path, Path)
    return f"{file.name}: {file.path.read_text()}"


def register(yard: Taskyard) -> Taskyard:
    yard.register(None, add, trigger="sum", action="sum")
    yard.register("add_too", add, trigger="sum")
    yard.register(None, hold)
    yard.register(None, talk, retry={"maxRetries": 1, "initialDelay": 0.05})
    yard.register(None, fail, retry=0)
    yard.register(None, read)
    return yard
