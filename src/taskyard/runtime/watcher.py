"""Watching tasks: one question to the store for all followers of this process, however many there are."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable

import structlog

from taskyard.contracts.records import Topic
from taskyard.contracts.store import Store
from taskyard.errors import TaskyardError

_LOOK_EVERY = 0.05

log = structlog.get_logger("taskyard.watcher")


class Watcher:
    """Tells followers that their task has changed. Asks only while anybody follows."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._followers: defaultdict[int, set[asyncio.Event]] = defaultdict(set)
        self._seen: dict[int, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._stop_listening: Callable[[], None] | None = None
        self._woken = asyncio.Event()

    @contextlib.asynccontextmanager
    async def following(self, task_id: int) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the task may have changed; the follower clears it."""
        changed = asyncio.Event()
        changed.set()
        self._followers[task_id].add(changed)
        self._ensure_running()
        try:
            yield changed
        finally:
            self._followers[task_id].discard(changed)
            if not self._followers[task_id]:
                del self._followers[task_id]
                self._seen.pop(task_id, None)

    async def close(self) -> None:
        """Stop watching."""
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _ensure_running(self) -> None:
        if self._task is None or self._task.done():
            if self._stop_listening is None:
                self._stop_listening = self._store.listen(Topic.FEED, self._woken.set)
            self._task = asyncio.create_task(self._watch(), name="taskyard-watcher")

    async def _watch(self) -> None:
        while self._followers:
            try:
                await self._look()
            except TaskyardError as error:
                log.warning("followers wait for the store", reason=error.message)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._woken.wait()
            self._woken.clear()

    async def _look(self) -> None:
        for task_id, number in await self._store.latest(list(self._followers)):
            if self._seen.get(task_id) != number:
                self._seen[task_id] = number
                for changed in self._followers.get(task_id, ()):
                    changed.set()
