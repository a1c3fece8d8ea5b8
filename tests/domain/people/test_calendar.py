"""Business calendars."""

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.people.calendar import HOUR_US, Calendar, add_hours, faults, is_open

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"]
WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
SPANS = st.sampled_from([["09:00-17:00"], ["08:00-12:00", "13:00-17:30"], ["00:00-24:00"], ["22:00-24:00"]])
CALENDARS = st.builds(
    Calendar,
    timezone=st.sampled_from(ZONES),
    hours=st.dictionaries(st.sampled_from(WEEK), SPANS, min_size=1),
    holidays=st.lists(st.dates(date(2026, 1, 1), date(2026, 12, 31)).map(str), max_size=5),
)
MOMENTS = st.integers(1_767_225_600, 1_798_675_200).map(lambda second: second * 1_000_000)


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-03-02T09:00+01:00", 8, "2026-03-02T17:00+01:00"),  # Monday's work
        ("2026-03-02T16:00+01:00", 2, "2026-03-03T10:00+01:00"),  # over a night
        ("2026-03-06T16:00+01:00", 2, "2026-03-09T10:00+01:00"),  # over a weekend
        ("2026-03-07T12:00+01:00", 1, "2026-03-09T10:00+01:00"),  # asked on a Saturday
        ("2026-03-27T16:00+01:00", 2, "2026-03-30T10:00+02:00"),  # over a change of the clocks
        ("2026-12-24T16:00+01:00", 2, "2026-12-28T10:00+01:00"),  # over a holiday and a weekend
    ],
)
def test_hours_of_work_pass_only_at_work(start: str, hours: float, end: str) -> None:
    berlin = Calendar(timezone="Europe/Berlin", holidays=["2026-12-25"])
    assert add_hours(berlin, us(start), hours) == us(end)


@given(CALENDARS, MOMENTS, st.floats(0.1, 100), st.floats(0.1, 100))
def test_hours_add_up_and_end_at_work(calendar: Calendar, start: int, first: float, second: float) -> None:
    middle = add_hours(calendar, start, first)
    both = round(first * HOUR_US) + round(second * HOUR_US)
    assert add_hours(calendar, middle, second) == add_hours(calendar, start, both / HOUR_US)
    assert middle - start >= round(first * HOUR_US)
    assert is_open(calendar, middle)


@given(CALENDARS, MOMENTS, st.integers(0, 10**12), st.floats(0.1, 100))
def test_who_starts_later_is_not_done_earlier(calendar: Calendar, start: int, later: int, hours: float) -> None:
    assert add_hours(calendar, start + later, hours) >= add_hours(calendar, start, hours)


def test_hours_that_would_count_twice_are_refused() -> None:
    calendar = Calendar(hours={"mon": ["09:00-12:00", "12:00-17:00", "16:00-18:00", "08:00-09:30"]})
    assert [path for path, _ in faults(calendar)] == ["/hours/mon/2", "/hours/mon/3"]


def test_a_calendar_without_hours_is_refused() -> None:
    for calendar in (Calendar(hours={}), Calendar(hours={"mon": []})):
        assert [path for path, _ in faults(calendar)] == ["/hours"]


def test_each_fault_is_told_at_its_place() -> None:
    wrong = Calendar(timezone="Mars/Olympus", hours={"mon": ["17:00-09:00"]}, holidays=["2026-02-30"])
    assert [path for path, _ in faults(wrong)] == ["/timezone", "/hours/mon/0", "/holidays/0"]


def test_hours_that_never_come_are_no_endless_search() -> None:
    with pytest.raises(ValueError, match="ten years"):
        add_hours(Calendar(hours={"mon": ["09:00-09:01"]}), us("2026-01-01T00:00+00:00"), 1000)
