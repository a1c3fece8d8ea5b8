"""Admission: who of those that wait for a place under a limit gets the next one.

Tasks wait in the line of one limit that was full. Within a line the place goes to the fairness key that holds the
fewest of the limit's slots; between keys that hold equally many, in turn; within a key to the task that is first by
age and priority. A task enters when all limits it falls under have room; one that another limit stops changes to
that one's line.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

_IN_HAND = 2
_LOOKED_AT_ONCE = 500
_ANY_NUMBER = 1 << 62


class Limit(NamedTuple):
    """A limit as it stands.

    `size`: how many slots it has, None for any number; `held` of them are given out. Of a `shared` one no more are
    than the workers can take soon; `queued` of these are held by tasks that nobody has claimed yet, the last at `tail`.
    """

    size: int | None
    shared: bool
    held: int
    queued: int = 0
    tail: int | None = None

    def room(self, places: int, freed: int) -> int:
        """How many more may enter now, where workers run `places` at once and `freed` slots have just come back.

        Who has a slot of a shared limit must soon run, or it would only stand in the way of those who come later: so
        as many enter as there are idle places, and a few in hand. Those who have just ended together are an estimate
        of what is worked off while the next are being admitted.
        """
        room = _ANY_NUMBER if self.size is None else self.size - self.held
        if self.shared:
            idle = max(0, places - (self.held - self.queued))
            room = min(room, idle + max(_IN_HAND, freed) - self.queued)
        return room


def reach(room: int, *, again: bool) -> int:
    """How many of a line to look at: as many as may enter; but `again`, when some of these could not, many more."""
    return min(_LOOKED_AT_ONCE, room) if room <= 0 or not again else _LOOKED_AT_ONCE


class Waiting(NamedTuple):
    """A parked task: in whose line it stands, and all limits it falls under.

    `turn`: its order within its fairness key. `held`: how many slots of the line's limit its fairness key holds.
    `more`: whether others of its key stand behind it that have not been looked at, `others`: whether other keys do.
    """

    task_id: int
    key: str
    fairness_key: str
    turn: int
    held: int
    more: bool
    others: bool
    keys: Sequence[str]


class Choice(NamedTuple):
    """Who enters, and who stands in which other line from now on.

    `served`: which fairness key had the last turn, by line. `again`: the lines that have more room than was looked at.
    """

    admitted: list[int]
    moved: list[tuple[int, str]]
    served: dict[str, str]
    again: set[str]


def choose(waiting: Iterable[Waiting], rooms: dict[str, int]) -> Choice:
    """Give the rooms, by limit, to those who wait; takes from `rooms` what it gives.

    `waiting`: by line; within a line by fairness key, in turn after the one served last; within a key in order.
    """
    choice = Choice([], [], {}, set())
    heads: list[tuple[int, int, int, _Line, Waiting]] = []

    def stand(number: int, line: _Line) -> None:
        if line.head is not None:
            heapq.heappush(heads, (*line.rank, number, line, line.head))
        elif line.cut and rooms[line.key] > 0:
            choice.again.add(line.key)

    for number, (_, tasks) in enumerate(groupby(waiting, key=lambda task: task.key)):
        stand(number, _Line(list(tasks)))
    while heads:
        *_, number, line, task = heapq.heappop(heads)
        if rooms[line.key] > 0:
            _let_in(line, task, rooms, choice)
            stand(number, line)
    return choice


def _let_in(line: _Line, task: Waiting, rooms: dict[str, int], choice: Choice) -> None:
    """Admit a line's head, or send it to the line of the limit that stops it."""
    full = next((key for key in task.keys if rooms[key] <= 0), None)
    line.take(served=full is None)
    if full is not None:
        choice.moved.append((task.task_id, full))
        return
    choice.admitted.append(task.task_id)
    for key in task.keys:
        rooms[key] -= 1
    choice.served[line.key] = task.fairness_key


class _Line:
    """Those who wait for one limit, by fairness key.

    `head`: the task whose turn it is; None when nobody is left, or when who comes next has not been looked at: then
    the line is `cut`.
    """

    def __init__(self, tasks: Sequence[Waiting]) -> None:
        first = tasks[0]
        self.key = first.key
        self.cut = False
        self._groups = [deque(group) for _, group in groupby(tasks, key=lambda task: task.fairness_key)]
        self._more = [group[-1].more for group in self._groups]
        held = [group[0].held for group in self._groups]
        if first.others:  # they come after those we see, and may hold nothing
            self._groups.append(deque())
            self._more.append(True)
            held.append(0)
        self.shared = len(held) > 1
        self._by_held: dict[int, list[int]] = {}
        for position, count in enumerate(held):
            self._by_held.setdefault(count, []).append(position)
        self._served = -1
        self._choose()

    @property
    def rank(self) -> tuple[int, int]:
        """Which of several lines goes first: where keys share one, the one whose key holds less; then the older."""
        return (self._held if self.shared else 0, self.head.turn if self.head else 0)

    def take(self, *, served: bool) -> None:
        """The head leaves the line, `served` or not."""
        at, positions = self._at, self._by_held[self._held]
        self._groups[at].popleft()
        positions.remove(at)
        if not positions:
            del self._by_held[self._held]
        if served:
            self._served = at
        if self._groups[at] or self._more[at]:
            insort(self._by_held.setdefault(self._held + served, []), at)
        self._choose()

    def _choose(self) -> None:
        self.head: Waiting | None = None
        if self._by_held:
            self._held = min(self._by_held)
            positions = self._by_held[self._held]
            self._at = positions[bisect_right(positions, self._served) % len(positions)]
            if self._groups[self._at]:
                self.head = self._groups[self._at][0]
            else:
                self.cut = True
