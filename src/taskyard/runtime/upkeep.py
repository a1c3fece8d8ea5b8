"""The periodic services: one table of verb, period and who does it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple

import structlog

from taskyard.contracts.records import Topic
from taskyard.engine.engine import Engine
from taskyard.engine.firing import fire_due
from taskyard.engine.people.timekeeping import keep_time
from taskyard.engine.recover import recover
from taskyard.engine.unread import keep_unread
from taskyard.engine.upload import forget_unused
from taskyard.errors import TaskyardError
from taskyard.runtime.insistence import insist, until_back

_ROLE = "upkeep"
_LEASE_US = 4_000_000
_RENEW = 1.5
_AT_ONCE = 4096
_AWAY = 1.0
_GATHER = 0.01
_DAY_US = 86_400 * 1_000_000

log = structlog.get_logger("taskyard.upkeep")


class Service(NamedTuple):
    """One thing to do again and again: every `period` seconds, and soon after each wake-up for `topic`.

    `insists`: what the store refuses is repeated; else it has time until the next turn. `reader`: as whom it reads the
    feed; what it has not had is kept for longer.
    """

    name: str
    period: float
    verb: Callable[[], Awaitable[object]]
    topic: Topic | None = None
    insists: bool = True
    reader: str | None = None


class Upkeep:
    """Keeps time for all processes on one store: one of them leads, the others stand by."""

    def __init__(self, engine: Engine, retention_days: float, more: Sequence[Service] = ()) -> None:
        self._engine = engine
        self._holder = f"{os.getpid()}-{os.urandom(4).hex()}"
        self._leading = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._wait = until_back(engine.store)
        store = engine.store
        self._services = (
            Service("promote", 0.1, lambda: store.promote(_AT_ONCE)),
            Service("people", 1.0, lambda: keep_time(engine)),
            Service("schedules", 1.0, lambda: fire_due(engine)),
            Service("sequence", 1.0, self._sequence, Topic.FEED),
            Service("recover", 1.0, lambda: recover(engine)),
            Service("tidy", 1.0, store.tidy),
            Service("room", 600.0, lambda: store.make_room(int(retention_days * _DAY_US)), insists=False),
            Service("uploads", 3600.0, lambda: forget_unused(engine), insists=False),
            Service("prune", 3600.0, lambda: self._prune(retention_days), insists=False),
            *more,
        )

        engine.readers |= {service.reader for service in self._services if service.reader is not None}

    def start(self) -> None:
        """Stand for the lead."""
        self._tasks = [asyncio.create_task(self._lead(), name="taskyard-lead")]
        self._tasks += [asyncio.create_task(self._serve(s), name=f"taskyard-{s.name}") for s in self._services]

    async def stop(self) -> None:
        """Stop, and leave the lead to whoever comes next."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._leading.is_set():
            with contextlib.suppress(TaskyardError):
                await self._engine.store.lead(_ROLE, self._holder, 0)

    async def _lead(self) -> None:
        while True:
            try:
                leading = await self._engine.store.lead(_ROLE, self._holder, _LEASE_US)
            except TaskyardError as error:
                log.warning("the lead cannot be kept", reason=error.message)
                leading = False
            if leading:
                self._leading.set()
            else:
                self._leading.clear()
            await asyncio.sleep(_RENEW)

    async def _serve(self, service: Service) -> None:
        woken = asyncio.Event()
        stop_listening = self._engine.store.listen(service.topic, woken.set) if service.topic else _nobody
        try:
            await self._serve_for_ever(service, woken)
        finally:
            stop_listening()

    async def _serve_for_ever(self, service: Service, woken: asyncio.Event) -> None:
        while True:
            try:
                turn = partial(self._turn, service)
                if service.insists:
                    await insist(turn, f"{service.name} waits for the store", self._wait)
                else:
                    await turn()
            except TaskyardError as error:
                log.warning("a periodic service failed; it tries again", service=service.name, reason=error.message)
                await asyncio.sleep(_AWAY)
            except Exception:  # one bad turn must not end the service
                log.exception("a periodic service failed; it tries again", service=service.name)
            await self._pause(service, woken)

    async def _turn(self, service: Service) -> None:
        await self._leading.wait()
        await service.verb()

    async def _pause(self, service: Service, woken: asyncio.Event) -> None:
        if service.topic is None:
            await asyncio.sleep(service.period)
            return
        await asyncio.sleep(_GATHER)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(service.period):
                await woken.wait()
        woken.clear()

    async def _sequence(self) -> None:
        while await self._engine.store.sequence(_AT_ONCE):
            pass

    async def _prune(self, retention_days: float) -> None:
        kept_us = int(retention_days * _DAY_US)
        await self._engine.store.prune(await keep_unread(self._engine, kept_us))


def _nobody() -> None:
    """Listens to nothing."""
