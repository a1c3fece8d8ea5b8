"""A yard for worker processes of stories: `tests.stories.plant:yard`. Its handlers keep a ledger on disk."""

import asyncio
import contextlib
import math
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from taskyard import Context, Taskyard
from tests.support import eventually

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


async def released(name: str) -> None:
    """Wait until a test lets those go who wait for this."""
    await eventually((folder() / f"release-{name}").exists, within=math.inf)


@yard.task
async def wait_for_release(ctx: Context, name: str) -> str:
    enter("waiting", name)
    await released(name)
    enter("done", name)
    return name


@yard.task(timeout=0.2, retry=0)
async def hold_on(ctx: Context) -> None:
    """Never lets go, whoever asks."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


@yard.task(timeout=0.2, retry=0)
def hold_on_in_thread(ctx: Context) -> None:
    threading.Event().wait()


@yard.task
async def block(ctx: Context) -> None:
    """Keeps the event loop from everybody."""
    enter("blocked", ctx.attempt)
    if ctx.attempt == 1:
        time.sleep(60)  # noqa: ASYNC251 - that is the point


@yard.task
def poison(ctx: Context) -> None:
    enter("poisoned", ctx.attempt)
    os._exit(1)


@yard.task(max_concurrent=2)
async def limited(ctx: Context, number: int) -> None:
    enter("in", number)
    await asyncio.sleep(0.02)
    enter("out", number)


@contextlib.contextmanager
def noted(task: str, attempt: int) -> Iterator[None]:
    """The ledger has that an attempt began, and when its work was done."""
    enter("began", f"{task} {attempt}")
    yield
    enter("ran", f"{task} {time.time():.3f}")


@yard.task
async def quick(ctx: Context, number: int) -> int:
    with noted(ctx.id, ctx.attempt):
        await asyncio.sleep(0.02)
    return number


@yard.task
def threaded(ctx: Context, number: int) -> int:
    with noted(ctx.id, ctx.attempt):
        time.sleep(0.02)
    return number


@yard.task(isolation="process")
def processed(ctx: Context, number: int) -> int:
    with noted(ctx.id, ctx.attempt):
        time.sleep(0.02)
    return number


@yard.task(retry={"maxRetries": 3, "initialDelay": 0.2, "jitter": 0})
async def flaky(ctx: Context, number: int) -> int:
    with noted(ctx.id, ctx.attempt):
        if ctx.attempt == 1:
            raise RuntimeError("not yet")
    return number


@yard.task(max_concurrent=2)
async def gated(ctx: Context, number: int, name: str = "open") -> int:
    with noted(ctx.id, ctx.attempt):
        enter("gated", name)
        await released(name)
    return number


@yard.task
async def parent(ctx: Context, number: int) -> int:
    with noted(ctx.id, ctx.attempt):
        children = [await ctx.run(quick, {"number": number + k}) for k in range(2)]
    return sum(children)
