"""One jail while it lives: it is told what to run, heard, held to its limits, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from taskyard.domain.frame import Advanced, Broke, Frame, FrameReader, Gave, Plain, Said, Wrote
from taskyard.executors.script.sandbox.launch import Started
from taskyard.executors.script.sandbox.text import Printed, Tail
from taskyard.executors.script.sandbox.watch import hold_inner

_CHUNK = 32_768
_LAST_WORDS = 1.0
_READY = "ready"
T = TypeVar("T")


class Ears(NamedTuple):
    """Who hears what a jail says. `plain` hears lines that are no frames."""

    log: Callable[[str, str], None]
    progress: Callable[[float, float | None, str | None], None]
    plain: Callable[[Plain], None]
    wrote: Callable[[Wrote], None]


class Jail:
    """A jail's process. It is used once: `ready`, then `run`, then `end`."""

    def __init__(self, started: Started) -> None:
        self.started = started
        self.ready = asyncio.Event()
        self.gone = asyncio.Event()
        self.code = 0
        self.cpu_seconds = 0.0
        self.killed_for = ""
        self.last: Gave | Broke | None = None
        self.refused: Plain | None = None
        self.tail = Tail()
        self.stdout = Printed(lambda line: self._print("info", line))
        self._stderr = Printed(lambda line: self._print("warning", line))
        self._frames = FrameReader(1 << 16)
        self._ears: Ears | None = None
        self._left = 1 << 16
        self._loop = asyncio.get_running_loop()
        self._open = {fd for fd in (started.stdout, started.stderr, started.frames) if fd is not None}
        self._unsent = b""
        self._writing = True
        self._over = False
        self._exited = False
        self._looks = 0
        for descriptor in self._open:
            self._loop.add_reader(descriptor, self._read, descriptor)
        self._loop.add_reader(started.pidfd, self._reap)

    @property
    def usable(self) -> bool:
        """Whether it still waits for something to run."""
        return not self._over and not self.killed_for

    def begin(self, request: bytes, ears: Ears, output_bytes: int, keep_stdout: int = 0) -> None:
        """Tell it what to run, once it is ready. It may say `output_bytes` in all. Who has ended is told nothing."""
        if self._over:  # the number of its standard input may be another's by now
            return
        self._ears, self._left = ears, output_bytes
        self._frames = FrameReader(output_bytes + 1024)
        self.stdout = Printed(lambda line: self._print("info", line), keep_stdout)
        self._unsent = request
        if self.ready.is_set():
            self._tell()

    def kill(self, why: str) -> None:
        """End it now, with all that it has started."""
        if self._over:
            return
        self.killed_for = self.killed_for or why
        self._signal()

    async def end(self) -> None:
        """Wait until nothing of it is left."""
        await self.gone.wait()

    async def looked_at(self, look: Callable[[], T]) -> T | None:
        """What `look` finds by the number of its process, in a thread; that stays its own meanwhile. None once it has
        ended.
        """
        if self._over:
            return None
        self._looks += 1
        looking = asyncio.ensure_future(asyncio.to_thread(look))
        looking.add_done_callback(self._looked)
        return await asyncio.shield(looking)

    def _looked(self, looking: asyncio.Future[Any]) -> None:
        del looking
        self._looks -= 1
        if self._over and not self._looks:
            self._collect()

    def _signal(self) -> None:
        """End the innermost process, so that the one outside of it can tell how it ended, and leaves nothing."""
        pid = self.started.pid
        inner = [] if self.started.inner_limits is None else _children(pid)
        for each in inner:
            _kill(os.kill, each)
        if not inner or self._over:
            _kill(os.killpg, pid)
        else:
            self._loop.call_later(_LAST_WORDS, self._insist)

    def _insist(self) -> None:
        if not self._over:
            _kill(os.killpg, self.started.pid)

    def _reap(self) -> None:
        """It has ended; whatever of its group is left ends too, before its number can be another's."""
        self._loop.remove_reader(self.started.pidfd)
        _kill(os.killpg, self.started.pid)
        self._over = True
        if not self._looks:
            self._collect()

    def _collect(self) -> None:
        """Have the kernel forget it: its number may be another's from now on."""
        _, status, usage = os.wait4(self.started.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.code = code if code >= 0 else 128 - code
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self._exited = True
        os.close(self.started.pidfd)
        self._stop_writing()
        if self._open:
            self._loop.call_later(_LAST_WORDS, self._close_all)
        else:
            self.gone.set()

    def _read(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(descriptor)
            return
        self._left -= len(data)
        if self._left < 0:
            data = data[: len(data) + max(self._left, -len(data))]
            self.kill("output")
        if descriptor == self.started.frames:
            for frame in self._frames.feed(data):
                self._hear(frame)
        elif descriptor == self.started.stdout:
            self.stdout.feed(data)
        else:
            self._stderr.feed(data)

    def _hear(self, frame: Frame) -> None:
        if isinstance(frame, Plain) and frame.text == _READY and not self.ready.is_set():
            self._made()
            return
        ears = self._ears
        if ears is None:
            return
        match frame:
            case Said(level, text):
                self.tail.add(text)
                ears.log(level, text)
            case Advanced(current, total, action):
                ears.progress(current, total, action)
            case Gave() | Broke():
                self.last, self.refused = frame, None
            case Wrote():
                ears.wrote(frame)
            case Plain():
                self.refused = frame
                ears.plain(frame)

    def _print(self, level: str, line: str) -> None:
        self.tail.add(line)
        if self._ears is not None:
            self._ears.log(level, line)

    def _made(self) -> None:
        """It is ready, and still runs nothing but what is ours: hold it to its limits before it is told anything."""
        if self._over:  # its number may be another's by now
            return
        if self.started.inner_limits:
            try:
                hold_inner(self.started.pid, self.started.inner_limits)
            except OSError as error:
                self.tail.add(f"it cannot be held to its limits: {error}")
                self.kill("let go")
                return
        self.ready.set()
        if self._unsent:
            self._tell()

    def _tell(self) -> None:
        self._loop.add_writer(self.started.stdin, self._write)
        self._write()  # most fits the pipe

    def _write(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self.started.stdin, self._unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self._unsent = b""
        if not self._unsent:
            self._stop_writing()

    def _stop_writing(self) -> None:
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self.started.stdin)
            os.close(self.started.stdin)

    def _close_all(self) -> None:
        for descriptor in tuple(self._open):
            self._read(descriptor)
        for descriptor in tuple(self._open):
            self._close(descriptor)

    def _close(self, descriptor: int) -> None:
        self._open.discard(descriptor)
        self._loop.remove_reader(descriptor)
        os.close(descriptor)
        if self._open:
            return
        for frame in self._frames.close():
            self._hear(frame)
        self.stdout.close()
        self._stderr.close()
        if self._exited:
            self.gone.set()


def _kill(how: Callable[[int, int], None], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        how(number, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_bytes().split()]
    except OSError:
        return []
