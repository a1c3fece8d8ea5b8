"""This machine's sandbox as a target."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

from taskyard.contracts.target import Call, Observer, Standing
from taskyard.domain.dependencies import dependencies_of
from taskyard.domain.isolation import LEVEL_OF, TIERS, is_enough, strictest
from taskyard.domain.outcome import Failed, Report, TaskError
from taskyard.domain.resources import Resources
from taskyard.errors import ValidationFailed
from taskyard.executors.script.sandbox.attempt import NO_FILES, Nobody, Waiting, attempt, let_go
from taskyard.executors.script.sandbox.cgroups import Cgroup, Cgroups
from taskyard.executors.script.sandbox.engines import KINDS
from taskyard.executors.script.sandbox.examine import Place, examine
from taskyard.executors.script.sandbox.files import Given, give
from taskyard.executors.script.sandbox.folders import Folders, remove, sweep
from taskyard.executors.script.sandbox.jail import Engine
from taskyard.executors.script.sandbox.launch import PASSING, Launcher, Plan, Started
from taskyard.executors.script.sandbox.packages.installing import Uninstallable
from taskyard.executors.script.sandbox.packages.packages import Origin, Packages
from taskyard.executors.script.sandbox.pool import Pool
from taskyard.executors.script.sandbox.process import Jail
from taskyard.executors.script.sandbox.tiers import Planner, Shape, find_means
from taskyard.executors.script.sandbox.wayout import NoWay, WaysOut
from taskyard.security.egress.guard import Guard

_WARM_IN_ALL = 4 * (os.cpu_count() or 1)
"""Jails of all shapes that one process keeps ready at most: each takes 10 to 30 MB."""

_ALIKE = {"typescript": "javascript"}  # what holds for one holds for the other: they run in the same engine


class Sandbox:
    """Runs source in fresh jails on this machine, at most in one tier for each kind: the strongest that holds.

    `tiers`: those that may be used. `warm`: how many jails of one shape are kept ready at most.
    `guard`: what decides where calls may go; None where code of definitions is given no network.
    `origin`: where its packages come from; None where it is given none. `cgroups`: bound each jail besides.
    """

    name = "sandbox"
    kinds = frozenset(KINDS)
    look_again_seconds = 5.0
    """How long a tier that could not answer is left alone."""

    def __init__(
        self, tiers: Sequence[str] = TIERS, warm: int = 4, guard: Guard | None = None, origin: Origin | None = None,
        cgroups: Cgroups | None = None,
    ) -> None:  # fmt: skip
        self._tiers = tuple(tiers)
        self._warm = warm
        self._cgroups = cgroups
        self._folders = Folders(for_others=os.geteuid() == 0)
        self._ways_out = WaysOut(guard, self._folders, self._tried)
        self._planner = Planner(find_means(), self._folders)
        self._packages = Packages(origin, self._folders.publish if self._planner.means.is_root else None)
        self._places: dict[str, asyncio.Task[Place]] = {}
        self._look_again: dict[str, float] = {}
        self._launcher: Launcher | None = None
        self._pool: Pool[Shape, Waiting] | None = None

    async def run(self, call: Call, observer: Observer) -> Report:
        """See the contract."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                place = await self._place(call.kind)
                refused = _refused(call, place)
                if refused is not None:
                    return refused
                assert place.engine is not None  # noqa: S101 - else it was refused
                tier = place.standing.tier
                plain = Shape(tier, place.engine, _launched_with(call.resources))
                shape, lock = await self._with_packages(call, plain, stack)
                shape, told = await self._fitted(call, plain.engine, shape, stack)
                observer.placed(tier, lock)
                group = self._grouped(stack)
                jail = await self._taken(shape)
            except _Refused as refusal:
                return refusal.report
            except OSError as error:
                return _not_now(f"no jail could be started: {error}")
            return await attempt(jail, shape, call, observer, call.wall, told, group)

    async def _with_packages(self, call: Call, shape: Shape, stack: contextlib.AsyncExitStack) -> tuple[Shape, str]:
        """The shape with the packages that the call depends on, kept as long as the stack is open, and the hash of
        their lock. Raises _Refused.
        """
        try:
            wanted = dependencies_of(call.implementation)
            installed = None if wanted is None else await self._packages.get(wanted, shape.engine)
        except ValidationFailed as error:
            raise _Refused(Failed(TaskError("VALIDATION_ERROR", error.message, error.details))) from None
        except Uninstallable as error:
            if error.retryable:
                raise _Refused(_not_now(error.message)) from None
            raise _Refused(_unavailable(error.message, {})) from None
        if wanted is None or installed is None:
            return shape, ""
        stack.callback(self._packages.release, installed)
        engine = self._packages.shown(shape.engine, wanted, installed, shape.tier)
        return shape._replace(engine=engine, packages_since=installed.since), installed.lock

    async def _fitted(
        self, call: Call, engine: Engine, shape: Shape, stack: contextlib.AsyncExitStack
    ) -> tuple[Shape, Mapping[str, dict[str, Any]]]:
        """The shape with the call's files, and what its program is told of them; the stack lets go of them.

        Raises _Refused.
        """
        told = NO_FILES
        if call.files:
            given = await _given(call, shape.tier, self._folders)
            stack.callback(given.remove)
            shape, told = shape._replace(engine=shape.engine.reading(given.binds), binds=given.binds), given.told
        allowed = (call.implementation.get("network") or {}).get("allow")
        if not allowed:
            return shape, told
        try:
            return await self._ways_out.lead(call.kind, engine, shape, allowed, stack), told
        except NoWay as error:
            raise _Refused(_not_now(str(error)) if error.undecided else _unavailable(str(error), {})) from None

    def _grouped(self, stack: contextlib.AsyncExitStack) -> Cgroup | None:
        """A control group for one jail, where there are such. Raises OSError."""
        if self._cgroups is None:
            return None
        group = self._cgroups.make()
        stack.callback(group.remove)
        return group

    async def standings(self) -> list[Standing]:
        """See the contract."""
        return [place.standing for place in await asyncio.gather(*map(self._place, sorted(self.kinds)))]

    async def start(self) -> None:
        """See the contract. Nothing is started before it is asked for."""

    async def stop(self) -> None:
        """See the contract."""
        for task in self._places.values():
            task.cancel()
        await asyncio.gather(*self._places.values(), return_exceptions=True)
        self._places.clear()
        await self._ways_out.stop()
        await self._packages.stop()
        if self._pool is not None:
            await self._pool.close()
            self._pool = None
        if self._launcher is not None:
            await asyncio.to_thread(self._launcher.stop)  # it waits for a jail that is just being made
            self._launcher = None
        await asyncio.to_thread(self._folders.close)

    async def _place(self, kind: str) -> Place:
        tried = _ALIKE.get(kind, kind)
        if not self._is_known(tried):
            await self._open()
        if not self._is_known(tried):  # another call may have been quicker
            self._places[tried] = asyncio.create_task(self._examined(tried))
        place = await asyncio.shield(self._places[tried])
        return place._replace(standing=place.standing._replace(kind=kind))

    async def _examined(self, kind: str) -> Place:
        try:
            place = await examine(kind, self._planner.means, self._tiers, self._folders, self._tried)
        except OSError as error:
            mend = "let Taskyard have more open files and processes, and room in its temporary folder"
            place = Place(Standing(kind, "", f"nothing could be tried: {error}", mend), undecided=True)
        self._look_again[kind] = asyncio.get_running_loop().time() + self.look_again_seconds
        return place

    def _is_known(self, kind: str) -> bool:
        """Whether it is, or is being, found out; what a busy machine left undecided is known for a while only."""
        task = self._places.get(kind)
        if task is None or not task.done():
            return task is not None
        if task.cancelled() or task.exception() is not None:
            return False
        return not task.result().undecided or asyncio.get_running_loop().time() < self._look_again[kind]

    async def _open(self) -> None:
        if self._launcher is None:
            self._launcher = Launcher()
            self._pool = Pool(self._start, self._warm, _WARM_IN_ALL)
            await asyncio.to_thread(sweep)
            if self._cgroups is not None:
                self._cgroups.sweep()

    async def _tried(self, shape: Shape, call: Call, wall: float) -> Report:
        try:
            jail = (await self._start(shape)).jail
        except OSError as error:
            return Failed(TaskError("SANDBOX_ERROR", str(error), retryable=error.errno in PASSING))
        return await attempt(jail, shape, call, Nobody(), wall)

    async def _taken(self, shape: Shape) -> Jail:
        """A jail of this shape."""
        assert self._pool is not None  # noqa: S101 - made with the first place
        return (await (self._start(shape) if shape.is_for_one else self._pool.take(shape))).jail

    async def _start(self, shape: Shape) -> Waiting:
        """A new jail. Raises OSError; who is cancelled meanwhile leaves none behind."""
        assert self._launcher is not None  # noqa: S101 - opened before anything is started
        plan = self._planner.plan(shape)
        launching = asyncio.wrap_future(self._launcher.start(plan))
        try:
            started = await asyncio.shield(launching)
            self._planner.started(plan, started.pid)
            return Waiting(Jail(started))
        except asyncio.CancelledError:
            await asyncio.shield(_undone(launching, plan))
            raise
        except OSError:
            await _undone(launching, plan)
            raise


