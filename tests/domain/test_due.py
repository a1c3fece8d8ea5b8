"""What is due: catch-up, overlap, buffering, and that nothing is decided twice or forgotten."""

from __future__ import annotations

from itertools import islice, takewhile
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.due import AT_ONCE, Progress, due, next_look, next_runs
from taskyard.domain.schedule import Schedule, firings, parse_schedule

SECOND = 1_000_000
MINUTE = 60 * SECOND
BEGIN = 1_893_456_000 * SECOND


def every_minute(**fields: Any) -> Schedule:
    return parse_schedule({"scheduleId": "s", "taskDefinitionId": "t", "interval": 60, **fields})


def minutes(*numbers: float) -> tuple[int, ...]:
    return tuple(BEGIN + round(number * MINUTE) for number in numbers)


def at(number: float) -> int:
    return minutes(number)[0]


def test_nothing_is_due_before_its_time() -> None:
    progress = Progress(decided=BEGIN)
    assert due(every_minute(), progress, at(0.99), busy=False) == ((), None, BEGIN, None)
    assert next_look(every_minute(), progress) == at(1)


def test_a_tick_is_due_at_its_time_and_only_once() -> None:
    found = due(every_minute(), Progress(decided=BEGIN), at(1), busy=False)
    assert tuple(found) == (minutes(1), None, at(1), None)
    assert due(every_minute(), Progress(decided=found.decided), at(1.5), busy=False).starts == ()


def test_what_was_missed_within_the_window_is_made_up_for() -> None:
    wanted = every_minute(overlap="allow", catchUp=180)
    assert due(wanted, Progress(decided=BEGIN), at(10), busy=False) == (minutes(7, 8, 9, 10), None, at(10), at(1))
    assert due(wanted, Progress(decided=BEGIN), at(3), busy=False) == (minutes(1, 2, 3), None, at(3), None)


def test_the_window_is_never_shorter_than_another_leader_needs() -> None:
    wanted = every_minute(catchUp=0)
    assert due(wanted, Progress(decided=BEGIN), at(1) + 10 * SECOND, busy=False).starts == minutes(1)
    late = due(wanted, Progress(decided=BEGIN), at(1) + 11 * SECOND, busy=False)
    assert (late.starts, late.missed) == ((), at(1))


def test_very_many_go_in_portions() -> None:
    wanted = every_minute(interval=1, overlap="allow", catchUp=86_400)
    progress, started = Progress(decided=BEGIN), list[int]()
    now = at(10)
    while starts := (found := due(wanted, progress, now, busy=False)).starts:
        assert len(starts) <= AT_ONCE
        started += starts
        progress = Progress(decided=found.decided)
    assert started == [BEGIN + n * SECOND for n in range(1, 601)]


def test_skip_starts_one_and_skips_what_overlaps() -> None:
    wanted = every_minute(catchUp=86_400)
    assert due(wanted, Progress(decided=BEGIN), at(5), busy=True) == ((), None, at(5), None)
    assert due(wanted, Progress(decided=BEGIN), at(5), busy=False) == (minutes(1), None, at(5), None)


def test_buffer_one_keeps_the_first_that_overlaps() -> None:
    wanted = every_minute(overlap="bufferOne", catchUp=86_400)
    assert due(wanted, Progress(decided=BEGIN), at(5), busy=False) == (minutes(1), at(2), at(5), None)
    held = Progress(decided=at(5), buffered=at(2))
    assert next_look(wanted, held) == at(2)
    assert due(wanted, held, at(5.5), busy=True) == ((), at(2), at(5), None)
    assert due(wanted, held, at(6), busy=True) == ((), at(2), at(6), None)
    assert due(wanted, held, at(5.5), busy=False) == (minutes(2), None, at(5), None)
    assert due(wanted, held, at(6), busy=False) == (minutes(2), at(6), at(6), None)


def test_a_long_outage_of_an_overlapping_schedule_is_decided_at_once() -> None:
    wanted = every_minute(interval=1, catchUp=300 * 86_400)
    found = due(wanted, Progress(decided=BEGIN), BEGIN + 200 * 86_400 * SECOND, busy=False)
    assert found == ((BEGIN + SECOND,), None, BEGIN + 200 * 86_400 * SECOND, None)


def test_a_paused_schedule_looks_at_nothing() -> None:
    wanted = every_minute(paused=True)
    assert next_look(wanted, Progress(decided=BEGIN)) is None
    assert next_runs(wanted, Progress(decided=BEGIN), BEGIN, 5) == []


def test_next_runs_are_later_than_now_and_with_their_jitter() -> None:
    wanted = every_minute(jitter=60)
    moments = [moment for _, moment in islice(firings(wanted, BEGIN), 50)]
    for now in range(BEGIN, at(10), 7 * SECOND):
        expected = [moment for moment in moments if moment > now][:5]
        assert next_runs(wanted, Progress(decided=BEGIN), now, 5) == expected


@given(
    st.sampled_from(["allow", "skip", "bufferOne"]),
    st.sampled_from([{"interval": 7}, {"interval": 60}, {"cron": "*/3 * * * *", "interval": None}]),
    st.sampled_from([0, 30, 600]),
    st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=40),
)
def test_every_tick_is_decided_exactly_once(
    overlap: str, timing: dict[str, Any], jitter: int, looks: list[tuple[int, bool]]
) -> None:
    wanted = every_minute(overlap=overlap, jitter=jitter, catchUp=86_400, **timing)
    progress, now, started = Progress(decided=BEGIN), BEGIN, list[int]()
    for seconds, busy in looks:
        now += seconds * SECOND
        found = due(wanted, progress, now, busy=busy)
        assert overlap == "allow" or len(found.starts) <= (0 if busy else 1)
        assert (found.missed, found.decided >= progress.decided) == (None, True)
        started += found.starts
        progress = Progress(decided=found.decided, buffered=found.buffered)
        look = next_look(wanted, progress)
        assert look is not None
        assert (look > now) is (progress.buffered is None)
    fired = [tick for tick, _ in takewhile(lambda each: each[1] <= now, firings(wanted, BEGIN))]
    assert len(set(started)) == len(started)
    assert started == fired if overlap == "allow" else set(started) <= set(fired)
