"""Rates: how many tasks of a definition may start per time, and the bucket of tokens that keeps to it.

A bucket holds one second's worth of tokens, one at least, and refills steadily, so in no stretch of time more start
than the rate allows plus that.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

_UNITS_US = {"s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_NAMES = {per_us: name for name, per_us in _UNITS_US.items()}
_FORM = re.compile(r"([1-9][0-9]{0,11})/(s|min|h|d)")
_SECOND_US = 1_000_000


class Bucket(NamedTuple):
    """When tokens were last taken, and when it will be full again if no more are."""

    taken_at: int = 0
    full_at: int = 0


class Rate(NamedTuple):
    """So many per so many microseconds; never more than one a microsecond."""

    number: int
    per_us: int

    def __str__(self) -> str:
        return f"{self.number}/{_NAMES[self.per_us]}"

    @property
    def burst(self) -> int:
        """How many may start at once after a rest."""
        return max(1, self.number * _SECOND_US // self.per_us)

    def free(self, bucket: Bucket, now: int) -> int:
        """How many may start now."""
        return max(0, (self._span(self.burst) - self._owed(bucket, now)) * self.number // self.per_us)

    def take(self, bucket: Bucket, now: int, count: int) -> Bucket:
        """The bucket after `count` have started now."""
        return Bucket(now, now + self._owed(bucket, now) + self._span(count))

    def opens_at(self, bucket: Bucket, now: int) -> int:
        """When the next one may start: now, or later."""
        return now + max(0, self._owed(bucket, now) - self._span(self.burst) + self._span(1))

    def _owed(self, bucket: Bucket, now: int) -> int:
        """Microseconds until the bucket is full; what was taken at another rate counts as one empty bucket at most."""
        return max(0, min(bucket.full_at, bucket.taken_at + self._span(self.burst)) - now)

    def _span(self, count: int) -> int:
        """Microseconds in which so many tokens come, rounded up: rather too slow than too fast."""
        return -(-count * self.per_us // self.number)


@cache
def parse_rate(text: str) -> Rate:
    """The rate in a text such as `10/s`, `100/min`, `5/h` or `1/d`. Raises ValueError saying what is wrong."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no rate: write a whole number per s, min, h or d, such as 10/s, 100/min or 5/h")
    rate = Rate(int(match[1]), _UNITS_US[match[2]])
    if rate.number > rate.per_us:
        raise ValueError(f"{text!r} is more than a million per second, which is the most there may be")
    return rate
