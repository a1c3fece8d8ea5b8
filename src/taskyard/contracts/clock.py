"""The clock: what time it is."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time in microseconds since the epoch."""

    def now(self) -> int:
        """The present moment; may stand still or be moved in tests."""
        ...

    @property
    def moved_by_hand(self) -> bool:
        """Whether a store must ask this clock instead of its own."""
        ...


class SystemClock:
    """The machine's clock."""

    moved_by_hand = False

    def now(self) -> int:
        """The machine's time."""
        return time.time_ns() // 1000
