"""Supervised workers: each in a process of its own, started again when it ends, its death told exactly.

Only who saw the death knows what ran: the supervisor reads it from memory it shares with the worker, and tells
the store, so that a crash counts against the tasks that had started and against nobody else, at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence

import structlog

from taskyard.app import App
from taskyard.engine.recover import recover
from taskyard.errors import TaskyardError
from taskyard.runtime.cells import Cells
from taskyard.runtime.worker import last_moment

_RESTART_FIRST, _RESTART_LONGEST = 0.2, 10.0
_STABLE_SECONDS = 30.0

log = structlog.get_logger("taskyard.supervisor")


class Supervisor:
    """Keeps `processes` workers of one target (`module:yard`, or None for none of its own) alive.

    `app` is the supervisor's own, opened by the caller; it runs no handlers, so that none can end it.
    """

    def __init__(self, app: App, target: str | None, *, queues: Sequence[str] = (), processes: int = 1) -> None:
        self._app = app
        self._settings = app.settings
        self._target = target
        self._queues = tuple(queues)
        self._stopping = asyncio.Event()
        self._children: set[asyncio.subprocess.Process] = set()
        self._suspects: set[int] = set()
        self._count = processes

    async def run(self) -> None:
        """Supervise until `stop`; returns when every worker has ended."""
        await asyncio.gather(*(self._keep_alive() for _ in range(self._count)))

    def stop(self) -> None:
        """Let the workers stop gracefully."""
        self._stopping.set()
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()

    async def _keep_alive(self) -> None:
        slots = self._settings["TASK_MAX_CONCURRENT"]
        descriptor = os.memfd_create("taskyard-cells", 0)
        cells = Cells(slots, descriptor)
        pause = _RESTART_FIRST
        loop = asyncio.get_running_loop()
        try:
            while not self._stopping.is_set():
                cells.clear()
                began = loop.time()
                code = await self._live(descriptor)
                running = cells.running()
                if self._stopping.is_set():
                    if code:
                        await self._bury(cells, [], crashed=False)
                    return
                if loop.time() - began > _STABLE_SECONDS:
                    pause = _RESTART_FIRST
                elif not self._has_known_cause(running):
                    pause = min(pause * 2, _RESTART_LONGEST)
                if code is not None:
                    log.error("a worker process ended; it is started again", code=code, running=running, again_in=pause)
                await self._bury(cells, running, crashed=code != -signal.SIGKILL)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._stopping.wait()
        finally:
            os.close(descriptor)

    async def _live(self, descriptor: int) -> int | None:
        """One life of a worker process; its exit code, None where it could not be started."""
        command = [sys.executable, "-m", "taskyard.supervised", str(os.getpid()), str(descriptor), self._target or ""]
        try:
            child = await asyncio.create_subprocess_exec(
                *command, *self._queues, pass_fds=(descriptor,), start_new_session=True
            )
        except OSError as error:
            log.error("a worker process cannot be started; it is tried again", reason=str(error))  # noqa: TRY400 - the reason is all there is to say
            return None
        self._children.add(child)
        if self._stopping.is_set():
            self.stop()
        waiting = asyncio.create_task(child.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            await asyncio.wait({waiting}, timeout=last_moment(self._settings["TASKYARD_GRACE"]))
        if not waiting.done():
            log.warning("a worker did not stop within the grace and is killed", pid=child.pid)
            child.kill()
        stopping.cancel()
        self._children.discard(child)
        return await waiting

    def _has_known_cause(self, running: Sequence[int]) -> bool:
        """Whether nothing else ran but a task that has ended a worker before: others need not wait for its sake."""
        known = len(running) == 1 and self._suspects.issuperset(running)
        self._suspects.update(running)
        return known

    async def _bury(self, cells: Cells, charged: Sequence[int], *, crashed: bool) -> None:
        """Tell the store that the worker is dead, and for which tasks that counts, so that it is recovered at once."""
        if not cells.worker_id:
            return
        try:
            await self._app.engine.store.bury(cells.worker_id, charged, crashed=crashed)
            await recover(self._app.engine)
        except TaskyardError as error:
            log.warning("the death of a worker could not be told; its lease will run out", reason=error.message)
