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
from collections.abc import Awaitable, Callable, Coroutine
from queue import SimpleQueue
from types import FrameType
from typing import Any, TypeVar, cast

import msgspec
from pydantic_core import to_jsonable_python

from taskyard.contracts.executor import Job
from taskyard.domain.outcome import Done, Failed, Released, TaskError
from taskyard.domain.signature import Signature
from taskyard.executors.function.context import BlockingContext, Context
from taskyard.executors.function.errors import TaskCanceled, report_failure
from taskyard.executors.function.process_job import RemoteJob, RemoteServices
from taskyard.executors.function.process_name import Name, Refused, find, report_refusal
from taskyard.executors.function.process_wire import CHUNK, KILL_GRACE, Answered, Begin, Inbox, News, Stop, encode
from taskyard.executors.function.results import report_result

_PR_SET_PDEATHSIG = 1

T = TypeVar("T")


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
                elif (job := self._job) is not None and job.number == order.number:
                    if isinstance(order, Stop):
                        job.stop(order.reason)
                    elif isinstance(order, Answered):
                        job.answer(order)
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
        context = _context(function, job)
        variables = contextvars.copy_context()
        value = variables.run(function, *((context,) if signature.takes_context else ()), **arguments)
        if inspect.isawaitable(value):
            value = runner.run(_awaited(value, job), context=variables)
        return report_result(signature, value, context.warnings)

    def _function(self, begin: Begin) -> tuple[Callable[..., Any], Signature]:
        if begin.name not in self._functions:
            function = find(begin.name)
            self._functions[begin.name] = function, Signature.of(function)
        return self._functions[begin.name]


def _context(function: Callable[..., Any], job: RemoteJob) -> Context | BlockingContext:
    seen, services = cast("Job", job), RemoteServices(job)  # a context asks no more of its job than this one has
    if inspect.iscoroutinefunction(function):
        return Context(seen, services)

    def block(verb: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            return asyncio.run(_awaited(verb(), job))
        except asyncio.CancelledError:
            raise TaskCanceled(job.stopped or "canceled") from None

    return BlockingContext(seen, services, block)


async def _awaited(value: Awaitable[T], job: RemoteJob) -> T:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None  # noqa: S101 - a coroutine that runs has a task
    with job.on_stop(lambda: loop.call_soon_threadsafe(task.cancel)):
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
