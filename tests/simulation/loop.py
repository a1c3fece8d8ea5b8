"""An event loop without threads, sockets or a clock: time moves when nobody has anything to do.

Callbacks belong to processes. Those of one process run in their order, as asyncio promises; which process
is next, chance decides. A process that is frozen runs nothing until it is thawed, a dead one never again.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import math
from collections import deque
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, cast

_STEP_US = 40
_THREAD_SECONDS = 0.5
_LET_GO = 60.0


class Process:
    """Something that can be frozen and killed by itself; what it has to run waits in `queue`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.queue: deque[asyncio.Handle] = deque()
        self.holds = 0
        self.dead = self.dismissed = self.supervised = self.mortal = False
        self.here: Any = None
        self.heart: Process | None = None
        self.missed_at = self.held_until = -1e9

    def __repr__(self) -> str:
        return self.name

    @property
    def runs(self) -> bool:
        return not self.holds and not self.dead


OUTSIDE = Process("outside")
"""Whose callbacks nobody else's are: the database, chance, and the judge."""

_CURRENT: contextvars.ContextVar[Process] = contextvars.ContextVar("simulated process", default=OUTSIDE)


def current() -> Process:
    """The process that runs now."""
    return _CURRENT.get()


def context_of(process: Process) -> contextvars.Context:
    """A context whose callbacks are the process's."""
    context = contextvars.copy_context()
    context.run(_CURRENT.set, process)
    return context


class _Numbered:
    """Sets of tasks and futures are walked in an order that does not hang on where in memory they are."""

    number: int

    def __hash__(self) -> int:
        return self.number


class _Task(_Numbered, asyncio.Task[Any]):
    def __init__(self, number: int, *args: Any, **kwargs: Any) -> None:
        self.number = number
        super().__init__(*args, **kwargs)


class _Future(_Numbered, asyncio.Future[Any]):
    def __init__(self, number: int, *args: Any, **kwargs: Any) -> None:
        self.number = number
        super().__init__(*args, **kwargs)


class NumberedEvent(_Numbered, asyncio.Event):
    """Stands for `asyncio.Event`: followers are kept in sets of them."""

    def __init__(self) -> None:
        super().__init__()
        loop = asyncio.get_running_loop()
        self.number = loop.next_number() if isinstance(loop, VirtualLoop) else id(self)


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one simulation. `steps` counts the callbacks it has run."""

    _ready: deque[Any]  # of its base
    _scheduled: list[Any]

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random
        self._now_us = 0
        self._processes = [OUTSIDE]
        self._busy: list[Process] = []
        self._number = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self.steps = 0
        OUTSIDE.queue.clear()
        self.set_task_factory(self._new_task)

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self._now_us / 1e6

    @property
    def now_us(self) -> int:
        """Microseconds since the simulation began."""
        return self._now_us

    def process(self, name: str) -> Process:
        """A new process."""
        process = Process(name)
        self._processes.append(process)
        return process

    def spawn(self, process: Process, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Have the process do this."""
        return self.create_task(work, context=context_of(process))

    def next_number(self) -> int:
        """A number that nothing in this loop has."""
        self._number += 1
        return self._number

    def create_future(self) -> asyncio.Future[Any]:
        return _Future(self.next_number(), loop=self)

    def run_in_executor(  # type: ignore[override]  # its own result types are of Python's stubs alone
        self, executor: Any, func: Any, *args: Any
    ) -> asyncio.Future[Any]:
        """A thread: what it does happens at once, some time from now; what `lasts` its first argument, then."""
        del executor
        future = self.create_future()
        seconds = args[0] if getattr(func, "lasts", False) else self._random.random() * _THREAD_SECONDS
        self.call_later(seconds, _call, future, func, args)
        return future

    def end(self) -> None:
        """Cancel whatever is left, let it end, and close."""
        for process in self._processes:
            process.holds, process.dead = 0, False
        self._busy = [process for process in self._processes if process.queue]
        self.set_exception_handler(lambda loop, context: None)  # whatever is said now is not of the run
        left = [task for task in self._tasks if not task.done()]
        for task in left:
            task.cancel()
        self.run_until_complete(asyncio.wait(left, timeout=_LET_GO) if left else asyncio.sleep(0))
        self.run_until_complete(self.shutdown_asyncgens())
        for task in left:
            cast("Any", task)._log_destroy_pending = False
        self.close()

    def _new_task(self, loop: Any, work: Any, **options: Any) -> asyncio.Task[Any]:
        task = _Task(self.next_number(), work, loop=loop, **options)
        self._tasks.append(task)
        return task

    def hold(self, process: Process) -> None:
        """Freeze it; it goes on after as many calls of `let_go`."""
        process.holds += 1

    def let_go(self, process: Process) -> None:
        """Thaw it."""
        process.holds -= 1
        if process.queue and process not in self._busy:
            self._busy.append(process)

    def _run_once(self) -> None:
        """One callback of one process; the time moves on to the next timer when there is none."""
        timers = self._scheduled
        if self._ready or (timers and timers[0]._when * 1e6 <= self._now_us):
            self._sort()
        busy = self._busy
        if not busy:
            if not timers:
                raise RuntimeError("nothing can ever happen any more")
            self._now_us = max(self._now_us, math.ceil(timers[0]._when * 1e6))
            return
        index = int(self._random.random() * len(busy))
        process = busy[index]
        if not process.runs:
            del busy[index]
            return
        handle = process.queue.popleft()
        if not process.queue:
            del busy[index]
        self.steps += 1
        self._now_us += int(self._random.random() * _STEP_US)
        if not handle._cancelled:
            handle._run()

    def _sort(self) -> None:
        """Hand what is due and what was called soon to its process."""
        timers = self._scheduled
        while timers and timers[0]._when * 1e6 <= self._now_us:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            if not timer._cancelled:
                self._ready.append(timer)
        while self._ready:
            handle = self._ready.popleft()
            process = handle._context.get(_CURRENT, OUTSIDE)
            if not process.queue and process.runs:
                self._busy.append(process)
            process.queue.append(handle)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when its time comes."""

    def _process_events(self, event_list: Any) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps that would have to be woken."""


def _call(future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if future.done():
        return
    try:
        value = func(*args)
    except BaseException as error:  # noqa: BLE001 - it belongs to who waits
        future.set_exception(error)
    else:
        future.set_result(value)
