"""The store's time: the database's, or that of a clock which is moved by hand."""

from __future__ import annotations

import time

from taskyard.contracts.clock import Clock


class StoreClock:
    """Knows the database's time without asking each time: it was told once, and counts on steadily."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told = clock.now()
        self._told_at = time.monotonic_ns()

    @property
    def moment(self) -> int | None:
        """What statements get as their moment: None leaves it to the database's own clock."""
        return self._clock.now() if self._clock.moved_by_hand else None

    @property
    def age(self) -> float:
        """Seconds since the database has told its time; 0 where it need not be asked."""
        return 0.0 if self._clock.moved_by_hand else (time.monotonic_ns() - self._told_at) / 1e9

    def tell(self, now: int) -> None:
        """The database's time, in microseconds, as it was just read."""
        self._told, self._told_at = now, time.monotonic_ns()

    def now(self) -> int:
        """The store's time as far as known here."""
        if self._clock.moved_by_hand:
            return self._clock.now()
        return self._told + (time.monotonic_ns() - self._told_at) // 1000
