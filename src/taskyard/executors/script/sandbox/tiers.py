"""The tiers, strongest first, and how a jail is planned in each."""

from __future__ import annotations

import errno
import itertools
import os
import re
import shutil
import stat
from pathlib import Path
from typing import NamedTuple

from taskyard.domain.isolation import BUBBLEWRAP, EMULATED, LANDLOCK
from taskyard.domain.resources import Resources
from taskyard.executors.script.sandbox.engines import Missing, confining_python
from taskyard.executors.script.sandbox.folders import Folders
from taskyard.executors.script.sandbox.jail import (
    Bind,
    Engine,
    Means,
    allowed_calls,
    bubblewrap_spec,
    inner_limits,
    landlock_environment,
    landlock_spec,
    process_limit,
)
from taskyard.executors.script.sandbox.launch import Plan
from taskyard.executors.script.sandbox.seccomp import MACHINES, seccomp_filter

_FIRST_UID, _UIDS, _SPREAD = 61_184, 4_336, 97
_LANDLOCK_WITH_SCOPES = 6
_KERNEL_THAT_ASKS = (5, 14)
_BWRAP = "install the package bubblewrap, and let users make namespaces (containers: docs/guide/sandbox.md)"


class Shape(NamedTuple):
    """Jails that are alike: any of them can run what another can.

    `packages_since`: when its packages were put where it sees them; a jail from before sees those that were removed.
    `door`: the descriptor by which one asks for connections, or -1.
    """

    tier: str
    engine: Engine
    resources: Resources
    binds: tuple[Bind, ...] = ()
    packages_since: int = 0
    door: int = -1

    @property
    def is_for_one(self) -> bool:
        """Whether it is made for one call."""
        return bool(self.binds) or self.door >= 0


def find_means() -> Means:
    """What this process can confine with."""
    return Means(shutil.which("bwrap") or "", confining_python(), os.geteuid() == 0, _has_terminal())


def lacks(tier: str, means: Means, landlock: int) -> Missing | None:
    """What keeps this tier from being tried at all. `landlock`: the kernel's version of it, 0 for none."""
    if tier == EMULATED:
        return None
    if os.uname().machine not in MACHINES:
        return Missing(f"no filter for {os.uname().machine}", "use a machine with an x86_64 or aarch64 processor")
    if tier == BUBBLEWRAP:
        return None if means.bwrap else Missing("no bubblewrap", _BWRAP)
    if not landlock:
        return Missing("no Landlock in this kernel", "boot with lsm=landlock,…, or a kernel from 5.13 on")
    if not means.is_root and landlock < _LANDLOCK_WITH_SCOPES:
        what = f"Landlock {landlock} cannot keep jails of one user apart"
        return Missing(what, "use a kernel from 6.12 on, start Taskyard as root, or get bubblewrap to work")
    return None


def lacks_network(tier: str, release: str) -> Missing | None:
    """What keeps jails of this tier, on this release of the kernel, from having a way out that is bounded."""
    if tier == EMULATED:
        return Missing("the tier emulated cannot bound a network", "get bubblewrap or Landlock to work here")
    kernel = tuple(int(part) for part in re.findall(r"\d+", release)[:2])
    if tier == LANDLOCK and kernel < _KERNEL_THAT_ASKS:
        return Missing(f"Linux {release} gives no way out of Landlock that is bounded", "use 5.14 or newer")
    return None


class Planner:
    """Plans jails: gives each a user of its own where it can, and a folder where the tier needs one."""

    def __init__(self, means: Means, folders: Folders) -> None:
        self.means = means
        self._folders = folders
        self._numbers = itertools.count(os.getpid() * _SPREAD)
        self._holders: dict[int, int] = {}

    def plan(self, shape: Shape) -> Plan:
        """How to start a jail of this shape. Raises OSError."""
        uid = self._free_user() if self.means.is_root else 0
        for bind in shape.binds if uid else ():
            if bind.for_one:
                _hand_over(Path(bind.outside), uid)
        if shape.tier == BUBBLEWRAP:
            return self._bubblewrap(shape, uid)
        return self._landlock(shape, uid)

    def started(self, plan: Plan, pid: int) -> None:
        """A jail has been started as this process: its user is no other's while it lives."""
        self._holders[plan.uid] = pid

    def _free_user(self) -> int:
        for number in itertools.islice(self._numbers, _UIDS):
            uid = _FIRST_UID + number % _UIDS
            if not _lives(self._holders.get(uid, 0)):
                return uid
        raise OSError(errno.EAGAIN, "each user that is left for jails has one")

    def _bubblewrap(self, shape: Shape, uid: int) -> Plan:
        engine, resources = shape.engine, shape.resources
        program = seccomp_filter(allowed_calls(engine, namespaces=True, own_user=True))
        return Plan(
            bubblewrap_spec(self.means, engine, resources, uid=uid, binds=shape.binds), self.means.python, {}, program,
            uid, None, engine.frames_on_stdout, own_session=self.means.has_terminal,
            inner_limits=inner_limits(self.means, engine, resources),
        )  # fmt: skip

    def _landlock(self, shape: Shape, uid: int) -> Plan:
        engine, root = shape.engine, self.means.is_root
        folder = self._folders.make(uid)
        processes = process_limit(engine, shape.resources) if root else _room_for(shape)

        spec = landlock_spec(
            engine, shape.resources, uid=uid, folder=folder, processes=processes, binds=shape.binds,
            confined=shape.tier != EMULATED,
        )  # fmt: skip
        allowed = allowed_calls(engine, namespaces=False, own_user=root)
        program = b"" if shape.tier == EMULATED else seccomp_filter(allowed)
        environment = landlock_environment(engine, folder)
        passed = (shape.door,) if shape.door >= 0 else ()
        return Plan(
            spec, self.means.python, environment, program, uid, folder, engine.frames_on_stdout,
            own_session=self.means.has_terminal, passed=passed,
        )  # fmt: skip


def _hand_over(path: Path, uid: int) -> None:
    """Let this user do with the file what we can; by its group, for an owner could change its mode."""
    os.chown(path, -1, uid)
    mode = path.stat().st_mode & stat.S_IRWXU
    path.chmod(mode | mode >> 3)


def _lives(pid: int) -> bool:
    """Whether there is such a process; 0 is none."""
    return pid > 0 and Path(f"/proc/{pid}").exists()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _room_for(shape: Shape) -> int | None:
    """A limit on the processes of all that this user runs, which leaves a shell as many as it may have."""
    if not shape.engine.forks:
        return None
    uid = os.geteuid()
    there = sum(_threads(path) for path in Path("/proc").iterdir() if path.name.isdigit() and _is_of(path, uid))
    return there + 2 * shape.resources.processes


def _is_of(path: Path, uid: int) -> bool:
    try:
        return path.stat().st_uid == uid
    except OSError:
        return False


def _threads(path: Path) -> int:
    try:
        return sum(1 for _ in (path / "task").iterdir())
    except OSError:
        return 0
