"""The way out of a jail that `network.allow` asks for: led in either tier, once a canary has taken no other."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import Sequence
from typing import Any

from taskyard.domain.isolation import BUBBLEWRAP, LANDLOCK
from taskyard.domain.resources import Resources
from taskyard.executors.script.sandbox.door import Door
from taskyard.executors.script.sandbox.engines import Found, Missing, find_engine, with_forwarder
from taskyard.executors.script.sandbox.examine import RunIn, escapes
from taskyard.executors.script.sandbox.folders import Folders
from taskyard.executors.script.sandbox.jail import PROXY_SOCKET, Bind, Engine
from taskyard.executors.script.sandbox.proxy import Proxy
from taskyard.executors.script.sandbox.tiers import Shape, lacks_network
from taskyard.security.egress.guard import Guard

_HARMLESS = {BUBBLEWRAP: frozenset({"fork"}), LANDLOCK: frozenset({"connect"})}
"""What a canary may do there: as its forwarder does; and with whoever answers for its proxy."""


class NoWay(Exception):
    """There is none, as the message says. `undecided`: it could not be found out whether there may be one."""

    def __init__(self, message: str, *, undecided: bool = False) -> None:
        super().__init__(message)
        self.undecided = undecided


class WaysOut:
    """Leads jails to proxies. `guard`: what decides where calls may go; None where there is to be no way at all.
    `run`: how a canary is run.
    """

    def __init__(self, guard: Guard | None, folders: Folders, run: RunIn) -> None:
        self._guard = guard
        self._folders = folders
        self._run = run
        self._numbers = itertools.count()
        self._forwards: asyncio.Task[Found] | None = None
        self._probes: dict[tuple[str, str], asyncio.Task[tuple[str, bool]]] = {}

    async def lead(
        self, kind: str, engine: Engine, shape: Shape, allow: Sequence[str], stack: contextlib.AsyncExitStack
    ) -> Shape:
        """The shape with a way to these endpoints, as long as the stack is open; `engine`: its own, before it was given
        anything of the call's. Raises NoWay.
        """
        if self._guard is None:
            raise NoWay("all calls go through TASKYARD_EGRESS_PROXY, which no `network.allow` can")
        lack = lacks_network(shape.tier, os.uname().release)
        if lack is not None:
            raise NoWay(f"{lack.what}, so no `network.allow`. To mend it: {lack.mend}")
        reason, late = await self._leak(kind, Shape(shape.tier, engine, Resources()), self._guard)
        if late:
            raise NoWay(f"`network.allow` could not be tried in {shape.tier}: {reason}", undecided=True)
        if reason:
            raise NoWay(f"no `network.allow`: {shape.tier} does not hold with it: {reason}")
        return await self._led(shape, self._guard, allow, stack)

    async def stop(self) -> None:
        """Wait for what was begun."""
        begun = [*self._probes.values(), *([self._forwards] if self._forwards is not None else [])]
        for probe in self._probes.values():
            probe.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
        self._probes.clear()
        self._forwards = None

    async def _leak(self, kind: str, shape: Shape, guard: Guard) -> tuple[str, bool]:
        """What a canary of this kind could do in this tier besides going its way, empty for nothing, which is kept; and
        whether it only wanted time or means.
        """
        which = shape.tier, kind
        probe = self._probes.get(which)
        if probe is None or _broke(probe) or (probe.done() and probe.result()[0]):  # it may hold this time
            probe = self._probes[which] = asyncio.create_task(self._probed(kind, shape, guard))
        return await asyncio.shield(probe)

    async def _probed(self, kind: str, shape: Shape, guard: Guard) -> tuple[str, bool]:
        async with contextlib.AsyncExitStack() as stack:
            led = await self._led(shape, guard, (), stack)
            return await escapes(kind, led, self._run, _HARMLESS[shape.tier])

    async def _led(self, shape: Shape, guard: Guard, allow: Sequence[str], stack: contextlib.AsyncExitStack) -> Shape:
        if shape.tier != BUBBLEWRAP:
            proxy = await stack.enter_async_context(Proxy(guard, allow, None))
            door = await stack.enter_async_context(Door(proxy))
            return shape._replace(engine=shape.engine.asking(), door=door.inside)
        if self._forwards is None or _broke(self._forwards):
            self._forwards = asyncio.create_task(asyncio.to_thread(find_engine, "python", self._folders))
        python = await asyncio.shield(self._forwards)
        if isinstance(python, Missing):
            self._forwards = None  # it may be there the next time
            raise NoWay(f"{python.what}. To mend it: {python.mend}")
        engine = await asyncio.to_thread(with_forwarder, shape.engine, python, self._folders)
        path = self._folders.root / f"proxy-{next(self._numbers)}"
        await stack.enter_async_context(Proxy(guard, allow, path))
        return shape._replace(engine=engine, binds=(*shape.binds, Bind(str(path), PROXY_SOCKET, for_one=True)))


def _broke(task: asyncio.Task[Any]) -> bool:
    """Whether it has ended without a result."""
    return task.done() and (task.cancelled() or task.exception() is not None)
