"""Control groups, in addition to the limits of each process: of all processes of a jail together, kept by the kernel.

Version 2 only. The operator gives a group that we may write and that holds no process itself, as systemd makes with
`Delegate=yes` and `DelegateSubgroup=`. <https://docs.kernel.org/admin-guide/cgroup-v2.html>
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable
from pathlib import Path

from taskyard.domain.resources import Resources
from taskyard.errors import ConfigurationError

_WANTED = ("memory", "pids", "cpu")
_MORE_PROCESSES = 4  # those that make the jail
_PERIOD_US = 100_000
_MIB = 1 << 20
_NUMBERS = itertools.count(1)
_PREFIX = "taskyard-jail-"
_BEGAN = 19  # of the fields after its name, by proc_pid_stat(5)


class Cgroups:
    """Makes a group for each jail within `base`. `controllers`: those of memory, pids and cpu that can be had."""

    def __init__(self, base: Path) -> None:
        """Raises ConfigurationError where no groups can be made there."""
        self.base = base
        mend = "TASKYARD_CGROUP has to name a group of version 2 that this user may write and that holds no process"
        try:
            there = (base / "cgroup.controllers").read_text().split()
            self.controllers = tuple(name for name in _WANTED if name in there)
            (base / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in self.controllers))
        except OSError as error:
            raise ConfigurationError(f"no control groups can be made in {base}: {error.strerror}; {mend}") from None
        if not self.controllers:
            raise ConfigurationError(f"{base} has none of the controllers {', '.join(_WANTED)}; {mend}")

    def make(self) -> Cgroup:
        """A new group, empty. Raises OSError."""
        folder = self.base / f"{_PREFIX}{_world()}-{os.getpid()}-{_began(os.getpid())}-{next(_NUMBERS)}"
        folder.mkdir()
        return Cgroup(folder, self.controllers)

    def sweep(self) -> None:
        """Remove the groups of workers that died, as far as they hold no processes; of such as we could see alive."""
        for folder in self.base.glob(f"{_PREFIX}{_world()}-*"):
            _, pid, began, *_ = (*folder.name.removeprefix(_PREFIX).split("-"), "", "")
            if pid.isdigit() and _began(pid) != began:
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _world() -> int:
    """What our process numbers are numbers of: containers that share a group each have their own."""
    return Path("/proc/self/ns/pid").stat().st_ino


def _began(pid: int | str) -> str:
    """When a process began, in ticks since the machine did; empty where there is none. Numbers come again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_BEGAN]
    except OSError:
        return ""


class Cgroup:
    """The group of one jail."""

    def __init__(self, folder: Path, controllers: Iterable[str]) -> None:
        self.folder = folder
        self._controllers = frozenset(controllers)

    def hold(self, pids: Iterable[int], resources: Resources, processes: int, *, files: bool) -> None:
        """Set the limits, one processor's time among them, and take the processes in; any other group goes before.

        Raises OSError.

        `files`: whether the jail's files are in memory as well, and counted with it.
        """
        memory = (resources.memory_mb + (resources.disk_mb if files else 0)) * _MIB
        limits: dict[str, dict[str, object]] = {
            "memory": {"memory.max": memory, "memory.swap.max": 0, "memory.oom.group": 1},
            "pids": {"pids.max": processes + _MORE_PROCESSES},
            "cpu": {"cpu.max": f"{_PERIOD_US} {_PERIOD_US}", "cpu.weight": 1},
        }
        for controller in self._controllers:
            for name, value in limits[controller].items():
                with contextlib.suppress(FileNotFoundError):  # such as the one of swap, where there is none
                    (self.folder / name).write_text(str(value))
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                (self.folder / "cgroup.procs").write_text(str(pid))

    def reached(self) -> str:
        """Which limit the kernel has enforced, if any."""
        if self._count("memory.events", "oom_kill"):
            return "memory"
        return "processes" if self._count("pids.events", "max") else ""

    def end(self) -> None:
        """End what is in it. Raises OSError."""
        (self.folder / "cgroup.kill").write_text("1")

    def remove(self) -> bool:
        """Remove it; False while there is still something in it."""
        try:
            self.folder.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def _count(self, file: str, name: str) -> int:
        try:
            lines = (self.folder / file).read_text().splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in lines if line.split()[:1] == [name]), 0)
