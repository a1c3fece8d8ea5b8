"""Limits over all processes of a jail together, which the kernel bounds one by one: looked up in /proc now and then.

<https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from taskyard.domain.resources import Resources

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1 << 20
_BLOCK = 512
_MOST_PROCESSES = 4_096
_MOST_FILES = 20_000
_AFTER_NAME = 2
_UTIME, _STIME, _CHILDREN_UTIME, _CHILDREN_STIME, _RSS = (
    field - _AFTER_NAME - 1 for field in (14, 15, 16, 17, 24)
)  # as numbered from 1 in the manual


class Usage(NamedTuple):
    """What a process and all its descendants use now: MiB of memory, CPU seconds, how many there are."""

    memory_mb: float
    cpu_seconds: float
    processes: int


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


def descendants(pid: int) -> Iterator[int]:
    """The process itself, those that it has started, and those of these; not without end."""
    todo = [pid]
    for _ in range(_MOST_PROCESSES):
        if not todo:
            return
        each = todo.pop()
        yield each
        with contextlib.suppress(OSError, ValueError):
            for thread in Path(f"/proc/{each}/task").iterdir():
                todo += map(int, (thread / "children").read_bytes().split())


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


def exceeded(pid: int, folder: Path | None, forks: bool, resources: Resources) -> str:
    """Which limit a jail has gone over, if any."""
    if folder is not None and folder_mb(folder) > resources.disk_mb:
        return "disk"
    if not forks:
        return ""
    now = usage(pid)
    if now.memory_mb > resources.memory_mb:
        return "memory"
    if now.cpu_seconds > resources.cpu_seconds:
        return "cpu"
    return ""
