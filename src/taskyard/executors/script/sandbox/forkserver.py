"""A fork server for what a process has to do before it is a jail, or becomes the program that makes one: to start an
interpreter for each, or a program for its user and another for its limits, takes much more of the processor.
"""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from taskyard.executors.script.sandbox.jail import INSIDE

_LONGEST_SECONDS = 10.0
_MESSAGE, _ANSWER = 1 << 18, 32
_LAST_WORDS = 2_000


class _Running(NamedTuple):
    process: subprocess.Popen[bytes]
    socket: socket.socket


class ForkServer:
    """Makes processes that confine themselves, children of ours; started when it is first needed, and anew when it has
    ended. `inside/confine.py` says what it is told. It ends with the thread that has started it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: _Running | None = None

    def fork(self, python: str, spec: Mapping[str, Any], descriptors: Sequence[int], umask: int) -> int:
        """The number of a new process, which leads a process group; `python` runs the server.

        Raises OSError; its number is EAGAIN where a server can be expected to do it next time.
        """
        message = repr(spec).encode()
        if len(message) > _MESSAGE:
            raise OSError(errno.E2BIG, "a jail cannot be told of so many files and packages")
        with self._lock:
            if self._running is None or self._running.process.poll() is not None:
                self._end()
                self._running = _started(python, umask)
            try:
                socket.send_fds(self._running.socket, [message], descriptors)
                answer = self._running.socket.recv(_ANSWER)
            except TimeoutError:
                self._end()
                raise OSError(errno.EAGAIN, f"what makes jails was silent for {_LONGEST_SECONDS:g} s") from None
            except ConnectionError:
                answer = b""
            if not answer:
                raise self._ended()
        number = int(answer)
        if number <= 0:
            raise OSError(-number, os.strerror(-number))
        return number

    def stop(self) -> None:
        """End it. What it has made goes on."""
        with self._lock:
            self._end()

    def _ended(self) -> OSError:
        """Why it has ended without an answer: somebody has ended it, or it cannot be."""
        code, told = self._end()
        if code < 0:
            return OSError(errno.EAGAIN, "what makes jails was ended")
        return OSError(f"what makes jails has ended: {told}")

    def _end(self) -> tuple[int, str]:
        """End it; its exit code and what it said last."""
        if self._running is None:
            return 0, ""
        process, ours = self._running
        self._running = None
        ours.close()
        process.kill()  # whose end has begun keeps its own exit code
        told = process.communicate()[1][-_LAST_WORDS:]
        return process.returncode, told.decode("utf-8", "replace").strip().rpartition("\n")[2]


def _started(python: str, umask: int) -> _Running:
    """A new server. Raises OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        try:
            ours.settimeout(_LONGEST_SECONDS)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MESSAGE)
            process = subprocess.Popen(  # noqa: S603 - our own command
                [python, "-I", "-S", str(INSIDE / "confine.py"), "serve", str(theirs.fileno())],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={}, cwd="/",
                umask=umask, pass_fds=(theirs.fileno(),), process_group=0,
            )  # fmt: skip
        except OSError:
            ours.close()
            raise
    return _Running(process, ours)
