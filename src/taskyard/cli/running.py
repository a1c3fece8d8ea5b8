"""Running a command's coroutine, and stopping it by a signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import typer

from taskyard.cli.exits import Exit

T = TypeVar("T")


def execute(main: Coroutine[Any, Any, T], *, interrupted: Exit = Exit.INTERRUPTED) -> T:
    """The coroutine's result. SIGINT and SIGTERM cancel it, and the command exits with `interrupted`."""
    from taskyard.loops import run

    return run(_until_signal(main, interrupted))


async def _until_signal(main: Coroutine[Any, Any, T], interrupted: Exit) -> T:
    loop = asyncio.get_running_loop()
    task = loop.create_task(main)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise typer.Exit(interrupted) from None
