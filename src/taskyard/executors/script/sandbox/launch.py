"""Starting the processes of jails: pipes, descriptors, and a thread that lasts as long as they may."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from taskyard.executors.script.sandbox.forkserver import ForkServer

_NICENESS = 5
_UMASK = 0o022  # whatever ours is

PASSING = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT})
"""Why nothing can be started at a busy moment, whatever it is."""


class Plan(NamedTuple):
    """How a jail is started. `spec`: what the fork server is told, but for `env`, `session` and `seccomp`; `python`:
    what runs that.

    `uid`: whose its pipes are (0: ours). `folder`: its own on this machine, if it has one. `own_session`: whether it
    leaves our session, and with it our terminal. `passed`: descriptors that the fork server passes on. `inner_limits`:
    the process that is started waits for the jail's own, its only child, and that is held to these once it is ready.
    """

    spec: Mapping[str, Any]
    python: str
    environment: Mapping[str, str]
    seccomp: bytes
    uid: int = 0
    folder: Path | None = None
    frames_on_stdout: bool = False
    own_session: bool = True
    passed: tuple[int, ...] = ()
    inner_limits: Mapping[str, int] | None = None


class Started(NamedTuple):
    """A jail's process: its id, a descriptor that tells of its end, and our ends of its pipes."""

    pid: int
    pidfd: int
    stdin: int
    stdout: int | None
    stderr: int
    frames: int
    folder: Path | None
    inner_limits: Mapping[str, int] | None


class Launcher:
    """Starts jails from one thread: the kernel ends a jail when the thread that has started it ends.

    The thread itself gives way to nobody: it holds the interpreter's lock while it starts one.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="taskyard-jails")
        self._server = ForkServer()

    def start(self, plan: Plan) -> Future[Started]:
        """Start a jail; see `launch`."""
        return self._thread.submit(launch, plan, self._server)

    def stop(self) -> None:
        """End the thread; jails that still run end with it."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._server.stop()


def launch(plan: Plan, server: ForkServer) -> Started:
    """Start a jail, which leads a process group and gives way to us.

    Raises OSError; then nothing of it is left, neither a process nor a descriptor.
    """
    with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
        pipes = _opened(plan, theirs, ours)
        pid = _forked(plan, pipes, server)
        ours.callback(_end, pid)
        pidfd = os.pidfd_open(pid)
        _have_give_way(pid)
        ours.pop_all()  # they are the jail's now
    return Started(
        pid, pidfd, pipes.stdin[1], None if pipes.stdout is None else pipes.stdout[0], pipes.stderr[0],
        pipes.frames[0], plan.folder, plan.inner_limits,
    )  # fmt: skip


class _Pipes(NamedTuple):
    """The pipes of a jail, each as its two ends."""

    stdin: tuple[int, int]
    stderr: tuple[int, int]
    frames: tuple[int, int]
    stdout: tuple[int, int] | None

    @property
    def streams(self) -> tuple[int, int, int]:
        """The jail's standard ones."""
        return self.stdin[0], (self.stdout or self.frames)[1], self.stderr[1]


def _opened(plan: Plan, theirs: contextlib.ExitStack, ours: contextlib.ExitStack) -> _Pipes:
    """New pipes, each end with whom it belongs to. Raises OSError."""

    def pipe(*, inwards: bool) -> tuple[int, int]:
        ends = os.pipe()
        inside, outside = ends if inwards else reversed(ends)
        theirs.callback(os.close, inside)
        ours.callback(os.close, outside)
        if plan.uid:  # so that the code may open them again by name
            os.fchown(inside, plan.uid, plan.uid)
        os.set_blocking(outside, False)
        return ends

    return _Pipes(
        pipe(inwards=True), pipe(inwards=False), pipe(inwards=False),
        None if plan.frames_on_stdout else pipe(inwards=False),
    )  # fmt: skip


def _forked(plan: Plan, pipes: _Pipes, server: ForkServer) -> int:
    """The number of a new process that the fork server has made. Raises OSError."""
    told = {"env": dict(plan.environment), "session": plan.own_session, "seccomp": plan.seccomp, **plan.spec}
    return server.fork(plan.python, told, (*pipes.streams, pipes.frames[1], *plan.passed), _UMASK)


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _have_give_way(pid: int) -> None:
    """Its group with it: it may have started others by now."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended, or is another user's already
        os.setpriority(os.PRIO_PGRP, pid, max(own, _NICENESS))  # a lower one is root's to give
