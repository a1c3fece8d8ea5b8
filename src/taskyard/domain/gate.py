"""Gates: limits on what may be claimed. A lane has none, one or several; what passes, passes all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from taskyard.domain.queue import Queue
from taskyard.domain.rate import Rate


class RateGate(NamedTuple):
    """No more tasks start than the rate of their `subject` allows: a definition's key, or what has a slash in it."""

    subject: str
    rate: Rate

    @property
    def name(self) -> str:
        """Its name in the store."""
        return f"rate:{self.subject}"


class Ceiling(NamedTuple):
    """No more than `limit` tasks of the home queue `home` are under lease at once."""

    home: int
    limit: int

    @property
    def name(self) -> str:
        """Its name in the store."""
        return f"ceiling:{Queue(self.home).name}"


class CallGate(NamedTuple):
    """No more than `limit` calls over a connection are made at once: by tasks in its lanes, and without a task."""

    connection_id: str
    limit: int

    @property
    def name(self) -> str:
        """Its name in the store."""
        return f"calls:{self.connection_id}"


Gate = RateGate | Ceiling | CallGate


class GatedLane(NamedTuple):
    """A lane and what stands before it."""

    id: int
    gates: tuple[Gate, ...] = ()


class Share(NamedTuple):
    """How many to claim from each lane, and the gates that keep back some of those who wait."""

    counts: dict[int, int]
    shut: frozenset[Gate]


def room_of(lane: GatedLane, rooms: Mapping[Gate, int], limit: int) -> int:
    """How many the lane's gates let through now, of `limit`."""
    return max(0, min([limit, *(rooms[gate] for gate in lane.gates)]))


def telling(lane: GatedLane, rooms: Mapping[Gate, int], limit: int) -> int:
    """How many of a lane to count: one more than may pass tells that somebody is kept back."""
    return min(limit, room_of(lane, rooms, limit) + 1)


def share(waiting: Iterable[tuple[GatedLane, int]], rooms: Mapping[Gate, int], limit: int) -> Share:
    """Give `limit` places to the lanes in their order, as far as their gates have room.

    `waiting`: each lane with how many wait in it, as far as `telling`. `rooms`: how many each gate lets through now.
    """
    left = dict(rooms)
    counts: dict[int, int] = {}
    shut: set[Gate] = set()
    for lane, count in waiting:
        wanted = min(count, limit)
        given = room_of(lane, left, wanted)
        if given < wanted:
            shut.update(gate for gate in lane.gates if left[gate] < wanted)
        if given:
            counts[lane.id] = given
            limit -= given
            for gate in lane.gates:
                left[gate] -= given
    return Share(counts, frozenset(shut))
