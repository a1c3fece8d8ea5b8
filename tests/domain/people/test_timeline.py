"""The moments of a manual task."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.people.spec import Before, Due, Escalation, Manual, OnTimeout, parse_time
from taskyard.domain.people.timeline import SECOND_US, due_at, look, next_look, steps, still_done
from taskyard.domain.task import LATEST, iso

BEGIN = 1_800_000_000 * SECOND_US
MANUALS = st.builds(
    Manual,
    kind=st.just("manual"),
    reminders=st.lists(
        st.one_of(st.floats(0.01, 0.99), st.builds(Before, before=st.floats(1, 10_000))), max_size=4, unique_by=repr
    ),
    escalation=st.lists(st.builds(Escalation, action=st.just("notify"), after=st.integers(0, 10_000)), max_size=3),
    on_timeout=st.none() | st.builds(OnTimeout, outcome=st.just("FAILED"), after=st.integers(0, 20_000)),
)
FULL = Manual(
    kind="manual",
    reminders=[0.5, Before(before=10)],
    escalation=[Escalation(action="notify", after=5), Escalation(action="notify", after=50)],
    on_timeout=OnTimeout(outcome="FAILED", after=100),
)


def at(seconds: float) -> int:
    return BEGIN + round(seconds * SECOND_US)


def test_every_moment_has_its_time_and_order() -> None:
    moments = steps(FULL, BEGIN, at(100), at(30))
    assert [(step.name, step.at) for step in moments] == [
        ("followUp " + str(at(30)), at(30)), ("reminder 0.5", at(50)), ("reminder 10 s before", at(90)),
        ("overdue", at(100)), ("escalation 0", at(105)), ("escalation 1", at(150)), ("timeout", at(200)),
    ]  # fmt: skip


def test_without_a_due_date_only_the_follow_up_is_left() -> None:
    assert [step.kind for step in steps(FULL, BEGIN, None, at(3))] == ["followUp"]
    assert steps(FULL, BEGIN, None, None) == []


@given(MANUALS, st.integers(0, 100_000), st.lists(st.integers(0, 150_000), min_size=1, max_size=10))
def test_each_moment_comes_once_however_often_one_looks(manual: Manual, due: int, looks: list[int]) -> None:
    moments = steps(manual, BEGIN, at(due), None)
    done: list[str] = []
    given_ = []
    for second in sorted(looks):
        seen = look(moments, done, at(second))
        assert all(step.at <= at(second) for step in seen.due)
        assert seen.next is None or seen.next > at(second)
        given_ += [step.name for step in seen.due]
        done += [*seen.passed, *(step.name for step in seen.due)]
        assert next_look(moments, done) == seen.next
    assert len(given_) == len(set(given_))
    assert set(done) == {step.name for step in moments if step.at <= at(max(looks))}


def test_of_reminders_that_were_missed_one_is_given_and_none_once_it_is_overdue() -> None:
    moments = steps(FULL, BEGIN, at(100), None)
    late = look(moments, (), at(95))
    assert [step.name for step in late.due] == ["reminder 10 s before"]
    assert late.passed == ("reminder 0.5",)
    assert [step.name for step in look(moments, (), at(106)).due] == ["overdue", "escalation 0"]


def test_what_moves_ahead_comes_again() -> None:
    moments = steps(FULL, BEGIN, at(100), None)
    done = [step.name for step in look(moments, (), at(106)).due]
    moved = steps(FULL, BEGIN, at(1000), None)
    assert still_done(moved, done, at(106)) == ()
    assert still_done(steps(FULL, BEGIN, at(90), None), done, at(106)) == tuple(done)


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        (None, None),
        (Due(after=5), at(5)),
        (Due(at="2027-01-15T08:00:10Z"), at(10)),
        (Due(at="input.by"), at(20)),
        (Due(at="input.nothing"), None),
        (Due(business_hours=1), at(2 * 3600)),  # it begins on a Friday at 8 in the morning
    ],
)
def test_due_dates(due: Due | None, expected: int | None) -> None:
    assert due_at(due, BEGIN, {"input": {"by": "2027-01-15T08:00:20+00:00"}}) == expected


def test_a_due_date_that_is_none_is_told() -> None:
    with pytest.raises(ValueError, match="which is no time"):
        due_at(Due(at="input.by"), BEGIN, {"input": {"by": "soon"}})


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-14:00", "9000-01-01T00:00:00Z", "1970-01-01T00:00:00+01:00"])
def test_a_time_that_some_zone_cannot_tell_is_none(text: str) -> None:
    assert parse_time(text) is None
    with pytest.raises(ValueError, match="no time with its offset"):
        due_at(Due(at="input.until"), BEGIN, {"input": {"until": text}})


def test_a_time_that_was_kept_before_there_were_bounds_can_be_told() -> None:
    assert iso(2 * LATEST) == iso(LATEST) == "8999-12-31T23:59:59.000Z"
    assert iso(-(10**18)) == "1970-01-01T00:00:00.000Z"
