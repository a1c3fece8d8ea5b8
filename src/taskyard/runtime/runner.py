"""Running attempts: a fixed set of coroutines that take claimed tasks from the desk, one at a time."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable

import msgspec
import structlog

from taskyard.contracts.clock import Clock
from taskyard.contracts.executor import Fallback
from taskyard.domain.facts import Extra
from taskyard.domain.json import dumps
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.outcome import Completed, Done, Failed, Postponed, Released, Report, Result, TaskError
from taskyard.domain.settlement import Decision, while_open
from taskyard.engine.settle import decide
from taskyard.errors import ValidationFailed
from taskyard.runtime.desk import Desk
from taskyard.runtime.job import LiveJob
from taskyard.runtime.reporter import Reporter

_YIELD_EVERY = 64
_FLUSH_AT = 256
_FLUSH_WITHIN = 0.01
_TICK = 0.05
_PATIENCE = 5.0
_LET_GO = 0.2

log = structlog.get_logger("taskyard.runner")


class Runners:
    """As many runners as the worker has slots, and one more for each parent that waits for its children."""

    def __init__(
        self, desk: Desk, reporter: Reporter, max_output: int, started: Callable[[int, int], None], clock: Clock
    ) -> None:
        self._desk = desk
        self._clock = clock
        self._reporter = reporter
        self._max_output = max_output
        self._started = started
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._extra = 0
        self._stopping = False

    def start(self) -> None:
        """Start the runners and the one who watches the deadlines."""
        for slot in range(self._desk.slots):
            self._spawn(slot)
        self._tasks.add(asyncio.create_task(self._watch_deadlines(), name="taskyard-deadlines"))

    async def stop(self) -> None:
        """Cancel whatever still runs; a handler that will not be cancelled is left behind."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=_LET_GO)
        self._tasks.clear()

    def wake(self, count: int) -> None:
        """So many tasks have come to the desk."""
        while count and self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                count -= 1

    def _spawn(self, slot: int) -> None:
        task = asyncio.create_task(self._run(slot), name=f"taskyard-runner-{slot}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, slot: int) -> None:
        desk, taken = self._desk, 0
        loop = asyncio.get_running_loop()
        own = asyncio.current_task()
        assert own is not None  # noqa: S101 - a coroutine that runs has a task
        while not self._stopping:
            if slot >= desk.slots and self._extra > desk.lent:
                self._extra -= 1
                return
            if not desk.waiting:
                waiter = loop.create_future()
                self._idle.append(waiter)
                await waiter
                continue
            job = desk.waiting.popleft()
            if len(desk.waiting) <= desk.slots:
                desk.hungry.set()
            desk.running[job.claimed.task_id] = job
            self._started(slot, job.claimed.task_id)
            try:
                await self._attempt(job, own, loop)
            finally:
                if desk.running.get(job.claimed.task_id) is job:
                    del desk.running[job.claimed.task_id]
                self._started(slot, 0)
            if not desk.waiting:
                desk.hungry.set()
                desk.settle.set()
            elif len(desk.ended) >= _FLUSH_AT:
                desk.settle.set()
            elif len(desk.ended) == 1:
                loop.call_later(_FLUSH_WITHIN, desk.settle.set)
            taken += 1
            if taken % _YIELD_EVERY == 0:
                await asyncio.sleep(0)

    async def _attempt(self, job: LiveJob, own: asyncio.Task[None], loop: asyncio.AbstractEventLoop) -> None:
        job.begin(self._reporter, own, self._parent_waits, loop.time())
        began = time.perf_counter_ns()
        try:
            report = await job.run(job)
        except asyncio.CancelledError:
            if job.stopped is None:
                raise
            report = Released()
        except Exception as error:  # executors report failures; this is a fault of theirs
            log.exception("an executor raised", task=job.claimed.task_id)
            report = Failed(TaskError("EXECUTION_ERROR", f"the executor failed: {error}"))
        if job.stopped is not None:
            _go_on(own)
        if job.abandoned:
            self._desk.stuck -= 1
            self._make_up(-1)
            return
        result = self._checked(job, report) if job.stopped is None else self._stopped(job, report)
        decision = None
        if not isinstance(result, Completed):
            result, decision = await self._failed(job, own, result)
        job.end()
        self._desk.end(job, result, decision, time.perf_counter_ns() - began)

    def _stopped(self, job: LiveJob, report: Report) -> Result:
        """What an attempt that was told to stop ends as; of what it says itself only the delay counts."""
        if job.stopped == "timeout":
            seconds = job.policy.timeout
            error = TaskError("TIMEOUT", f"the attempt took longer than its timeout of {seconds:g} s")
            return Failed(error, report.delay if isinstance(report, Failed) else None)
        return Released(job.stopped or "")

    def _checked(self, job: LiveJob, report: Report) -> Result:
        """The handler's value, validated and encoded."""
        if isinstance(report, Postponed) and report.circuit is not None:
            stored = job.claimed.extra
            due_at = msgspec.json.decode(stored, type=Extra).due_at if stored else None
            return while_open(report, due_at, self._clock.now())
        if not isinstance(report, Done):
            return report
        try:
            output = dumps(report.value)
            if job.known.output is not None:
                job.known.output.check(report.value, "")
        except ValidationFailed as error:
            message = f"the output does not fit: {error.message}"
            return Failed(TaskError("OUTPUT_VALIDATION_ERROR", message, error.details))
        if len(output) > self._max_output:
            message = (
                f"the output has {len(output)} bytes and may have {self._max_output}; keep large results in a file"
            )
            return Failed(TaskError("OUTPUT_VALIDATION_ERROR", message))
        return Completed(output, report.warnings)

    async def _failed(self, job: LiveJob, own: asyncio.Task[None], result: Result) -> tuple[Result, Decision]:
        """The decision; where it is final, the definition's fallback may still give a result."""
        decision = decide(job.claimed, job.policy, result)
        if decision.outcome is not Outcome.FAILED or job.fallback is None or decision.error is None:
            return result, decision
        stopped_before = job.stopped
        try:
            rescued = await self._rescued(job, job.fallback, decision.error)
        except asyncio.CancelledError:
            if job.stopped == stopped_before:
                raise
            _go_on(own)
            released = Released(job.stopped or "")
            return released, decide(job.claimed, job.policy, released)
        if isinstance(rescued, Completed):
            return rescued, decision._replace(outcome=Outcome.FALLBACK)
        return result, decision

    async def _rescued(self, job: LiveJob, fallback: Fallback, error: TaskError) -> Result | None:
        """What the fallback makes of the failure, within the time an attempt may take."""
        job.deadline = math.inf
        try:
            async with asyncio.timeout(job.policy.timeout):
                return self._checked(job, Done(await fallback(job, error)))
        except Exception as failure:  # noqa: BLE001 - a fallback that fails leaves the failure as it is
            job.log("error", f"the fallback failed too: {type(failure).__name__}: {failure}")
            return None

    def _parent_waits(self, change: int) -> None:
        """A parent begins (+1) or ends (-1) to wait for its child: its slot is another's meanwhile."""
        self._desk.parents += change
        self._make_up(change)

    def _make_up(self, change: int) -> None:
        """One more or less is held up: as many runners as there are slots are to be free."""
        if self._desk.lent > self._extra:
            self._spawn(self._desk.slots + self._extra)
            self._extra += 1
        elif change < 0:
            self.wake(len(self._idle))
        self._desk.hungry.set()

    async def _watch_deadlines(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_TICK if self._desk.running else _TICK * 4)
            now = loop.time()
            for job in tuple(self._desk.running.values()):
                if now >= job.deadline:
                    job.stop("timeout")
                if now >= job.deadline + _PATIENCE:
                    self._abandon(job)

    def _abandon(self, job: LiveJob) -> None:
        """A handler that will not stop: its attempt ends all the same, and another runner has its slot."""
        if job.stopped is None:
            return
        job.abandoned = True
        del self._desk.running[job.claimed.task_id]
        job.end()
        run_ns = int((job.policy.timeout + _PATIENCE) * 1e9)
        result = self._stopped(job, Released())
        self._desk.end(job, result, decide(job.claimed, job.policy, result), run_ns)
        self._desk.settle.set()
        self._desk.stuck += 1
        self._make_up(1)


def _go_on(runner: asyncio.Task[None]) -> None:
    """The attempt was cancelled, not its runner."""
    while runner.cancelling():
        runner.uncancel()
