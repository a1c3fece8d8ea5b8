"""All processes of a jail together, looked up in /proc now and then: limits that the kernel keeps one by one, and who
takes much of the processor.

<https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
"""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from taskyard.domain.resources import Resources

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1 << 20
_BLOCK = 512
_MOST_PROCESSES = 4_096
_MOST_FILES = 20_000
_LITTLE_SECONDS = 0.2
_ROUNDS = 20
_AFTER_NAME = 2
_UTIME, _STIME, _CHILDREN_UTIME, _CHILDREN_STIME, _RSS = (
    field - _AFTER_NAME - 1 for field in (14, 15, 16, 17, 24)
)  # as numbered from 1 in the manual


class Usage(NamedTuple):
    """What a process and all its descendants use now: MiB of memory, CPU seconds, how many there are."""

    memory_mb: float
    cpu_seconds: float
    processes: int

    @property
    def is_heavy(self) -> bool:
        """Whether that is so much of the processor that it has to give way to all others."""
        return self.cpu_seconds > _LITTLE_SECONDS


def usage(pid: int) -> Usage:
    """What the process and its descendants use."""
    memory = cpu = count = 0
    for each in descendants(pid):
        try:
            fields = Path(f"/proc/{each}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue  # it has just ended
        count += 1
        memory += int(fields[_RSS]) * _PAGE
        cpu += sum(int(fields[at]) for at in (_UTIME, _STIME, _CHILDREN_UTIME, _CHILDREN_STIME))
    return Usage(memory / _MIB, cpu / _TICKS, count)


def cpu_seconds(pid: int) -> float:
    """What the process alone has used of the processor; nothing, if it has ended.

    Its clock is numbered as clock_getcpuclockid(3) does, which Python does not have.
    """
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0


def descendants(pid: int) -> Iterator[int]:
    """The process itself, those that it has started, and those of these; not without end."""
    todo = [pid]
    for _ in range(_MOST_PROCESSES):
        if not todo:
            return
        each = todo.pop()
        yield each
        with contextlib.suppress(OSError, ValueError):
            for thread in threads(each):
                todo += map(int, (thread / "children").read_bytes().split())


def threads(pid: int) -> list[Path]:
    """What /proc has of each thread; nothing of a process that has ended."""
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def have_give_way(pid: int) -> None:
    """Let the process and its descendants run only when nobody else of their group wants to (SCHED_IDLE), so that no
    wakeup of ours waits for the end of their slices, as it does whatever their niceness. Who may not do that leaves it.
    """
    for _ in range(_ROUNDS):
        if not sum(_demoted(int(thread.name)) for each in descendants(pid) for thread in threads(each)):
            return


def _demoted(thread: int) -> bool:
    """Whether it has just been made to give way: what it has started meanwhile does not, and may not have been seen."""
    with contextlib.suppress(OSError):
        if os.sched_getscheduler(thread) != os.SCHED_IDLE:
            os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
            return True
    return False


def hold_inner(pid: int, limits: Mapping[str, int]) -> None:
    """Hold the descendants of a process to limits such as {"nproc": 64}. Raises OSError, also where none are seen."""
    held = 0
    for each in descendants(pid):
        if each == pid:
            continue
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            for name, value in limits.items():
                resource.prlimit(each, getattr(resource, f"RLIMIT_{name.upper()}"), (value, value))
            held += 1
    if not held:
        raise ProcessLookupError(f"process {pid} has nothing in it")


def folder_mb(folder: Path) -> float:
    """How much of the disk the files below a folder take, in MiB; very many small ones count as endless."""
    taken = count = 0
    todo = [str(folder)]
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    count += 1
                    taken += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
        except OSError:
            continue
        if count > _MOST_FILES:
            return float("inf")
    return taken / _MIB


def exceeded(now: Usage, folder: Path | None, forks: bool, resources: Resources) -> str:
    """Which limit a jail has gone over, if any."""
    if folder is not None and folder_mb(folder) > resources.disk_mb:
        return "disk"
    if not forks:
        return ""
    if now.memory_mb > resources.memory_mb:
        return "memory"
    if now.cpu_seconds > resources.cpu_seconds:
        return "cpu"
    return ""
