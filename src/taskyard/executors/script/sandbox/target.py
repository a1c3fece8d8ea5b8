"""This machine's sandbox as a target."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from taskyard.contracts.target import Call, Observer, Standing
from taskyard.domain.dependencies import dependencies_of
from taskyard.domain.isolation import BUBBLEWRAP, LEVEL_OF, TIERS, is_enough, strictest
from taskyard.domain.outcome import Failed, Report, TaskError
from taskyard.domain.resources import Resources
from taskyard.errors import ValidationFailed
from taskyard.executors.script.sandbox.attempt import NO_FILES, Nobody, Waiting, attempt
from taskyard.executors.script.sandbox.cgroups import Cgroup, Cgroups
from taskyard.executors.script.sandbox.engines import KINDS, Missing, with_network
from taskyard.executors.script.sandbox.examine import Place, examine
from taskyard.executors.script.sandbox.files import give
from taskyard.executors.script.sandbox.folders import Folders, sweep
from taskyard.executors.script.sandbox.jail import PROXY_SOCKET, Bind
from taskyard.executors.script.sandbox.launch import Launcher, launch
from taskyard.executors.script.sandbox.packages.installing import Uninstallable
from taskyard.executors.script.sandbox.packages.packages import Origin, Packages
from taskyard.executors.script.sandbox.pool import Pool
from taskyard.executors.script.sandbox.process import Jail
from taskyard.executors.script.sandbox.proxy import Proxy
from taskyard.executors.script.sandbox.tiers import Planner, Shape, find_means
from taskyard.security.egress.guard import Guard

_ALIKE = {"typescript": "javascript"}  # what holds for one holds for the other: they run in the same engine


class Sandbox:
    """Runs source in fresh jails on this machine, at most in one tier for each kind: the strongest that holds.

    `tiers`: those that may be used. `warm`: how many jails of one shape are kept ready at most.
    `guard`: what decides where calls may go; None where code of definitions is given no network.
    `origin`: where its packages come from; None where it is given none. `cgroups`: bound each jail besides.
    """

    name = "sandbox"
    kinds = frozenset(KINDS)
    look_again_seconds = 30.0
    """How long a tier that had no time to answer counts as one that does not hold."""

    def __init__(
        self, tiers: Sequence[str] = TIERS, warm: int = 4, guard: Guard | None = None, origin: Origin | None = None,
        cgroups: Cgroups | None = None,
    ) -> None:  # fmt: skip
        self._tiers = tuple(tiers)
        self._warm = warm
        self._guard = guard
        self._cgroups = cgroups
        self._folders = Folders()
        self._proxies = itertools.count()
        self._planner = Planner(find_means(), self._folders)
        self._packages = Packages(origin, self._folders.publish if self._planner.means.is_root else None)
        self._places: dict[str, asyncio.Task[Place]] = {}
        self._look_again: dict[str, float] = {}
        self._launcher: Launcher | None = None
        self._pool: Pool[Shape, Waiting] | None = None

    async def run(self, call: Call, observer: Observer) -> Report:
        """See the contract."""
        place = await self._place(call.kind)
        refused = _refused(call, place)
        if refused is not None:
            return refused
        assert place.engine is not None  # noqa: S101 - else it was refused
        tier = place.standing.tier
        async with contextlib.AsyncExitStack() as stack:
            try:
                plain = Shape(tier, place.engine, _launched_with(call.resources))
                shape, lock = await self._with_packages(call, plain, stack)
                shape, told = await self._fitted(call, shape, stack)
                observer.placed(tier, lock)
                group = self._grouped(stack)
                jail = await self._taken(shape)
            except _Refused as refusal:
                return refusal.report
            except OSError as error:
                return Failed(TaskError("SANDBOX_ERROR", f"no jail could be started: {error}"))
            wall = min(call.resources.wall_seconds or math.inf, call.timeout)
            return await attempt(jail, shape, call, observer, wall, told, group)

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
                raise _Refused(Failed(TaskError("SANDBOX_ERROR", error.message, retryable=True))) from None
            raise _Refused(_unavailable(error.message, {})) from None
        if wanted is None or installed is None:
            return shape, ""
        stack.callback(self._packages.release, installed)
        engine = self._packages.shown(shape.engine, wanted, installed, shape.tier)
        return shape._replace(engine=engine, packages_since=installed.since), installed.lock

    async def _fitted(
        self, call: Call, shape: Shape, stack: contextlib.AsyncExitStack
    ) -> tuple[Shape, Mapping[str, dict[str, Any]]]:
        """The shape with the call's files, and what its program is told of them; the stack lets go of them.

        Raises _Refused.
        """
        told = NO_FILES
        if call.files:
            given = await asyncio.to_thread(give, call.files, shape.tier, self._shared_folders)
            stack.callback(given.remove)
            shape, told = shape._replace(engine=shape.engine.reading(given.binds), binds=given.binds), given.told
        allowed = (call.implementation.get("network") or {}).get("allow")
        return (await self._reaching(shape, allowed, stack) if allowed else shape), told

    async def _reaching(self, shape: Shape, allow: Sequence[str], stack: contextlib.AsyncExitStack) -> Shape:
        """The shape with a way to these endpoints, as long as the stack is open. Raises _Refused."""
        if self._guard is None or shape.tier != BUBBLEWRAP:
            what = "no network can be given" if self._guard is None else f"the tier {shape.tier} cannot bound a network"
            raise _Refused(_unavailable(f"{what}: `network.allow` needs bubblewrap, and no TASKYARD_EGRESS_PROXY", {}))
        engine = with_network(shape.engine, self._shared_folders)
        if isinstance(engine, Missing):
            raise _Refused(_unavailable(f"{engine.what}. To mend it: {engine.mend}", {}))
        path = self._folders.root / f"proxy-{next(self._proxies)}"
        await stack.enter_async_context(Proxy(self._guard, allow, path))
        return shape._replace(engine=engine, binds=(*shape.binds, Bind(str(path), PROXY_SOCKET)))

    def _grouped(self, stack: contextlib.AsyncExitStack) -> Cgroup | None:
        """A control group for one jail, where there are such. Raises OSError."""
        if self._cgroups is None:
            return None
        group = self._cgroups.make()
        stack.callback(group.remove)
        return group

    @property
    def _shared_folders(self) -> Folders | None:
        """Where copies go that the jails' users can read; None where these are ourselves."""
        return self._folders if self._planner.means.is_root else None

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
        await self._packages.stop()
        if self._pool is not None:
            await self._pool.close()
            self._pool = None
        if self._launcher is not None:
            self._launcher.stop()
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
        place = await examine(kind, self._planner.means, self._tiers, self._folders, self._tried)
        self._look_again[kind] = asyncio.get_running_loop().time() + self.look_again_seconds
        return place

    def _is_known(self, kind: str) -> bool:
        """Whether it is, or is being, found out; what a busy machine left undecided is known for a while only."""
        task = self._places.get(kind)
        if task is None:
            return False
        late = task.done() and asyncio.get_running_loop().time() >= self._look_again.get(kind, math.inf)
        return not (late and not task.cancelled() and task.exception() is None and task.result().undecided)

    async def _open(self) -> None:
        if self._launcher is None:
            self._launcher = Launcher()
            self._pool = Pool(self._start, self._warm)
            await asyncio.to_thread(sweep)
            if self._cgroups is not None:
                self._cgroups.sweep()

    async def _tried(self, shape: Shape, call: Call, wall: float) -> Report:
        try:
            jail = (await self._start(shape)).jail
        except OSError as error:
            return Failed(TaskError("SANDBOX_ERROR", str(error)))
        return await attempt(jail, shape, call, Nobody(), wall)

    async def _taken(self, shape: Shape) -> Jail:
        """A jail of this shape; those that show files of one call are made for it."""
        assert self._pool is not None  # noqa: S101 - made with the first place
        return (await (self._start(shape) if shape.binds else self._pool.take(shape))).jail

    async def _start(self, shape: Shape) -> Waiting:
        assert self._launcher is not None  # noqa: S101 - opened before anything is started
        loop = asyncio.get_running_loop()
        plan = self._planner.plan(shape)
        return Waiting(Jail(await loop.run_in_executor(self._launcher.thread, launch, plan)))


