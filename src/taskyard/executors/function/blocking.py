"""How a handler in a thread waits for what only the event loop can do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from taskyard.contracts.executor import Job
from taskyard.executors.function.errors import TaskCanceled

T = TypeVar("T")


class LoopCalls:
    """Runs coroutines of one attempt on the event loop it is made on, for the attempt's threads."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._loop = asyncio.get_running_loop()
        self._running: set[asyncio.Task[Any]] = set()

    def __call__(self, verb: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the verb gives. Raises TaskCanceled when the attempt is to stop."""
        try:
            return asyncio.run_coroutine_threadsafe(self._call(verb), self._loop).result()
        except CancelledError:
            raise TaskCanceled(self._job.stopped or "canceled") from None

    def stop(self) -> None:
        """Interrupt what is under way. Called on the event loop."""
        for task in tuple(self._running):
            task.cancel()

    async def _call(self, verb: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if self._job.stopped is not None:  # meanwhile
            raise TaskCanceled(self._job.stopped)
        own = asyncio.current_task()
        assert own is not None  # noqa: S101 - a coroutine that runs has a task
        self._running.add(own)
        try:
            return await verb()
        finally:
            self._running.discard(own)
