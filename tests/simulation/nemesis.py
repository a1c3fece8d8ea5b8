"""What goes wrong, by chance: each run arms some of the faults, and strikes with those."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation.database import Weather
from tests.simulation.loop import Process

if TYPE_CHECKING:
    from tests.simulation.world import World

_PAUSES = (0.5, 2.0, 6.0, 9.0, 13.0, 30.0)
_FREEZES = (1.0, 5.0, 12.0, 13.0, 16.0, 30.0)


class Nemesis:
    """Strikes until it is told to stop, then makes everything well."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        strikes: list[Callable[[], Coroutine[Any, Any, None]]] = [
            self.kill, self.freeze, self.block, self.dismiss, self.pause, self.turn_away, self.lose, self.refuse,
            self.slow, self.silence, self.jump, self.kill_at_a_call,
        ]  # fmt: skip
        self.armed = [strike for strike in strikes if random.random() < 0.5] or strikes

    async def strike_for(self, seconds: float) -> None:
        """Strike again and again."""
        loop = self._world.loop
        until = loop.time() + seconds
        strikes: list[asyncio.Task[None]] = []
        while loop.time() < until:
            await asyncio.sleep(self._random.random() * 2.5)
            strike = self._random.choice(self.armed)
            self._world.ledger.count(strike.__name__)
            self._world.ledger.note("nemesis", f"strikes with {strike.__name__}")
            strikes.append(asyncio.create_task(strike()))
        await asyncio.gather(*strikes)
        self._world.shared.weather.calm()

    async def kill(self) -> None:
        self._world.plant.kill(self._somebody())

    async def dismiss(self) -> None:
        if self._world.plant.workers:
            self._world.plant.dismiss(self._random.choice(list(self._world.plant.workers)))

    async def freeze(self) -> None:
        """SIGSTOP, and SIGCONT some time later; meanwhile other things happen."""
        everybody = [*self._world.plant.processes, *(outsider.process for outsider in self._world.outsiders)]
        self._hold(self._random.choice(everybody), heart=True)

    async def block(self) -> None:
        """A handler blocks the loop of its worker; the heart beats on."""
        if self._world.plant.workers:
            self._hold(self._random.choice(list(self._world.plant.workers)), heart=False)

    async def pause(self) -> None:
        shared = self._world.shared
        shared.pause()
        await asyncio.sleep(self._random.choice(_PAUSES) * self._random.random())
        shared.resume()

    async def turn_away(self) -> None:
        weather = self._world.shared.weather
        weather.away = True
        await asyncio.sleep(self._random.choice(_PAUSES) * self._random.random())
        weather.away = False

    async def lose(self) -> None:
        await self._for_a_while("lost", self._random.choice([0.02, 0.2]))

    async def refuse(self) -> None:
        await self._for_a_while("refused", self._random.choice([0.02, 0.2]))

    async def kill_at_a_call(self) -> None:
        await self._for_a_while("fatal", 0.01)

    async def slow(self) -> None:
        await self._for_a_while("latency", self._random.choice([0.05, 0.5, 2.0]))

    async def silence(self) -> None:
        await self._for_a_while("silent", True)

    async def jump(self) -> None:
        self._world.clock.jump(self._random.choice([1.0, 8.0, 60.0, 3600.0]) * self._random.random())

    async def _for_a_while(self, what: str, value: float) -> None:
        setattr(self._world.shared.weather, what, value)
        await asyncio.sleep(self._random.random() * 8.0)
        setattr(self._world.shared.weather, what, getattr(Weather(), what))

    def _somebody(self) -> Process:
        return self._random.choice(self._world.plant.processes)

    def _hold(self, process: Process, *, heart: bool) -> None:
        seconds = self._random.choice(_FREEZES) * self._random.uniform(0.8, 1.2)
        held = [process] if process.heart is None or not heart else [process, process.heart]
        self._world.ledger.note("nemesis", f"holds {held} for {seconds:.3f} s")
        for one in held:
            self._world.loop.hold(one)
            self._world.loop.call_later(seconds, self._thaw, one)
        if heart:
            process.held_until = self._world.loop.time() + seconds

    def _thaw(self, process: Process) -> None:
        self._world.loop.let_go(process)
        self._world.ledger.note("nemesis", f"lets go of {process}")
