"""One jail at work on one call: told what to run, heard, held to its limits, judged, and gone."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from collections.abc import Mapping
from typing import Any

from taskyard.contracts.target import Call, Observer
from taskyard.domain.frame import Plain
from taskyard.domain.outcome import Done, Failed, Report, TaskError
from taskyard.domain.resources import Resources
from taskyard.executors.script.sandbox.cgroups import Cgroup
from taskyard.executors.script.sandbox.files import Made
from taskyard.executors.script.sandbox.folders import remove
from taskyard.executors.script.sandbox.jail import process_limit
from taskyard.executors.script.sandbox.launch import PASSING
from taskyard.executors.script.sandbox.process import Ears, Jail
from taskyard.executors.script.sandbox.requests import request
from taskyard.executors.script.sandbox.tiers import Shape
from taskyard.executors.script.sandbox.verdict import Ending, judge
from taskyard.executors.script.sandbox.watch import Usage, descendants, exceeded, folder_mb, have_give_way, usage

_LOOK_SECONDS, _SELDOM_SECONDS = 0.1, 1.0
_RATHER_REST = 10
"""How many times as long as the last look took nobody looks again: many small files take long to count."""

_TRIES = 20
_KEPT_STDOUT = 65_536
SHELLS = frozenset({"shell", "bash-lite"})
"""The kinds whose result may be what they print."""

NO_FILES: Mapping[str, dict[str, Any]] = {}


async def attempt(
    jail: Jail, shape: Shape, call: Call, observer: Observer, wall: float,
    files: Mapping[str, dict[str, Any]] = NO_FILES, group: Cgroup | None = None,
) -> Report:  # fmt: skip
    """Run the call in this jail, `wall` seconds at most; `files`: what its program is told of them; `group`: the
    control group that is the jail's, and gone afterwards.
    """
    shell = call.kind in SHELLS
    heard = Heard(observer)
    env = dict(call.implementation.get("env") or {})
    try:
        if group is not None:
            await _taken_in(jail, shape, group)
        ears = Ears(heard.log, observer.progress, heard.plain, heard.wrote)
        keep = min(_KEPT_STDOUT, call.resources.output_bytes) if shell else 0
        jail.begin(request(call, env, files, list(shape.engine.path)), ears, call.resources.output_bytes, keep)
        watching = asyncio.create_task(_watched(jail, shape, call.resources))
        try:
            await _ended(jail, wall)
        finally:
            watching.cancel()
        if shell and jail.code and not jail.killed_for and await asyncio.to_thread(_is_full, jail, call.resources):
            jail.killed_for = "disk"
    except OSError as error:
        return Failed(TaskError("SANDBOX_ERROR", f"the jail could not be put into its control group: {error}"))
    finally:
        await let_go(jail)
        if group is not None:
            await _closed(group, jail)
    if not jail.ready.is_set() and jail.killed_for != "wall":
        told = str(jail.tail) or f"it ended with exit code {jail.code}"
        passing = any(os.strerror(number) in told for number in PASSING)
        return Failed(TaskError("SANDBOX_ERROR", f"the jail could not be made: {told}", retryable=passing or None))
    report = judge(_ending(jail, shell, shape.engine.aborts_when_full), call.resources, wall)
    return Done(report.value, report.warnings, heard.made.files) if isinstance(report, Done) else report


class Waiting:
    """A jail in the pool."""

    def __init__(self, jail: Jail) -> None:
        self.jail = jail

    @property
    def usable(self) -> bool:
        """Whether it still can be used."""
        return self.jail.usable

    async def discard(self) -> None:
        """Let go of it, unused."""
        await let_go(self.jail)


class Heard:
    """Passes on what a jail says."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.log = observer.log
        self.made = Made()
        self.wrote = self.made.take

    def plain(self, line: Plain) -> None:
        """A line that is no frame: a shell's progress, or what somebody wrote beside the frames."""
        words = line.text.split(maxsplit=2)
        try:
            current, total = float(words[0]), float(words[1]) if len(words) > 1 else None
        except (ValueError, IndexError):
            if not line.text.startswith('{"type"'):
                self._observer.log("info", line.text)
            return
        if math.isfinite(current) and (total is None or math.isfinite(total)):
            self._observer.progress(current, total, words[2] if len(words) > 2 else None)


class Nobody:
    """Hears nothing."""

    def log(self, level: str, text: str) -> None:
        """See the contract."""

    def progress(self, current: float, total: float | None, action: str | None) -> None:
        """See the contract."""

    def placed(self, tier: str, lock: str = "") -> None:
        """See the contract."""


async def _taken_in(jail: Jail, shape: Shape, group: Cgroup) -> None:
    """Put a jail into its group, all that there is of it while it waits for its request. Raises OSError."""
    waits = [asyncio.ensure_future(each.wait()) for each in (jail.ready, jail.gone)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for each in waits:
        each.cancel()
    if not jail.usable:  # its number may be another's by now
        return
    processes = process_limit(shape.engine, shape.resources)
    files = jail.started.folder is None
    await asyncio.to_thread(lambda: group.hold(descendants(jail.started.pid), shape.resources, processes, files=files))


async def _closed(group: Cgroup, jail: Jail) -> None:
    """End what is left in the group, and remove it; a limit that it has reached is why the jail ended."""
    if jail.code and not jail.killed_for:
        jail.killed_for = group.reached()
    for _ in range(_TRIES):
        with contextlib.suppress(OSError):
            group.end()
        if group.remove():
            return
        await asyncio.sleep(_LOOK_SECONDS)


def _is_full(jail: Jail, resources: Resources) -> bool:
    """Whether its folder has all that it may: a tool may have been refused more, and have said so in its own words."""
    return jail.started.folder is not None and folder_mb(jail.started.folder) >= resources.disk_mb


async def _ended(jail: Jail, wall: float) -> None:
    try:
        async with asyncio.timeout(None if math.isinf(wall) else wall):
            await jail.end()
    except TimeoutError:
        jail.kill("wall")
        await jail.end()


async def _watched(jail: Jail, shape: Shape, resources: Resources) -> None:
    """End the jail when all of it together goes over a limit; once it is heavy, have it give way to all others."""
    folder, forks = jail.started.folder, shape.engine.forks
    pid, heavy, pause = jail.started.pid, False, _LOOK_SECONDS

    def look() -> Usage:
        now = usage(pid)
        if now.is_heavy:
            have_give_way(pid)
        return now

    while folder is not None or forks or not heavy:
        await asyncio.sleep(pause)
        began = time.monotonic()
        now = await jail.looked_at(look)
        if now is None:
            return
        heavy, limit = now.is_heavy, await asyncio.to_thread(exceeded, now, folder, forks, resources)
        if limit:
            jail.kill(limit)
        if folder is None and not forks:  # the kernel keeps all its limits
            pause = min(2 * pause, _SELDOM_SECONDS)
        else:
            pause = max(_LOOK_SECONDS, _RATHER_REST * (time.monotonic() - began))


async def let_go(jail: Jail) -> None:
    """End it if it lives, and leave nothing of it."""
    jail.kill("let go")
    await jail.end()
    if jail.started.folder is not None:
        await asyncio.to_thread(remove, jail.started.folder)


def _ending(jail: Jail, shell: bool, aborts_when_full: bool) -> Ending:
    return Ending(
        jail.code, jail.killed_for, jail.cpu_seconds, jail.last, jail.refused, str(jail.tail),
        jail.stdout.head.decode("utf-8", "replace") if shell else None, aborts_when_full,
    )  # fmt: skip
