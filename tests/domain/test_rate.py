"""Rates: what a bucket lets pass, over any stretch of time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.rate import Bucket, Rate, parse_rate

SECOND = 1_000_000
BEGINNING = 1_893_456_000 * SECOND

rates = st.builds(
    lambda number, unit: parse_rate(f"{number}/{unit}"), st.integers(1, 5000), st.sampled_from(["s", "min", "h", "d"])
)
steps = st.lists(st.tuples(st.integers(0, 3 * SECOND), st.integers(0, 300)), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("text", "rate", "burst"),
    [
        ("10/s", Rate(10, SECOND), 10),
        ("100/min", Rate(100, 60 * SECOND), 1),
        ("5/h", Rate(5, 3600 * SECOND), 1),
        ("1/d", Rate(1, 86_400 * SECOND), 1),
        ("600/min", Rate(600, 60 * SECOND), 10),
        ("1000000/s", Rate(1_000_000, SECOND), 1_000_000),
    ],
)
def test_a_rate_is_a_number_per_unit_with_a_burst_of_a_second(text: str, rate: Rate, burst: int) -> None:
    assert parse_rate(text) == rate
    assert rate.burst == burst
    assert str(rate) == text


@pytest.mark.parametrize(
    "text",
    ["", "10", "0/s", "-1/s", "1.5/s", "10/sec", "10 / s", "01/s", "10/s ", "1000001/s", "s", "/s", "10/ms", "٣/s"],
)
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as 10/s|a million per second"):
        parse_rate(text)


def starts(rate: Rate, walk: list[tuple[int, int]], wanted: int | None = None) -> list[tuple[int, int]]:
    """(moment, how many started), where each step waits so long and takes as many as it wants and may."""
    now, bucket, taken = BEGINNING, Bucket(), []
    for wait, want in walk:
        now += wait
        count = min(want if wanted is None else wanted, rate.free(bucket, now))
        if count:
            bucket = rate.take(bucket, now, count)
            taken.append((now, count))
    return taken


@given(rate=rates, walk=steps)
def test_no_stretch_of_time_sees_more_than_the_rate_and_a_burst(rate: Rate, walk: list[tuple[int, int]]) -> None:
    taken = starts(rate, walk)
    for first, (begin, _) in enumerate(taken):
        for last in range(first, len(taken)):
            spell = taken[last][0] - begin
            assert sum(n for _, n in taken[first : last + 1]) <= rate.burst + spell * rate.number / rate.per_us


@given(rate=rates, walk=steps)
def test_the_next_may_start_exactly_when_it_was_said(rate: Rate, walk: list[tuple[int, int]]) -> None:
    now, bucket = BEGINNING, Bucket()
    for wait, want in walk:
        now += wait
        opens_at = rate.opens_at(bucket, now)
        assert (rate.free(bucket, now) > 0) == (opens_at == now)
        assert rate.free(bucket, opens_at) > 0
        if count := min(want, rate.free(bucket, now)):
            bucket = rate.take(bucket, now, count)


@pytest.mark.parametrize("text", ["7/s", "1000/s", "100/min", "5/h"])
def test_over_a_long_time_the_rate_is_reached(text: str) -> None:
    rate = parse_rate(text)
    now, bucket, count = BEGINNING, Bucket(), 0
    until = BEGINNING + 100 * rate.per_us
    while (now := rate.opens_at(bucket, now)) < until:
        bucket = rate.take(bucket, now, 1)
        count += 1
    assert 100 * rate.number <= count <= 100 * rate.number + rate.burst


@given(old=rates, new=rates, walk=steps)
def test_a_new_rate_holds_at_once(old: Rate, new: Rate, walk: list[tuple[int, int]]) -> None:
    now, bucket = BEGINNING, Bucket()
    for wait, want in walk:
        now += wait
        bucket = old.take(bucket, now, min(want, old.free(bucket, now)))
    assert (opens_at := new.opens_at(bucket, now)) - now <= new.per_us / new.number + 1
    assert new.free(bucket, opens_at) > 0
