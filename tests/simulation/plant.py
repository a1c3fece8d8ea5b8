"""The processes of the app in a simulation: workers, some with a supervisor, and keepers of time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from random import Random
from typing import TYPE_CHECKING, Any, cast

from taskyard.app import App
from taskyard.engine.recover import recover
from taskyard.errors import TaskyardError
from taskyard.runtime.cells import Cells
from taskyard.runtime.heart import Heart
from taskyard.runtime.triggers import Listeners
from tests.simulation.loop import Process, context_of, current
from tests.simulation.work import yard

if TYPE_CHECKING:
    from tests.simulation.world import World

SLOTS = 3
_AGAIN = 0.5


class LoopHeart(Heart):
    """The heartbeat's thread as a process of its own: a worker whose loop is blocked beats on."""

    def start(self) -> None:
        worker, world = current(), current().here
        home, on_lost = context_of(worker), self._on_lost
        self._on_lost = lambda worker_id: home.copy().run(on_lost, worker_id)
        self._stop = cast("Any", _Flag())
        worker.heart = world.process(f"heart of {worker}")
        world.spawn(worker.heart, self._beat_until_stopped())

    def stop(self) -> None:
        self._stop.set()


class _Flag:
    """An event on which nobody waits in real time."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, seconds: float) -> bool:
        del seconds
        return self._is_set

    setattr(wait, "lasts", True)  # noqa: B010 - functions have no such attribute


class Plant:
    """Starts the processes, and starts them again when they have ended."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        self._numbers = 0
        self.workers: dict[Process, Cells | None] = {}
        self.keepers: list[Process] = []
        self._leaving: dict[Process, asyncio.Event] = {}
        self._supervisor = world.process("supervisor")

    @property
    def processes(self) -> list[Process]:
        """Those that can be killed."""
        return [*self.workers, *self.keepers]

    def start(self, workers: int, keepers: int) -> None:
        """Start so many of each."""
        for _ in range(workers):
            self._start_worker()
        for _ in range(keepers):
            self._start_keeper()

    def kill(self, process: Process) -> None:
        """End a process where it stands, and start another a little later."""
        if process.dead:
            return
        self._world.ledger.note(process, "killed")
        process.dead = True
        if process.heart is not None:
            process.heart.dead = True
        delay = self._random.uniform(0.05, 3.0)
        if process in self.workers:
            cells = self.workers.pop(process)
            if cells is not None:
                self._world.spawn(self._supervisor, self._bury(cells))
            self._world.loop.call_later(delay, self._start_worker)
        elif process in self.keepers:
            self.keepers.remove(process)
            self._world.loop.call_later(delay, self._start_keeper)

    def dismiss(self, process: Process) -> None:
        """Have a worker stop gracefully; another takes its place."""
        if process in self.workers:
            del self.workers[process]
            process.dismissed = True
            self._world.ledger.note(process, "is to stop")
            self._leaving[process].set()
            self._start_worker()

    def _start_worker(self) -> None:
        process = self._new("worker")
        cells = Cells(SLOTS) if self._random.random() < 0.5 else None
        process.supervised = cells is not None
        self.workers[process] = cells
        self._world.spawn(process, self._work(process, cells))

    def _start_keeper(self) -> None:
        process = self._new("keeper")
        self.keepers.append(process)
        self._world.spawn(process, self._keep(process))

    def _new(self, kind: str) -> Process:
        self._numbers += 1
        process = self._world.process(f"{kind} {self._numbers}")
        process.mortal = True
        self._leaving[process] = asyncio.Event()
        return process

    async def _work(self, process: Process, cells: Cells | None) -> None:
        while not self._leaving[process].is_set():
            try:
                async with self._world.app().working(slots=SLOTS, cells=cells) as worker:
                    self._world.ledger.workers[worker.name] = process
                    await self._leaving[process].wait()
            except TaskyardError:
                await asyncio.sleep(_AGAIN)
        self._world.ledger.note(process, "has stopped")

    async def _keep(self, process: Process) -> None:
        while not self._leaving[process].is_set():
            try:
                async with self._world.app().keeping():
                    await self._leaving[process].wait()
            except TaskyardError:
                await asyncio.sleep(_AGAIN)

    async def _bury(self, cells: Cells) -> None:
        """As the supervisor does: once; where that fails the lease runs out by itself."""
        await asyncio.sleep(self._random.uniform(0.0, 1.0))
        if not cells.worker_id:
            return
        with contextlib.suppress(TaskyardError):
            async with opened(self._world.app()) as app:
                await app.engine.store.bury(cells.worker_id, cells.running())
                await recover(app.engine)


@contextlib.asynccontextmanager
async def opened(app: App) -> AsyncIterator[App]:
    """The app, opened for as long as the block lasts."""
    await app.open()
    try:
        yield app
    finally:
        await app.close()


def new_app(world: World) -> App:
    """An app of the process that asks."""
    return App(world.settings, yard.registry, Listeners(), {}, [], world.clock)