class _Refused(Exception):
    """The call cannot run here, as its report says."""

    def __init__(self, report: Failed) -> None:
        super().__init__(report.error.message)
        self.report = report


async def _given(call: Call, tier: str, folders: Folders) -> Given:
    """The call's files for one jail. Raises OSError; who is cancelled meanwhile leaves no copies."""
    giving = asyncio.create_task(asyncio.to_thread(give, call.files, tier, folders))
    try:
        return await asyncio.shield(giving)
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):
            (await asyncio.shield(giving)).remove()
        raise


async def _undone(launching: asyncio.Future[Started], plan: Plan) -> None:
    """Leave nothing of a launch that nobody waits for, or that failed."""
    try:
        started = await launching
    except (OSError, asyncio.CancelledError):
        if plan.folder is not None:
            await asyncio.to_thread(remove, plan.folder)
        return
    await let_go(Jail(started))


def _refused(call: Call, place: Place) -> Failed | None:
    """Why the call cannot run here, so that its code never starts."""
    standing = place.standing
    if not standing.tier:
        message = f"no sandbox holds for {call.kind} here: {standing.missing}. To mend it: {standing.mend}"
        details = {"missing": standing.missing, "mend": standing.mend}
        return _not_now(message, details) if place.undecided else _unavailable(message, details)
    wanted = strictest((call.implementation.get("isolation") or "LOW", call.security_level))
    if not is_enough(standing.tier, wanted):
        message = (
            f"isolation {wanted} is asked for, and {standing.tier} gives only"
            f" {LEVEL_OF[standing.tier]}; get bubblewrap to work here (`taskyard doctor`), or ask for less"
        )
        return _unavailable(message, {"tier": standing.tier})
    if any(not isinstance(value, str) for value in (call.implementation.get("env") or {}).values()):
        return _unavailable("a secret of `env` was not put in; only an executor does that", {})
    return None


def _unavailable(message: str, details: dict[str, Any]) -> Failed:
    return Failed(TaskError("SANDBOX_UNAVAILABLE", message, details))


def _not_now(message: str, details: dict[str, Any] | None = None) -> Failed:
    return Failed(TaskError("SANDBOX_ERROR", message, details, retryable=True))


def _launched_with(resources: Resources) -> Resources:
    """The limits that a jail is started with; the others are ours to keep, whatever jail it is."""
    defaults = Resources()
    return Resources(
        resources.cpu_seconds, None, resources.memory_mb, defaults.output_bytes, resources.disk_mb, resources.processes
    )
