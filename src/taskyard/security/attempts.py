"""How often one may try: failures are counted by what tells those who try apart, and forgotten by and by."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

SPAN: Final = 900.0
MOST_REMEMBERED: Final = 20_000
_IPV6_PLACE: Final = 64
"""Bits; whoever has one address of IPv6 has all that begin so (RFC 6177)."""


class Attempts:
    """Counts failures in the memory of this process; times are unix seconds.

    Each key may fail so often at once, and as often again in each quarter of an hour. Of more keys than there is room
    for those are forgotten that have failed longest ago.
    """

    def __init__(self) -> None:
        self._failures: dict[str, tuple[float, float]] = {}  # by when they were last counted

    def __len__(self) -> int:
        return len(self._failures)

    def pause(self, allowed: Mapping[str, int], now: float) -> float:
        """Seconds until one may try again as all of these keys; 0: at once."""
        return max((self._failed(key, most, now) - most + 1) * SPAN / most for key, most in allowed.items())

    def fail(self, allowed: Mapping[str, int], now: float) -> None:
        """Count a failure."""
        for key, most in allowed.items():
            failed = self._failed(key, most, now)
            self._failures.pop(key, None)
            self._failures[key] = (failed + 1, now)
        while len(self._failures) > MOST_REMEMBERED:
            del self._failures[next(iter(self._failures))]

    def take_back(self, allowed: Mapping[str, int], now: float) -> None:
        """Have one failure not count: it was none."""
        for key, most in allowed.items():
            if key in self._failures:
                self._failures[key] = (max(0.0, self._failed(key, most, now) - 1), now)

    def forgive(self, key: str) -> None:
        """Forget the failures of one key."""
        self._failures.pop(key, None)

    def _failed(self, key: str, most: int, now: float) -> float:
        count, at = self._failures.get(key, (0.0, now))
        return max(0.0, count - max(0.0, now - at) * most / SPAN)


def place_of(address: str) -> str:
    """What tells apart who comes from there: an address of IPv4, of IPv6 the network it is in."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((found, _IPV6_PLACE), strict=False))
    return str(found)
