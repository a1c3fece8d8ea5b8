"""Starting the processes of jails: pipes, descriptors, and a thread that lasts as long as they may."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

_NICENESS = 5
_FRAMES_WORD = "{frames}"


class Plan(NamedTuple):
    """How a jail is started. `command(seccomp descriptor)` gives its words, `{frames}` the descriptor for frames.

    `uid`: whose its pipes are (0: ours). `folder`: its own on this machine, if it has one. `has_inner`: the process
    that is started waits for the jail's own, its only child.
    """

    command: Callable[[int], list[str]]
    environment: Mapping[str, str]
    seccomp: bytes
    uid: int = 0
    folder: Path | None = None
    frames_on_stdout: bool = False
    has_inner: bool = False


class Started(NamedTuple):
    """A jail's process: its id, a descriptor that tells of its end, and our ends of its pipes."""

    pid: int
    pidfd: int
    stdin: int
    stdout: int | None
    stderr: int
    frames: int
    folder: Path | None
    has_inner: bool


class Launcher:
    """Starts jails from one thread: the kernel ends a jail when the thread that has started it ends.

    The thread gives way to others, and so does all that it starts.
    """

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="taskyard-jails", initializer=_give_way)

    def stop(self) -> None:
        """End the thread; jails that still run end with it."""
        self.thread.shutdown(wait=False, cancel_futures=True)


def launch(plan: Plan) -> Started:
    """Start a jail. Raises OSError."""
    pipes = _Pipes(plan)
    try:
        command = [word.replace(_FRAMES_WORD, str(pipes.frames[1])) for word in plan.command(pipes.seccomp)]
        process = subprocess.Popen(  # noqa: S603 - our own command; what is not ours comes by standard input
            command,
            stdin=pipes.stdin[0],
            stdout=pipes.frames[1] if plan.frames_on_stdout else pipes.stdout[1],
            stderr=pipes.stderr[1],
            env=dict(plan.environment),
            pass_fds=(pipes.seccomp, pipes.frames[1]),
            start_new_session=True,
            cwd="/",
        )
    except BaseException:
        pipes.close_ours()
        raise
    finally:
        pipes.close_theirs()
    process.returncode = 0  # its end is waited for by its pidfd, not by this object
    return Started(
        process.pid, os.pidfd_open(process.pid), pipes.stdin[1],
        None if plan.frames_on_stdout else pipes.stdout[0], pipes.stderr[0], pipes.frames[0], plan.folder,
        plan.has_inner,
    )  # fmt: skip


class _Pipes:
    def __init__(self, plan: Plan) -> None:
        self.stdin, self.stderr, self.frames = os.pipe(), os.pipe(), os.pipe()
        self.stdout = (-1, -1) if plan.frames_on_stdout else os.pipe()
        self.seccomp, write = os.pipe()
        os.write(write, plan.seccomp)
        os.close(write)
        if plan.uid:  # so that the code may open them again by name
            for _, theirs in (self.stderr, self.frames, self.stdout):
                if theirs >= 0:
                    os.fchown(theirs, plan.uid, plan.uid)
        for ours in (self.stdin[1], self.stderr[0], self.frames[0], self.stdout[0]):
            if ours >= 0:
                os.set_blocking(ours, False)

    def close_theirs(self) -> None:
        _close(self.stdin[0], self.stderr[1], self.frames[1], self.stdout[1], self.seccomp)

    def close_ours(self) -> None:
        _close(self.stdin[1], self.stderr[0], self.frames[0], self.stdout[0])


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        if descriptor >= 0:
            os.close(descriptor)


def _give_way() -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), max(own, _NICENESS))  # a lower one is root's to give
