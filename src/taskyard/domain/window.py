"""A window on events that are on their way out: those of one key one after the other, those of many keys together.

The position of a window is that behind which nothing is under way any more. What is written down is this position:
whoever begins there sends nothing too early, and everything at least once.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Generic, TypeVar

from taskyard.domain.breaker import BROKER
from taskyard.domain.retry import RetryPolicy

T = TypeVar("T")

PUBLISHING: Final = RetryPolicy(max_retries=9, initial_delay=0.1, multiplier=2.0, max_delay=30.0, jitter=0.0)
"""How an event is offered to a broker: 10 times, 100 ms and doubling up to 30 s apart."""

BREAKER: Final = BROKER._replace(least=5, open_us=10_000_000)
"""When it is not offered at all: it is so rarely offered after failures that few of them have to do."""


class Item(Generic[T]):
    """One event under way: its position in the feed, its key, how often it was offered in vain, and how often refused.

    `others`: how many had been taken when it was offered last.
    """

    __slots__ = ("due", "key", "load", "offered", "others", "pos", "refused")

    def __init__(self, pos: int, key: str, load: T) -> None:
        self.pos = pos
        self.key = key
        self.load = load
        self.refused = 0
        self.offered = 0
        self.others = 0
        self.due = 0.0


class Window(Generic[T]):
    """Events at positions after `position`; at most `size` of the feed at once, so that a late one is not forgotten."""

    def __init__(self, position: int, size: int) -> None:
        self.end = position
        self._size = size
        self._order: deque[int] = deque()
        self._settled: set[int] = set()
        self._lines: dict[str, deque[Item[T]]] = {}
        self._ready: deque[str] = deque()
        self._late: list[Item[T]] = []

    @property
    def room(self) -> int:
        """How many more may come in."""
        return self._size - len(self._order)

    @property
    def under_way(self) -> bool:
        """Whether there is anything to send."""
        return bool(self._order)

    @property
    def position(self) -> int:
        """The position behind which nothing is under way."""
        return self._order[0] - 1 if self._order else self.end

    def add(self, pos: int, key: str, load: T) -> None:
        """An event of the feed, in its order."""
        self._order.append(pos)
        self.end = pos
        line = self._lines.get(key)
        if line is None:
            self._lines[key] = deque((Item(pos, key, load),))
            self._ready.append(key)
        else:
            line.append(Item(pos, key, load))

    def skip_to(self, pos: int) -> None:
        """Up to there the feed has nothing else."""
        self.end = max(self.end, pos)

    def is_ready(self, now: float) -> bool:
        """Whether there is an event to send now."""
        return bool(self._ready) or any(item.due <= now for item in self._late)

    def take(self, now: float, limit: int) -> list[Item[T]]:
        """Up to so many events to send now, each the first of its key. Then `settle` or `put_back` each."""
        for item in [item for item in self._late if item.due <= now]:
            self._late.remove(item)
            self._ready.appendleft(item.key)
        keys = [self._ready.popleft() for _ in range(min(limit, len(self._ready)))]
        return [self._lines[key][0] for key in keys]

    def put_back(self, item: Item[T], due: float = 0.0) -> None:
        """It is to be sent again, not before `due`; those of its key wait behind it."""
        if due:
            item.due = due
            self._late.append(item)
        else:
            self._ready.appendleft(item.key)

    def settle(self, item: Item[T]) -> None:
        """It was sent, or given up."""
        line = self._lines[item.key]
        line.popleft()
        if line:
            self._ready.append(item.key)
        else:
            del self._lines[item.key]
        self._settled.add(item.pos)
        while self._order and self._order[0] in self._settled:
            self._settled.remove(self._order.popleft())
