"""The heartbeat: a thread and a connection of its own, so that a blocked event loop does not lose its tasks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import structlog

from taskyard.contracts.store import Store
from taskyard.errors import TaskyardError

BEAT_SECONDS = 3.0
BEAT_AGAIN_SECONDS = 1.0
"""After a beat that did not reach the store: a worker that lives says so as soon as it can."""

log = structlog.get_logger("taskyard.heart")


class Heart:
    """Beats for a worker every three seconds; `on_lost` is called (from the thread) with the id that was given up."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        worker_id: int,
        running: Callable[[], list[int]],
        stats: Callable[[], dict[str, Any]],
        on_lost: Callable[[int], None],
    ) -> None:
        self._open_store = open_store
        self.worker_id = worker_id
        self._running = running
        self._stats = stats
        self._on_lost = on_lost
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, name="taskyard-heart", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more; returns when the thread has ended."""
        self._stop.set()
        self._thread.join()

    def _live(self) -> None:
        asyncio.run(self._beat_until_stopped())

    async def _beat_until_stopped(self) -> None:
        store = self._open_store()
        opened = False
        while not self._stop.is_set():
            pause = BEAT_SECONDS
            try:
                if not opened:
                    await store.open()
                    opened = True
                worker_id = self.worker_id
                if not await store.beat(worker_id, self._running(), self._stats()):
                    self._on_lost(worker_id)
            except (TaskyardError, OSError) as error:
                log.warning("the heartbeat did not reach the store", reason=str(error))
                pause = BEAT_AGAIN_SECONDS
            await asyncio.get_running_loop().run_in_executor(None, self._stop.wait, pause)
        if opened:
            await store.close()
