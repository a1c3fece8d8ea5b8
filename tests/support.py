"""What tests of every kind need."""

import asyncio
import inspect
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar, overload

from taskyard.contracts.inbox import InboxRow
from taskyard.engine.engine import Engine
from taskyard.engine.people.timekeeping import keep_time

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that one thing may take on a machine that is busy; where things work they cost nothing."""

_LOOK_EVERY = 0.01


@overload
async def eventually(condition: Callable[..., Awaitable[T | None]], *, within: float = PATIENCE) -> T: ...
@overload
async def eventually(condition: Callable[..., T | None], *, within: float = PATIENCE) -> T: ...
async def eventually(condition: Callable[..., Any], *, within: float = PATIENCE) -> Any:
    """Look until `condition()` is true and return what it gave; fails after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        found = await answer if inspect.isawaitable(answer) else answer
        if found:
            return found
        _insist(condition, within, deadline)
        await asyncio.sleep(_LOOK_EVERY)


async def keep_all_time(engine: Engine) -> None:
    """Have happen all that is due to people's tasks, beside a worker's own keeper, which may be quicker."""
    while await keep_time(engine) or await engine.store.due_open(await engine.store.now(), 1, InboxRow(-1, -1)):
        await asyncio.sleep(_LOOK_EVERY)


def eventually_blocking(condition: Callable[[], T | None], *, within: float = PATIENCE) -> T:
    """The same, for where there is no event loop."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        _insist(condition, within, deadline)
        time.sleep(_LOOK_EVERY)
    return found


def halt(pid: int) -> None:
    """Stop a process (SIGSTOP) and wait until it stands: until then its threads go on, and end what they are amid in
    the kernel, such as taking a lock. Raises ProcessLookupError.
    """
    os.kill(pid, signal.SIGSTOP)
    eventually_blocking(lambda: _stands(pid))


def _stands(pid: int) -> bool:
    try:
        threads = [each.read_text() for each in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:  # one has ended meanwhile
        return False
    return all(told.rpartition(")")[2].split()[0] in "TZX" for told in threads)


def _insist(condition: Callable[..., object], within: float, deadline: float) -> None:
    assert time.monotonic() < deadline, f"not true within {within:g} s: {inspect.getsource(condition).strip()}"
