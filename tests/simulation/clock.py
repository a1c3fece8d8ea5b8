"""The time of a simulation: the loop's, and a wall clock on it that can be made to jump."""

from __future__ import annotations

from taskyard.testing.clock import BEGINNING
from tests.simulation.loop import VirtualLoop


class WallClock:
    """What the database and every process take for the time of day."""

    moved_by_hand = False

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._jumped = 0

    def now(self) -> int:
        return BEGINNING + self._loop.now_us + self._jumped

    def jump(self, seconds: float) -> None:
        self._jumped += int(seconds * 1e6)


class MonotonicTime:
    """Stands in the engine's modules for the module `time`."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        return self._loop.time()

    def perf_counter(self) -> float:
        return self._loop.time()

    def perf_counter_ns(self) -> int:
        return self._loop.now_us * 1000

    def time_ns(self) -> int:
        return (BEGINNING + self._loop.now_us) * 1000
