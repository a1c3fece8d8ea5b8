"""Gates: how what they let through is shared among lanes."""

from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.gate import Ceiling, Gate, GatedLane, RateGate, share
from taskyard.domain.rate import parse_rate

CEILING = Ceiling(1, 10)
SLOW, FAST = (RateGate(key, parse_rate("10/s")) for key in ("slow", "fast"))
GATES: list[Gate] = [CEILING, SLOW, FAST]

lanes = st.lists(st.tuples(st.sets(st.sampled_from(GATES)), st.integers(1, 20)), max_size=8).map(
    lambda drawn: [(GatedLane(id_, tuple(gates)), count) for id_, (gates, count) in enumerate(drawn)]
)
rooms = st.fixed_dictionaries({gate: st.integers(0, 12) for gate in GATES})


@given(waiting=lanes, rooms=rooms, limit=st.integers(0, 30))
def test_no_gate_lets_more_through_than_it_has_room(
    waiting: list[tuple[GatedLane, int]], rooms: dict[Gate, int], limit: int
) -> None:
    counts, shut = share(waiting, rooms, limit)
    assert sum(counts.values()) <= limit
    for gate in GATES:
        assert sum(counts.get(lane.id, 0) for lane, _ in waiting if gate in lane.gates) <= rooms[gate]
    for lane, count in waiting:
        given_ = counts.get(lane.id, 0)
        assert given_ <= count
        if given_ < count and sum(counts.values()) < limit:
            assert not shut.isdisjoint(lane.gates)


@given(waiting=lanes, limit=st.integers(0, 30))
def test_where_gates_are_wide_it_is_first_come_first_served(waiting: list[tuple[GatedLane, int]], limit: int) -> None:
    counts, shut = share(waiting, dict.fromkeys(GATES, 1000), limit)
    assert not shut
    assert sum(counts.values()) == min(limit, sum(count for _, count in waiting))
    reached = [lane.id for lane, count in waiting if counts.get(lane.id) == count]
    assert reached == list(range(len(reached)))


def test_a_shut_gate_keeps_nobody_back_at_another() -> None:
    waiting = [(GatedLane(1, (SLOW, CEILING)), 5), (GatedLane(2, (FAST, CEILING)), 5), (GatedLane(3), 5)]
    assert share(waiting, {SLOW: 0, FAST: 2, CEILING: 9}, 8) == ({2: 2, 3: 5}, {SLOW, FAST})


def test_nobody_is_kept_back_by_a_gate_when_the_limit_is_reached_before() -> None:
    assert share([(GatedLane(1), 5), (GatedLane(2, (SLOW,)), 5)], {SLOW: 0}, 5) == ({1: 5}, set())
