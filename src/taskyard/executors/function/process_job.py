"""The attempt as it is seen in a handler's process: what it says and asks for goes to the parent."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from typing import Any

from taskyard.contracts.executor import Job
from taskyard.contracts.records import Claimed
from taskyard.domain.json import dumps
from taskyard.domain.outcome import Done, Failed, Released
from taskyard.executors.function.context import OnProgress
from taskyard.executors.function.process_wire import Advanced, Answered, Called, Ended, News, Said, Verb

_PROGRESS_GAP = 0.02


class RemoteJob:
    """One attempt; `send` is how its parent hears of it."""

    def __init__(self, number: int, claimed: Claimed, send: Callable[[News], None]) -> None:
        self.number = number
        self.claimed = claimed
        self.stopped: str | None = None
        self._send = send
        self._lock = threading.Lock()
        self._pending: Advanced | None = None
        self._next_progress = 0.0
        self._timer: threading.Timer | None = None
        self._cancels: list[Callable[[], object]] = []
        self._numbers = itertools.count(1)
        self._calls: dict[int, Future[Any]] = {}

    def stop(self, reason: str) -> None:
        """The parent wants the attempt to stop. Called on the reader's thread."""
        with self._lock:
            self.stopped = self.stopped or reason
            for cancel in self._cancels:
                cancel()

    @contextlib.contextmanager
    def on_stop(self, cancel: Callable[[], object]) -> Iterator[None]:
        """Within the block `cancel` is called, from any thread, when the attempt should stop, be it already."""
        with self._lock:
            self._cancels.append(cancel)
            if self.stopped is not None:
                cancel()
        try:
            yield
        finally:
            with self._lock:
                self._cancels.remove(cancel)

    def log(self, level: str, text: str) -> None:
        """See the contract of `Job`."""
        with self._lock:
            self._send_progress()
            self._send(Said(self.number, str(level), str(text)))

    def progress(self, current: float, total: float | None, action: str | None) -> None:
        """See the contract of `Job`. At most every 20 ms goes out, the latest always."""
        with self._lock:
            self._pending = Advanced(
                self.number, _plain(current), None if total is None else _plain(total), action and str(action)
            )
            wait = self._next_progress - time.monotonic()
            if wait <= 0:
                self._send_progress()
            elif self._timer is None:
                self._timer = threading.Timer(wait, self._send_late)
                self._timer.daemon = True
                self._timer.start()

    async def emit(self, name: str, data: Any) -> None:
        """See the contract of `Job`. The parent also calls its listeners."""
        await self.call("emit", name, data=data)

    async def waiting(self, awaited: Awaitable[Any]) -> Any:
        """See the contract of `Job`. It is the parent who lends the slot."""
        return await awaited

    async def call(self, verb: Verb, *names: str, data: Any) -> Any:
        """What the parent's context gives for this verb, or raises."""
        stored, answer = dumps(data), Future[Any]()
        with self._lock:
            number = next(self._numbers)
            self._calls[number] = answer
            self._send_progress()
            self._send(Called(self.number, number, verb, names, stored))
        return await asyncio.wrap_future(answer)

    def answer(self, answered: Answered) -> None:
        """The parent's answer to a call. Called on the reader's thread."""
        call = self._calls.pop(answered.call)
        if call.set_running_or_notify_cancel():
            if answered.error is None:
                call.set_result(answered.value)
            else:
                call.set_exception(answered.error)

    def end(self, report: Done | Failed | Released) -> None:
        """The handler has let go: say the last things."""
        with self._lock:
            self._send_progress()
            self._send(Ended(self.number, report))

    def _send_late(self) -> None:
        with self._lock:
            self._timer = None
            self._send_progress()

    def _send_progress(self) -> None:
        if self._pending is not None:
            self._send(self._pending)
            self._pending, self._next_progress = None, time.monotonic() + _PROGRESS_GAP


class RemoteServices:
    """What the worker offers to a handler in a process of its own. The worker adds up the progress of subtasks."""

    def __init__(self, job: RemoteJob) -> None:
        self._job = job

    async def run_child(self, job: Job, key: str, input_: dict[str, Any], on_progress: OnProgress) -> Any:
        """See the contract."""
        del job, on_progress
        return await self._job.call("run", key, data=input_)

    async def trigger(self, name: str, properties: Any, cause: tuple[str, str]) -> Any:
        """See the contract."""
        del cause
        return await self._job.call("trigger", name, data=properties)

    async def trigger_service(self, service: str, name: str, properties: Any, cause: tuple[str, str]) -> Any:
        """See the contract."""
        del cause
        return await self._job.call("trigger_service", service, name, data=properties)

    async def emit(self, name: str, data: Any, task_id: str) -> None:
        """The job's own `emit` has told everybody."""


def _plain(number: float) -> float:
    """A number that the parent can read without the library it is from."""
    return number if type(number) in (int, float) else float(number)
