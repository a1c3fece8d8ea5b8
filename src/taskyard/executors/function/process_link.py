"""The parent's end of one handler's process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import structlog

from taskyard.contracts.executor import Job
from taskyard.domain.json import loads
from taskyard.domain.outcome import Failed, Released, Report, TaskError
from taskyard.errors import TaskyardError
from taskyard.executors.function.context import Context
from taskyard.executors.function.errors import TaskFailed
from taskyard.executors.function.process_wire import (
    CHUNK,
    KILL_GRACE,
    Advanced,
    Answered,
    Begin,
    Called,
    Ended,
    Inbox,
    News,
    Order,
    Said,
    Stop,
    encode,
)

_STOP_GRACE = 0.5
_IDLE = 60.0

log = structlog.get_logger("taskyard.process")

_PROGRAM = """\
import sys
sys.path[:] = {path!r}
from taskyard.executors.function.process_child import main
main({descriptor})
"""


class Pool(Protocol):
    """Who has the processes, and is told of each what becomes of it."""

    def lent(self) -> None:
        """It waits for subtasks."""

    def taken_back(self) -> None:
        """It no longer does."""

    def freed(self, link: Link) -> None:
        """It has run what it was given."""

    def gone(self, link: Link) -> None:
        """It has ended."""


class Link:
    """A process of a pool; it runs one handler at a time.

    A thread of its own starts the process and waits for its end: the kernel is asked to end a process together
    with the thread that started it. All else happens on the event loop, which never waits for the process.
    """

    def __init__(self, pool: Pool) -> None:
        self.usable = True
        self.ended = asyncio.Event()
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._inbox = Inbox()
        self._unsent = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0
        self._context: Context | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self._subtasks = 0
        self._answer: asyncio.Future[Report] = self._loop.create_future()
        self._told: str | None = None
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket, self._read)
        threading.Thread(target=self._live, args=(theirs,), name="taskyard-process", daemon=True).start()

    async def run(self, begin: Begin, job: Job, context: Context) -> Report:
        """Run a handler; what it says and asks for reaches `context`.

        When cancelled it tells the process to stop, and when the task was canceled waits for it.
        """
        self._cancel_timer()
        answer = self._answer = self._loop.create_future()
        self._number, self._context, self._told = begin.number, context, None
        self._send(begin)
        job.on_stop(partial(self.stop, begin.number))
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            self.stop(begin.number, job.stopped or "canceled")
            if job.stopped == "canceled":
                await asyncio.wait([answer])
            raise

    def stop(self, number: int, reason: str) -> None:
        """Tell the run of this number to stop, if it runs; then SIGTERM and SIGKILL follow."""
        if self._context is not None and self._number == number and self._told is None:
            self._told = reason
            self._drop_calls()
            self._send(Stop(number, reason))
            self._after(_STOP_GRACE, self.leave)

    def rest(self) -> None:
        """It has nothing to do: let it go when that lasts."""
        self._after(_IDLE, self.leave)

    def leave(self) -> None:
        """End the process: what runs in it is told to stop; SIGKILL follows after a second."""
        if self._told is None:
            self._told = "shutdown"
        self.usable = False
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self._signal(signal.SIGTERM)
        self._after(KILL_GRACE, self._kill)

    def _live(self, theirs: socket.socket) -> None:
        try:
            with theirs:
                self._process = _start(theirs.fileno())
            how = _told_ending(self._process.wait())
            self._kill()  # whatever it started and left behind
        except OSError as error:
            how = f"could not be started: {error}"
        with suppress(RuntimeError):  # the event loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._end, how)

    def _end(self, how: str) -> None:
        self.usable = False
        while self._read():
            pass
        self._cancel_timer()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        if self._context is not None:
            failed = Failed(TaskError("EXECUTION_ERROR", f"the handler's process {how}"))
            self._finish(Released(self._told) if self._told else failed)
        self.ended.set()
        self._pool.gone(self)

    def _read(self) -> bool:
        try:
            data = self._socket.recv(CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._lose()
            return False
        try:
            for news in self._inbox.feed(data):
                self._hear(news)
        except Exception:  # a process that was ended amidst a message
            log.warning("a handler's process cannot be understood", exc_info=True)
            self._lose()
            return False
        return True

    def _hear(self, news: News | Order) -> None:
        context = self._context
        if context is None or news.number != self._number:
            return
        match news:
            case Said():
                context.log(news.level, news.text)
            case Advanced():
                context.progress(news.current, news.total, news.action)
            case Called() if self._told is None:
                call = self._loop.create_task(self._call(news, context))
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)
            case Ended() if self.usable or self._told is None:
                self._cancel_timer()
                self._finish(news.report)

    async def _call(self, called: Called, context: Context) -> None:
        """Do what the handler asks for, and answer."""
        error: Exception | None = None
        value: Any = None
        try:
            runs = called.verb == "run"
            verb: Callable[..., Awaitable[Any]] = partial(self._run if runs else getattr(Context, called.verb), context)
            value = await verb(*called.names, loads(called.data))
        except (TaskFailed, TaskyardError) as failure:
            error = failure
        except Exception as failure:  # of a type that may mean nothing over there
            log.warning("a call from a handler's process failed", verb=called.verb, exc_info=True)
            error = RuntimeError(f"{type(failure).__name__}: {failure}")
        self._send(Answered(called.number, called.call, value, error))

    async def _run(self, context: Context, key: str, input_: dict[str, Any]) -> Any:
        """A subtask's output; while it waits for any, the process lends its slot."""
        self._subtasks += 1
        if self._subtasks == 1:
            self._pool.lent()
        try:
            return await context.run(key, input_)
        finally:
            self._subtasks -= 1
            if self._subtasks == 0:
                self._pool.taken_back()

    def _drop_calls(self) -> None:
        for call in self._calls:
            call.cancel()

    def _lose(self) -> None:
        """The process has closed its end: it is ending, or will never be heard again."""
        self._loop.remove_reader(self._socket)
        if self.usable:
            self.usable = False
            self._after(KILL_GRACE, self._kill)

    def _finish(self, report: Report) -> None:
        self._context = None
        self._drop_calls()
        if not self._answer.done():
            self._answer.set_result(report)
        self._pool.freed(self)

    def _send(self, order: Order) -> None:
        self._unsent += encode(order)
        self._flush()

    def _flush(self) -> None:
        try:
            del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:  # it is ending, and its thread will say so
            self._unsent.clear()
        if self._unsent:
            self._loop.add_writer(self._socket, self._flush)
        else:
            self._loop.remove_writer(self._socket)

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        """Signal the process with all that it started. One that starts just now finds its pipe closed."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _after(self, seconds: float, call: Callable[[], None]) -> None:
        self._cancel_timer()
        self._timer = self._loop.call_later(seconds, call)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _start(descriptor: int) -> subprocess.Popen[bytes]:
    """A process that serves this socket; of ours it has nothing else but standard output and error."""
    program = _PROGRAM.format(path=[str(entry) for entry in sys.path], descriptor=descriptor)
    return subprocess.Popen(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-u", "-c", program], stdin=subprocess.DEVNULL, pass_fds=(descriptor,), process_group=0
    )


def _told_ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    hint = ", as when memory runs out" if code == -signal.SIGKILL else ""
    return f"ended with signal {-code} ({signal.strsignal(-code)}){hint}"
