"""Task ids: 63-bit numbers that grow with time, made without asking the store.

41 bits of milliseconds since the epoch, 10 bits of node, 12 bits of counter, so newest first is the
order of ids, and the moment a task was created can be read from its id.
"""

from __future__ import annotations

_NODE_BITS = 10
_COUNTER_BITS = 12
_SHIFT = _NODE_BITS + _COUNTER_BITS
LARGEST_ID = (1 << 63) - 1
_DIGITS = 19


class IdMaker:
    """Makes ids for one node (0 … 1023). Not thread-safe; one per store."""

    def __init__(self, node: int) -> None:
        self._node = (node & ((1 << _NODE_BITS) - 1)) << _COUNTER_BITS
        self._ms = 0
        self._counter = 0

    def take(self, count: int, now_us: int) -> list[int]:
        """`count` ids, growing, at or after `now_us` (microseconds since the epoch)."""
        ms = now_us // 1000
        if ms > self._ms:
            self._ms, self._counter = ms, 0
        made = []
        for _ in range(count):
            if self._counter >> _COUNTER_BITS:
                self._ms, self._counter = self._ms + 1, 0
            made.append(self._ms << _SHIFT | self._node | self._counter)
            self._counter += 1
        return made


def made_at(task_id: int) -> int:
    """When the id was made, in microseconds since the epoch, to the millisecond."""
    return (task_id >> _SHIFT) * 1000


def floor_id(at_us: int) -> int:
    """The smallest id that can have been made at or after `at_us`, within the range of ids."""
    return max(0, min(-(-at_us // 1000) << _SHIFT, LARGEST_ID))


def parse_id(text: str) -> int | None:
    """The id written as decimal `text`, or None where it cannot be one."""
    if not text.isascii() or not text.isdecimal() or len(text) > _DIGITS:
        return None
    number = int(text)
    return number if number <= LARGEST_ID else None


def prefix_ranges(text: str) -> list[tuple[int, int]]:
    """The ranges (from, before) of the ids whose decimal text begins with `text`; an empty one where there are none."""
    if not (text.isascii() and text.isdecimal()) or text[0] == "0":
        return [(0, 0)]
    number = int(text)
    scales = [10**zeros for zeros in range(_DIGITS - len(text) + 1)]
    return [(number * s, min((number + 1) * s, LARGEST_ID)) for s in scales if number * s <= LARGEST_ID] or [(0, 0)]
