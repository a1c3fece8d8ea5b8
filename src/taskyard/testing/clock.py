"""The clock that a test moves."""

from __future__ import annotations

BEGINNING = 1_893_456_000_000_000
"""When the clock starts: 2030-01-01T00:00Z, in microseconds since the epoch."""


class ManualClock:
    """Stands still until it is moved; a store that gets it keeps its time by it."""

    moved_by_hand = True

    def __init__(self, now: int = BEGINNING) -> None:
        self._now = now

    def now(self) -> int:
        """The present moment, in microseconds since the epoch."""
        return self._now

    def move(self, seconds: float) -> int:
        """Let so many seconds pass; the new moment. Raises ValueError for a move backwards."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._now += round(seconds * 1_000_000)
        return self._now
