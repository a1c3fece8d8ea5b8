"""The worker: claims tasks, runs them, settles them; starts and stops as one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import msgspec
import structlog

from taskyard.contracts.clock import Clock
from taskyard.contracts.executor import Executor
from taskyard.contracts.records import Topic, WorkerInfo
from taskyard.contracts.store import Store
from taskyard.domain.definition import Definition
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
from taskyard.runtime.heart import BEAT_AGAIN_SECONDS, BEAT_SECONDS, Heart
from taskyard.runtime.insistence import Wait, insist, until_back
from taskyard.runtime.reporter import Reporter
from taskyard.runtime.runner import Runners

_DRAIN_TICK = 0.01
_FINISHING, _LETTING_GO, _ALL = 0.8, 0.9, 0.95
_LEAST_TO_LET_GO, _LEAST = 0.25, 1.0

STANDARD: Final = (Queue.AUTOMATED, Queue.INTEGRATION, Queue.MANUAL)
"""The queues that tasks come home to."""

log = structlog.get_logger("taskyard.worker")


class WorkerOptions(msgspec.Struct, frozen=True):
    """How a worker works. `grace`: seconds in which it stops; what runs may finish in the first four fifths of them.

    `log_level`: the least of its tasks' lines that is kept.

    `open_beat_store`: a store for the heartbeat's own thread; None beats on the event loop.
    `cells`: where a supervisor sees what runs; None when there is no supervisor.
    `dependencies`: how the circuits of what its tasks call stand, by name; told with each heartbeat.
    `tiers`: how it confines code of definitions, as `kind:tier`; told likewise. `targets`: what runs where, as
    `kind:target`.
    `wait`: how the pauses pass between two tries at what the store refuses.
    """

    slots: int
    version: str
    queues: tuple[Queue, ...] = STANDARD
    grace: float = 10.0
    log_level: str = "info"
    open_beat_store: Callable[[], Store] | None = None
    cells: Cells | None = None
    dependencies: Callable[[], dict[str, Any]] = dict
    tiers: Callable[[], list[str]] = list
    targets: Sequence[str] = ()
    wait: Wait = asyncio.sleep


def last_moment(grace: float) -> float:
    """Seconds after which nothing that a stopping worker does counts any more; one at least, to settle what ran."""
    return max(_ALL * grace, _LEAST)


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
        self._returning = False
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
        wait = until_back(self._engine.store, self._options.wait)
        self._reporter = Reporter(self._engine.store, self._clock, self._options.log_level, wait)
        await self._register()
        most = self._engine.limits.max_output
        self._runners = Runners(self._desk, self._reporter, most, self._cells.mark, self._clock)
        self._flusher = Flusher(self._engine, self._desk, self._reporter, self.id, wait)
        self._claimer = Claimer(
            self._engine, self._desk, self._runners, self._executors,
            frozenset(int(queue) for queue in self._options.queues), self.id,
            prefetch=self._options.cells is not None, wait=wait,
        )  # fmt: skip
        self._runners.start()
        self._start_heart()
        self._claiming = self._spawn(self._claimer.run())
        for loop in (self._flusher.run(), self._reporter.run(), self._watch()):
            self._spawn(loop)

    async def stop(self) -> None:
        """Claim no more, let what runs finish within the grace, give the rest back, and sign off."""
        desk, grace, began = self._desk, self._options.grace, time.monotonic()
        desk.stopping = True
        desk.hungry.set()
        self._give_back_waiting()
        await asyncio.wait({self._claiming}, timeout=_FINISHING * grace)  # what is being claimed comes, and goes back
        await self._until_idle(began + _FINISHING * grace)
        for job in tuple(desk.running.values()):
            job.stop("shutdown")
        await self._until_idle(max(began + _LETTING_GO * grace, time.monotonic() + _LEAST_TO_LET_GO))
        self._give_back_waiting()
        if self._heart is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._heart.stop)
        await self._settle_the_rest(began + last_moment(grace))
        await self._runners.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for executor in self._executors:
            await executor.stop()

    def can_run(self, definition: Definition, target: str = "") -> bool:
        """Whether one of its executors can run the definition, at the target that a task asks for."""
        return any(executor.can_run(definition, target) for executor in self._executors)

    def look_again(self) -> None:
        """Look for tasks now, though nobody has said that there are any."""
        self._desk.hungry.set()

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

    def _given_up_from(self, loop: asyncio.AbstractEventLoop) -> Callable[[int], None]:
        """What the heartbeat's thread calls; the worker belongs to its loop."""

        def call(worker_id: int) -> None:
            loop.call_soon_threadsafe(self._given_up, worker_id)

        return call

    async def _beat_here(self) -> None:
        while True:
            pause = BEAT_SECONDS
            try:
                worker_id = self.id
                if not await self._engine.store.beat(worker_id, self.running, self._stats()):
                    self._given_up(worker_id)
            except Overloaded as error:
                log.warning("the heartbeat did not reach the store", reason=error.message)
                pause = BEAT_AGAIN_SECONDS
            await asyncio.sleep(pause)

    def _given_up(self, worker_id: int) -> None:
        """This worker was taken for dead: what it holds is another's now. Begin anew, once: a beat of who it was may be
        answered after that.
        """
        if self._returning or worker_id != self.id:
            return
        self._returning = True
        log.warning("this worker was given up, as its heartbeat was late; it registers again", worker=self.name)
        self._give_back_waiting()
        for job in tuple(self._desk.running.values()):
            job.stop("lease lost")
        self._spawn(self._register_again())

    async def _register_again(self) -> None:
        wait = until_back(self._engine.store, self._options.wait)
        await insist(self._register, "this worker waits to register again", wait)
        self._returning = False
        self._claimer.worker_id = self._flusher.worker_id = self.id
        if self._heart is not None:
            self._heart.worker_id = self.id

    async def _watch(self) -> None:
        """Stop at once what was canceled, and give back what has not begun of a queue that was paused."""
        wanted = asyncio.Event()
        stop_listening = self._engine.store.listen(Topic.REVOKED, wanted.set)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_SECONDS):
                        await wanted.wait()
                wanted.clear()
                if self._desk.running or self._desk.waiting or self._desk.suspects:
                    with contextlib.suppress(Overloaded):
                        await self._stop_revoked()
                        await self._give_back_paused()
        finally:
            stop_listening()

    async def _stop_revoked(self) -> None:
        revoked = dict(await self._engine.store.revoked(self.id))
        for job in tuple(self._desk.running.values()):
            if revoked.get(job.claimed.task_id) == job.claimed.attempt:
                job.stop("canceled")
        for job in tuple(self._desk.waiting):
            if revoked.get(job.claimed.task_id) == job.claimed.attempt:
                self._desk.waiting.remove(job)
                self._desk.put_back(job, Released("canceled"), _released(job.claimed.failures, job.claimed.losses))

    async def _give_back_paused(self) -> None:
        if not self._desk.waiting and not self._desk.suspects:
            return
        paused = await self._engine.store.paused()
        self._claimer.give_back_suspects("paused", paused)
        for job in tuple(self._desk.waiting) if paused else ():
            if self._engine.catalog.lane_key(job.claimed.lane_id).queue in paused:
                self._desk.waiting.remove(job)
                self._desk.put_back(job, Released("paused"), _released(job.claimed.failures, job.claimed.losses))

    def _give_back_waiting(self) -> None:
        self._claimer.give_back_suspects("not begun")
        while self._desk.waiting:
            job = self._desk.waiting.popleft()
            self._desk.put_back(job, Released("not begun"), _released(job.claimed.failures, job.claimed.losses))

    async def _until_idle(self, until: float) -> None:
        """Wait for what runs."""
        while time.monotonic() < until and self._desk.running:  # noqa: ASYNC110 - it ends once a worker
            await asyncio.sleep(_DRAIN_TICK)

    async def _settle_the_rest(self, until: float) -> None:
        try:
            async with asyncio.timeout(until - time.monotonic()):
                await self._flusher.flush()
                while self._desk.ended:
                    await self._flusher.flush()
                await self._reporter.flush()
                await self._engine.store.bury(self.id, [])
        except (TimeoutError, Overloaded):
            if self._desk.ended:
                log.warning("the store is away; what was not settled will run again", count=len(self._desk.ended))

    def _spawn(self, loop: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(loop)
        task.add_done_callback(_heard)
        self._tasks.append(task)
        return task

    def _stats(self) -> dict[str, Any]:
        """What a worker says of itself: CPU share since the last time, memory in MiB, what it can run."""
        before, cpu_before = self._usage
        now, cpu = self._usage = _cpu_now()
        share = (cpu - cpu_before) / max(now - before, 1e-3)
        stats: dict[str, Any] = {
            "cpu": round(share, 3),
            "memoryMb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            "targets": list(self._options.targets),
        }
        if self._claimer.definitions is not None:
            stats["definitions"] = self._claimer.definitions
        dependencies = self._options.dependencies()
        if dependencies:
            stats["dependencies"] = dependencies
        tiers = self._options.tiers()
        if tiers:
            stats["tiers"] = tiers
        return stats


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
