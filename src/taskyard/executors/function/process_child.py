"""What runs in a handler's process: it takes one run after the other until its parent closes the pipe."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import inspect
import os
import pickle
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from types import FrameType
from typing import Any, cast

import msgspec
from pydantic_core import to_jsonable_python

from taskyard.contracts.executor import Job
from taskyard.contracts.records import Claimed
from taskyard.domain.outcome import Done, Failed, Released, TaskError
from taskyard.domain.signature import Signature
from taskyard.errors import ValidationFailed
from taskyard.executors.function.context import Context
from taskyard.executors.function.errors import TaskCanceled, report_failure
from taskyard.executors.function.process_name import Name, Refused, find, report_refusal
from taskyard.executors.function.process_wire import (
    CHUNK,
    KILL_GRACE,
    Advanced,
    Begin,
    Ended,
    Inbox,
    News,
    Said,
    Stop,
    encode,
)

_PROGRESS_GAP = 0.02
_PR_SET_PDEATHSIG = 1


def main(descriptor: int) -> None:
    """Serve the parent at the other end of this socket until it closes it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    connection = socket.socket(fileno=descriptor)
    connection.set_inheritable(False)
    Server(connection).serve()


class Terminated(BaseException):
    """The parent has lost its patience with a handler that was told to stop."""


class RemoteJob:
    """The attempt as its handler's context sees it: what it says goes to the parent."""

    def __init__(self, number: int, claimed: Claimed, send: Callable[[News], None]) -> None:
        self.number = number
        self.claimed = claimed
        self.stopped: str | None = None
        self._send = send
        self._lock = threading.Lock()
        self._pending: Advanced | None = None
        self._next_progress = 0.0
        self._timer: threading.Timer | None = None
        self._cancel: Callable[[], object] | None = None

    def stop(self, reason: str) -> None:
        """The parent wants the attempt to stop. Called on the reader's thread."""
        with self._lock:
            self.stopped = self.stopped or reason
            cancel = self._cancel
        if cancel is not None:
            cancel()

    def on_stop(self, callback: Callable[[], object]) -> None:
        """Call `callback`, from any thread, when the attempt should stop, be it already."""
        with self._lock:
            self._cancel = callback
            is_late = self.stopped is not None
        if is_late:
            callback()

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


class Server:
    """Runs what the parent orders: handlers on the main thread, the parent's words on another."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._orders: SimpleQueue[tuple[Begin, RemoteJob] | None] = SimpleQueue()
        self._job: RemoteJob | None = None
        self._functions: dict[Name, tuple[Callable[..., Any], Signature]] = {}

    def serve(self) -> None:
        """Run what comes, until the parent closes the pipe or loses its patience."""
        signal.signal(signal.SIGTERM, self._on_terminate)
        threading.Thread(target=self._read, name="taskyard-orders", daemon=True).start()
        try:
            with asyncio.Runner() as runner:
                while (order := self._orders.get()) is not None:
                    self._run(runner, *order)
        except Terminated:
            sys.exit(128 + signal.SIGTERM)

    def _read(self) -> None:
        inbox = Inbox()
        while data := self._receive():
            for order in inbox.feed(data):
                if isinstance(order, Begin):
                    self._job = RemoteJob(order.number, order.claimed, self._send)
                    self._orders.put((order, self._job))
                elif isinstance(order, Stop) and (job := self._job) is not None and job.number == order.number:
                    job.stop(order.reason)
        self._leave()

    def _receive(self) -> bytes:
        try:
            return self._connection.recv(CHUNK)
        except OSError:
            return b""

    def _leave(self) -> None:
        """Nobody is there any more: end as soon as the handler lets go, and soon in any case."""
        if (job := self._job) is not None:
            job.stop("shutdown")
        self._orders.put(None)
        time.sleep(KILL_GRACE)
        os._exit(1)

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        """Whoever ends a service may signal all its processes; only the parent, who says so first, is obeyed."""
        if self._job is not None and self._job.stopped is not None:
            raise Terminated

    def _send(self, news: News) -> None:
        try:
            with self._sending:
                self._connection.sendall(encode(news))
        except OSError:  # the parent is gone, and the reader sees to it
            return

    def _run(self, runner: asyncio.Runner, begin: Begin, job: RemoteJob) -> None:
        try:
            report = self._report(runner, begin, job)
        except Terminated:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is its report
            report = _failure(error, job)
        self._job = None
        job.end(report)

    def _report(self, runner: asyncio.Runner, begin: Begin, job: RemoteJob) -> Done | Failed | Released:
        function, signature = self._function(begin)
        arguments = pickle.loads(begin.arguments)  # noqa: S301 - our parent's
        if job.stopped is not None:
            return Released(job.stopped)
        context = Context(cast("Job", job), None)  # a context asks no more of its job than this one has
        variables = contextvars.copy_context()
        value = variables.run(function, *((context,) if signature.takes_context else ()), **arguments)
        if inspect.isawaitable(value):
            value = runner.run(_awaited(value, job), context=variables)
        try:
            return Done(signature.dump_output(value), tuple(context.warnings))
        except ValidationFailed as error:
            return Failed(TaskError("OUTPUT_VALIDATION_ERROR", f"the output {error.message}", error.details))

    def _function(self, begin: Begin) -> tuple[Callable[..., Any], Signature]:
        if begin.name not in self._functions:
            function = find(begin.name)
            self._functions[begin.name] = function, Signature.of(function)
        return self._functions[begin.name]


async def _awaited(value: Awaitable[Any], job: RemoteJob) -> Any:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None  # noqa: S101 - a coroutine that runs has a task
    job.on_stop(lambda: loop.call_soon_threadsafe(task.cancel))
    return await value


def _failure(error: BaseException, job: RemoteJob) -> Failed | Released:
    if isinstance(error, TaskCanceled) or (isinstance(error, asyncio.CancelledError) and job.stopped is not None):
        return Released(str(error) or job.stopped or "canceled")
    if isinstance(error, Refused):
        return report_refusal(error)
    failed = report_failure(error)
    return Failed(TaskError(**_plain_values(msgspec.structs.asdict(failed.error))), failed.delay)


def _plain_values(values: dict[str, Any]) -> dict[str, Any]:
    """What an exception brings along may be of types that only this process knows."""
    try:
        return cast("dict[str, Any]", to_jsonable_python(values, fallback=str))
    except (ValueError, RecursionError):  # bytes that are no text, or a circle
        return {**values, "code": str(values["code"]), "details": str(values["details"])}


def _plain(number: float) -> float:
    """A number that the parent can read without the library it is from."""
    return number if type(number) in (int, float) else float(number)
