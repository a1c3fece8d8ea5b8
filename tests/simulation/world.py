"""One simulated run: a database, an app of several processes, people outside, and what befalls them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NamedTuple
from unittest import mock

import structlog

from taskyard.app import App
from taskyard.contracts.records import WORKER_TTL_US
from taskyard.engine.define import define
from taskyard.settings import load
from tests.simulation.clock import MonotonicTime, WallClock
from tests.simulation.database import Shared, SimulatedStore
from tests.simulation.judge import Judge
from tests.simulation.ledger import Ledger
from tests.simulation.loop import OUTSIDE, NumberedEvent, Process, VirtualLoop
from tests.simulation.nemesis import Nemesis
from tests.simulation.outsiders import Client, Holder, Outsider, Person
from tests.simulation.plant import LoopHeart, Plant, new_app, opened
from tests.simulation.watch import Watch
from tests.simulation.work import PERSONS, REMOTE

_STRIFE = 20.0
_PATIENCE = 400.0
_LAST_WORDS = 3.0
_TTL = WORKER_TTL_US / 1e6 + 1.0


class Outcome(NamedTuple):
    """What came of a seed: what was found wrong, the faults that were made, and the trace."""

    seed: int
    wrong: list[str]
    counts: Counter[str]
    hash: str
    last: list[str]
    seconds: float

    def told(self) -> str:
        """The last steps, what was wrong, and how to see it again."""
        again = f"again: SEED={self.seed} pytest tests/simulation"
        return "\n".join([*self.last, "", *self.wrong, "", again])


class World:
    """Everything that there is in one run."""

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        chance = random.Random(seed)
        self.loop = loop
        self.clock = WallClock(loop)
        self.ledger = Ledger(loop)
        self.settings = load({}).with_values(TASKYARD_DATABASE_URL="sqlite:///simulated", TASKYARD_GRACE=2.0)
        self.shared = Shared(loop, random.Random(chance.random()), self.ledger)
        self.watch = Watch(self)
        self.plant = Plant(self, random.Random(chance.random()))
        self.outsiders: list[Outsider] = []
        self.nemesis = Nemesis(self, random.Random(chance.random()))
        self.chance = chance
        self.shared.on_commit = self.watch.commit
        self.shared.on_fatal = self._kill
        self.ledger.on_begin = self.watch.begin  # type: ignore[method-assign]  # as the others, of what is ours

    def process(self, name: str) -> Process:
        """A new process in this world."""
        process = self.loop.process(name)
        process.here = self
        return process

    def spawn(self, process: Process, work: Coroutine[Any, Any, Any]) -> None:
        """Have the process do this; an error that it ends by is one."""
        self.loop.spawn(process, work).add_done_callback(self._heard)

    def app(self) -> App:
        """An app of the process that asks."""
        return new_app(self)

    def store(self) -> SimulatedStore:
        """A store of the process that asks."""
        return SimulatedStore(self.shared, self.clock)

    def undisturbed(self, process: Process) -> bool:
        """Whether nothing has kept the process itself from its work and its heartbeat of late."""
        parts = [process] if process.heart is None else [process, process.heart]
        latest = max(max(part.held_until, part.missed_at) for part in parts)
        sound = not process.dismissed and all(part.runs for part in parts)
        return sound and self.loop.time() - latest > _TTL

    async def live(self) -> None:
        """Strife, then peace until all is quiet, then judgement."""
        async with opened(self.app()) as app:
            await define(app.engine, [PERSONS, REMOTE])
            self.plant.start(self.chance.randrange(2, 5), 2)
            self._admit_outsiders()
            await self.nemesis.strike_for(_STRIFE)
            await self._until_quiet()
            await Judge(self, app.engine).judge()

    def _admit_outsiders(self) -> None:
        kinds: list[tuple[type[Outsider], str]] = [(Client, "client"), (Client, "other client"), (Holder, "holder")]
        kinds += [(Holder, "other holder"), (Person, "ada")]
        for kind, name in kinds:
            self.outsiders.append(kind(self, name, random.Random(self.chance.random())))

    async def _until_quiet(self) -> None:
        """First nobody asks for more; then, when all is done, those go who helped; then what let go late ends."""
        until = self.loop.time() + _PATIENCE
        clients = [outsider for outsider in self.outsiders if isinstance(outsider, Client)]
        helpers = [outsider for outsider in self.outsiders if not isinstance(outsider, Client)]
        for client in clients:
            client.stopping = True
        await self._until(lambda: all(client.gone for client in clients) and not self._open_tasks(), until)
        for helper in helpers:
            helper.stopping = True
        await self._until(lambda: all(helper.gone for helper in helpers) and not self._bodies(), until)
        await asyncio.sleep(_LAST_WORDS)

    async def _until(self, condition: Callable[[], bool], until: float) -> None:
        while not condition() and self.loop.time() < until:
            await asyncio.sleep(1.0)

    def _bodies(self) -> bool:
        return any(not body.process.dead for body in self.ledger.running.values())

    def _open_tasks(self) -> bool:
        places = " UNION ALL ".join(f"SELECT 1 FROM {t}" for t in ("ready", "sched", "parked", "claim", "open"))
        return self.shared.connection.execute(f"{places} LIMIT 1").fetchone() is not None

    def _heard(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception() is not None:
            error = task.exception()
            self.ledger.accuse(f"{task.get_coro()} ended by {error!r} at {path_of(error)}")

    def _kill(self, process: Process) -> None:
        for victim in self.plant.processes:
            if process in (victim, victim.heart):
                self.plant.kill(victim)


def simulate(seed: int) -> Outcome:
    """Run a seed; the same seed gives the same trace."""
    loop = VirtualLoop(random.Random(seed))
    world = World(loop, seed)
    OUTSIDE.here = world
    with _apart(world, seed):
        try:
            loop.run_until_complete(world.live())
        except Exception as error:  # noqa: BLE001 - a simulation that cannot go on has found something too
            world.ledger.accuse(f"the simulation stopped: {error!r}")
        ledger, seconds = world.ledger, loop.time()
        told = Outcome(seed, list(ledger.wrong), Counter(ledger.counts), ledger.hash, ledger.last, seconds)
        world.shared.weather.calm()
        with contextlib.suppress(Exception):
            loop.end()
        world.shared.connection.close()
    return told


@contextlib.contextmanager
def _apart(world: World, seed: int) -> Iterator[None]:
    """The engine with this world's time, chance, database and log."""
    chance, logging = random.getstate(), structlog.get_config()
    virtual = MonotonicTime(world.loop)
    random.seed(seed)
    structlog.configure(processors=[_listen(world)], wrapper_class=structlog.BoundLogger)
    with contextlib.ExitStack() as changes:
        for module in list(sys.modules.values()):
            if module.__name__.startswith("taskyard.") and getattr(module, "time", None) is time:
                changes.enter_context(mock.patch.object(module, "time", virtual))
        changes.enter_context(
            mock.patch("taskyard.app.make_store", lambda url, clock, **_: SimulatedStore(world.shared, clock))
        )
        changes.enter_context(mock.patch("taskyard.runtime.worker.Heart", LoopHeart))
        changes.enter_context(mock.patch("asyncio.Event", NumberedEvent))
        try:
            yield
        finally:
            structlog.configure(**logging)
            random.setstate(chance)


def path_of(error: Any) -> str:
    """The functions that the error came through."""
    frames = traceback.extract_tb(error.__traceback__) if isinstance(error, BaseException) else ()
    return " > ".join(frame.name for frame in frames)


def _listen(world: World) -> Any:
    """What the app logs as an error of its own is one."""

    def process(logger: Any, method: str, event: dict[str, Any]) -> Any:
        error = event.get("exc_info")
        if error:
            error = sys.exc_info()[1] if error is True else error
            world.ledger.accuse(f"logged: {event['event']} {error!r} at {path_of(error)}")
        raise structlog.DropEvent

    return process
