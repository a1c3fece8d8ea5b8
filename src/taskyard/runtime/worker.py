"""The worker: claims tasks, runs them, settles them; starts and stops as one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import structlog

from taskyard.contracts.clock import Clock
from taskyard.contracts.executor import Executor
from taskyard.contracts.records import Topic, WorkerInfo
from taskyard.contracts.store import Store
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.outcome import Released
from taskyard.domain.queue import Queue
from taskyard.domain.settlement import Budgets, Decision
from taskyard.engine.engine import Engine
from taskyard.errors import Overloaded
from taskyard.runtime.cells import Cells
from taskyard.runtime.claimer import Claimer
from taskyard.runtime.desk import Desk
from taskyard.runtime.flusher import Flusher
from taskyard.runtime.heart import BEAT_SECONDS, Heart
from taskyard.runtime.reporter import Reporter
from taskyard.runtime.runner import Runners

_DRAIN_TICK = 0.01
_PROCESS_GRACE = 1.0

log = structlog.get_logger("taskyard.worker")


class WorkerOptions(msgspec.Struct, frozen=True):
    """How a worker works. `grace`: seconds it may finish in when it stops.

    `log_level`: the least of its tasks' lines that is kept.

    `open_beat_store`: a store for the heartbeat's own thread; None beats on the event loop.
    `cells`: where a supervisor sees what runs; None when there is no supervisor.
    """

    slots: int
    version: str
    queues: tuple[Queue, ...] = (Queue.AUTOMATED, Queue.INTEGRATION, Queue.MANUAL)
    grace: float = 10.0
    log_level: str = "info"
    open_beat_store: Callable[[], Store] | None = None
    cells: Cells | None = None


class Worker:
    """One worker in this process. Use as `async with`."""

    def __init__(self, engine: Engine, executors: list[Executor], clock: Clock, options: WorkerOptions) -> None:
        self._engine = engine
        self._executors = executors
        self._clock = clock
        self._options = options
        self._desk = Desk(options.slots)
        self._tasks: list[asyncio.Task[None]] = []
        self._heart: Heart | None = None
        self._cells = options.cells or Cells(options.slots)
        self._usage = _cpu_now()
        self.id = 0
        self.name = f"{socket.gethostname()}-{os.getpid()}-{os.urandom(2).hex()}"

    async def __aenter__(self) -> Worker:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Register and begin to claim."""
        for executor in self._executors:
            await executor.start()
        self._reporter = Reporter(self._engine.store, self._clock, self._options.log_level)
        await self._register()
        self._runners = Runners(self._desk, self._reporter, self._engine.limits.max_output, self._cells.mark)
        self._flusher = Flusher(self._engine, self._desk, self._reporter, self.id)
        self._claimer = Claimer(
            self._engine, self._desk, self._runners, self._executors,
            frozenset(int(queue) for queue in self._options.queues), self.id,
            prefetch=self._options.cells is not None,
        )  # fmt: skip
        self._runners.start()
        self._start_heart()
        for loop in (self._claimer.run(), self._flusher.run(), self._reporter.run(), self._watch_revoked()):
            self._spawn(loop)

    async def stop(self) -> None:
        """Claim no more, let what runs finish within the grace, give the rest back, and sign off."""
        desk = self._desk
        desk.stopping = True
        self._give_back_waiting()
        await self._until_idle(self._options.grace)
        for job in tuple(desk.running.values()):
            job.stop("shutdown")
        await self._until_idle(_PROCESS_GRACE)
        self._give_back_waiting()
        if self._heart is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._heart.stop)
        await self._settle_the_rest()
        await self._runners.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for executor in self._executors:
            await executor.stop()

    @property
    def running(self) -> list[int]:
        """The tasks that run now."""
        return self._cells.running()

    async def _register(self) -> None:
        options = self._options
        self.id = await self._engine.store.register(
            WorkerInfo(
                self.name, socket.gethostname(), os.getpid(), options.version,
                tuple(queue.title for queue in options.queues), options.slots, options.cells is not None,
            )
        )  # fmt: skip
        self._cells.worker_id = self.id

    def _start_heart(self) -> None:
        if self._options.open_beat_store is None:
            self._spawn(self._beat_here())
            return
        loop = asyncio.get_running_loop()
        self._heart = Heart(
            self._options.open_beat_store, self.id, lambda: self.running, self._stats, self._given_up_from(loop)
        )
        self._heart.start()

    def _given_up_from(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        """What the heartbeat's thread calls; the worker belongs to its loop."""

        def call() -> None:
            loop.call_soon_threadsafe(self._given_up)

        return call

    async def _beat_here(self) -> None:
        while True:
            try:
                if not await self._engine.store.beat(self.id, self.running, self._stats()):
                    self._given_up()
            except Overloaded as error:
                log.warning("the heartbeat did not reach the store", reason=error.message)
            await asyncio.sleep(BEAT_SECONDS)

    def _given_up(self) -> None:
        """This worker was taken for dead: what it holds is another's now. Begin anew."""
        log.warning("this worker was given up, as its heartbeat was late; it registers again", worker=self.name)
        self._give_back_waiting()
        for job in tuple(self._desk.running.values()):
            job.stop("lease lost")
        self._spawn(self._register_again())

    async def _register_again(self) -> None:
        await self._register()
        self._claimer.worker_id = self._flusher.worker_id = self.id
        if self._heart is not None:
            self._heart.worker_id = self.id

    async def _watch_revoked(self) -> None:
        """Stop at once what was canceled."""
        wanted = asyncio.Event()
        stop_listening = self._engine.store.listen(Topic.REVOKED, wanted.set)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_SECONDS):
                        await wanted.wait()
                wanted.clear()
                if self._desk.running or self._desk.waiting:
                    await self._stop_revoked()
        finally:
            stop_listening()

    async def _stop_revoked(self) -> None:
        try:
            revoked = dict(await self._engine.store.revoked(self.id))
        except Overloaded:
            return
        for job in tuple(self._desk.running.values()):
            if revoked.get(job.claimed.task_id) == job.claimed.attempt:
                job.stop("canceled")
        for job in tuple(self._desk.waiting):
            if revoked.get(job.claimed.task_id) == job.claimed.attempt:
                self._desk.waiting.remove(job)
                self._desk.put_back(job, Released("canceled"), _released(job.claimed.failures, job.claimed.losses))

    def _give_back_waiting(self) -> None:
        while self._desk.waiting:
            job = self._desk.waiting.popleft()
            self._desk.put_back(job, Released("not begun"), _released(job.claimed.failures, job.claimed.losses))

    async def _until_idle(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._desk.running and time.monotonic() < until:  # noqa: ASYNC110 - bounded, and only when stopping
            await asyncio.sleep(_DRAIN_TICK)

    async def _settle_the_rest(self) -> None:
        try:
            async with asyncio.timeout(self._options.grace + _PROCESS_GRACE):
                await self._flusher.flush()
                while self._desk.ended:
                    await self._flusher.flush()
                await self._reporter.flush()
                await self._engine.store.bury(self.id, [])
        except (TimeoutError, Overloaded):
            log.warning("the store is away; what was not settled will run again", count=len(self._desk.ended))

    def _spawn(self, loop: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(loop)
        task.add_done_callback(_heard)
        self._tasks.append(task)

    def _stats(self) -> dict[str, Any]:
        """What a worker says of itself: CPU share since the last time, memory in MiB, what it can run."""
        before, cpu_before = self._usage
        now, cpu = self._usage = _cpu_now()
        share = (cpu - cpu_before) / max(now - before, 1e-3)
        return {
            "cpu": round(share, 3),
            "memoryMb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            "definitions": self._claimer.definitions,
        }


def _released(failures: int, losses: int) -> Decision:
    return Decision(Outcome.RELEASED, Budgets(failures, losses))


def _cpu_now() -> tuple[float, float]:
    """The moment and the CPU this process has used until then, both in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.monotonic(), used.ru_utime + used.ru_stime


def _heard(task: asyncio.Task[None]) -> None:
    """A loop that ends by an error is a fault of ours, and must be seen."""
    if not task.cancelled() and task.exception() is not None:
        log.error("a loop of the worker failed", exc_info=task.exception())
