"""Running a coroutine on the fastest event loop there is."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

try:
    import resource
except ImportError:  # on Windows, where there are no core files either
    resource = None  # type: ignore[assignment]

T = TypeVar("T")

# Tasks come in batches of hundreds, each a handful of objects that live for milliseconds: the collector's defaults
# would have it walk them all again and again, and everything imported with them.
_COLLECT_AFTER = (50_000, 20, 50)


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` on uvloop where it is installed, which is everywhere but on Windows. For processes of ours only."""
    _leave_no_core()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def _leave_no_core() -> None:
    """The memory has secrets that are kept sealed on disk. Of one byte, for a program that takes dumps asks for no zero
    (core(5)); whoever needs a dump raises the limit of the process.
    """
    if resource is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0 if hard == 0 else 1, hard))
