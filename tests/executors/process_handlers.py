"""Handlers for the tests of processes, in a module that a process can import."""

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from taskyard.errors import Conflict
from taskyard.executors.function.context import Context
from taskyard.executors.function.errors import TaskFailed


class Item(BaseModel):
    name: str
    price: float


class Order(BaseModel):
    items: list[Item]


class Total(BaseModel):
    price: float
    count: int


def add(a: int, b: int = 1) -> int:
    return a + b


async def add_slowly(ctx: Context, a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b + ctx.attempt


def total(order: Order) -> Total:
    return Total(price=sum(item.price for item in order.items), count=len(order.items))


def echo(text: str) -> str:
    return text


def unwritable() -> Any:
    return object()


def about(ctx: Context) -> dict[str, Any]:
    return {"id": ctx.id, "attempt": ctx.attempt, "cause": [ctx.cause_type, ctx.cause], "workflow": ctx.workflow}


def with_losses(ctx: Context) -> int:
    ctx.failed_item({"row": 3}, ValueError("no price"))
    return 2


def process_id() -> int:
    return os.getpid()


class TaskHandleLike:
    """Stands at the function's name as a decorator leaves it."""

    __name__ = "decorated"

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self) -> int:
        return int(self.function())


@TaskHandleLike
def decorated() -> int:
    return 5


def chatty(ctx: Context) -> None:
    ctx.log.info("one")
    ctx.progress(1, 3, "first")
    ctx.log.warning("two")
    ctx.progress(2, 3, "second")
    ctx.log("error", "three")
    ctx.progress(3, 3, "third")


def hurried(ctx: Context) -> None:
    for current in range(1, 2001):
        ctx.progress(current, 2000)


def pausing(ctx: Context) -> None:
    ctx.progress(1)
    ctx.progress(2)
    while not ctx.canceled:
        time.sleep(0.01)


def fails_in_its_own_way() -> None:
    raise TaskFailed("no stock", code="OUT_OF_STOCK", details={"left": 0}, retryable=False, delay=30)


class Reason(Enum):
    SOLD = "sold"


def fails_with_what_only_it_knows(circular: bool) -> None:
    details: dict[str, Any] = {"reason": Reason.SOLD, "lock": threading.Lock()}
    if circular:
        details["self"] = details
    raise Conflict("sold out", details=details)


def fails_plainly() -> None:
    raise ValueError("not a number")


def leaves() -> None:
    sys.exit(3)


def crashes(ctx: Context) -> None:
    ctx.log.info("about to crash")
    os._exit(3)


def is_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def waits_for_stop(ctx: Context) -> None:
    ctx.log.info(str(os.getpid()))
    while True:
        ctx.raise_if_canceled()
        time.sleep(0.005)


async def sleeps(ctx: Context) -> None:
    try:
        ctx.log.info(str(os.getpid()))
        await asyncio.Event().wait()
    finally:
        ctx.log.info("tidied up")


def loops(ctx: Context) -> None:
    try:
        ctx.log.info(str(os.getpid()))
        while True:
            pass
    finally:
        ctx.log.info("tidied up")


def never_gives_in(ctx: Context) -> None:
    ctx.log.info(str(os.getpid()))
    while True:
        try:
            while True:
                pass
        except BaseException:  # noqa: BLE001 - as stubborn as can be
            continue


def signals_itself() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)


def has_a_helper(ctx: Context) -> None:
    helper = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    ctx.log.info(str(helper.pid))
    helper.wait()


variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)


def counts_up() -> int:
    variable.set(variable.get() + 1)
    return variable.get()


def open_sockets() -> list[str]:
    return [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