class _Refused(Exception):
    """The call cannot run here, as its report says."""

    def __init__(self, report: Failed) -> None:
        super().__init__(report.error.message)
        self.report = report


def _refused(call: Call, place: Place) -> Failed | None:
    """Why the call cannot run here, so that its code never starts."""
    standing = place.standing
    if not standing.tier:
        message = f"no sandbox holds for {call.kind} here: {standing.missing}. To mend it: {standing.mend}"
        details = {"missing": standing.missing, "mend": standing.mend}
        return _unavailable(message, details, retryable=place.undecided or None)
    wanted = strictest((call.implementation.get("isolation") or "LOW", call.security_level))
    if not is_enough(standing.tier, wanted):
        message = (
            f"isolation {wanted} is asked for, and {standing.tier} gives only"
            f" {LEVEL_OF[standing.tier]}; get bubblewrap to work here (`taskyard doctor`), or ask for less"
        )
        return _unavailable(message, {"tier": standing.tier}, retryable=place.undecided or None)
    if any(not isinstance(value, str) for value in (call.implementation.get("env") or {}).values()):
        return _unavailable("a secret of `env` was not put in; only an executor does that", {})
    return None


def _unavailable(message: str, details: dict[str, Any], *, retryable: bool | None = None) -> Failed:
    return Failed(TaskError("SANDBOX_UNAVAILABLE", message, details, retryable=retryable))


def _launched_with(resources: Resources) -> Resources:
    """The limits that a jail is started with; the others are ours to keep, whatever jail it is."""
    defaults = Resources()
    return Resources(
        resources.cpu_seconds, None, resources.memory_mb, defaults.output_bytes, resources.disk_mb, resources.processes
    )
