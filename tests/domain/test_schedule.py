"""Schedules: what may be written, and the ticks that follow from it, also where clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.schedule import Schedule, firings, parse_schedule, reach_us, ticks
from taskyard.errors import TaskyardError, ValidationFailed

SECOND = 1_000_000
BERLIN = ZoneInfo("Europe/Berlin")


def us(year: int, month: int, day: int, *parts: int, zone: Any = UTC, fold: int = 0) -> int:
    hour, minute, second, *_ = *parts, 0, 0, 0
    return int(datetime(year, month, day, hour, minute, second, tzinfo=zone, fold=fold).timestamp()) * SECOND


def schedule(**fields: Any) -> Schedule:
    return parse_schedule({"scheduleId": "s", "taskDefinitionId": "t", **fields})


def local(when: int, zone: ZoneInfo = BERLIN) -> str:
    return datetime.fromtimestamp(when / SECOND, zone).strftime("%d %H:%M %z")


def first(count: int, wanted: Schedule, after: int) -> list[int]:
    return list(islice(ticks(wanted, after), count))


@pytest.mark.parametrize(
    ("fields", "path", "says"),
    [
        ({}, "/cron", "or else interval"),
        ({"cron": "* * * * *", "interval": 5}, "/cron", "not both"),
        ({"cron": "* * * *"}, "/cron", "five fields"),
        ({"cron": "0 * * * * *"}, "/cron", "five fields"),
        ({"cron": "@often"}, "/cron", "five fields"),
        ({"cron": "61 * * * *"}, "/cron", "bad minute"),
        ({"cron": "0 0 30 2 *"}, "/cron", "bad day-of-month"),
        ({"cron": "x" * 300}, "/cron", "characters"),
        ({"cron": "0 0 * * *", "timezone": "Europe/Nowhere"}, "/timezone", "no time zone"),
        ({"cron": "0 0 * * *", "timezone": "Europe"}, "/timezone", "no time zone"),
        ({"cron": "0 0 * * *", "timezone": "../../etc/passwd"}, "/timezone", "no time zone"),
        ({"cron": "0 0 * * *", "timezone": "localtime"}, "/timezone", "differs between machines"),
        ({"interval": 0}, "/interval", "1 or more"),
        ({"interval": 60, "jitter": -1}, "/jitter", "0 or more"),
        ({"interval": 60, "catchUp": -1}, "/catchUp", "0 or more"),
        ({"interval": 60, "overlap": "queue"}, "/overlap", "one of"),
        ({"interval": 60, "unheard": 1}, "/unheard", "not a known field"),
        ({"interval": 60, "scheduleId": "a b"}, "/scheduleId", "letters"),
        ({"interval": 60, "taskDefinitionId": ""}, "/taskDefinitionId", "not be empty"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(fields: dict[str, Any], path: str, says: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        schedule(**fields)
    assert refused.value.details[0]["path"] == path
    assert says in refused.value.details[0]["message"] or says == "one of"


def test_the_id_is_the_addresss() -> None:
    value = {"taskDefinitionId": "t", "interval": 60}
    assert parse_schedule(value, "s").schedule_id == "s"
    with pytest.raises(ValidationFailed):
        parse_schedule({**value, "scheduleId": "other"}, "s")


@given(st.text(st.characters(codec="ascii"), max_size=30) | st.text("0123456789*/,-#LW@ ", max_size=20))
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    try:
        wanted = schedule(cron=text)
    except TaskyardError:
        return
    assert next(ticks(wanted, 0)) > 0


# ---- intervals
def test_an_interval_counts_from_the_epoch() -> None:
    quarter = schedule(interval=900)
    after = us(2030, 1, 1, 10, 0, 1)
    assert first(2, quarter, after) == [us(2030, 1, 1, 10, 15), us(2030, 1, 1, 10, 30)]
    assert first(1, quarter, us(2030, 1, 1, 10, 15)) == [us(2030, 1, 1, 10, 30)]
    assert first(2, schedule(interval=1.5), 0) == [1_500_000, 3_000_000]


def test_an_interval_does_not_mind_clocks_being_changed() -> None:
    found = first(50, schedule(interval=3600, timezone="Europe/Berlin"), us(2026, 3, 28, 12))
    assert {later - earlier for earlier, later in pairwise(found)} == {3600 * SECOND}


# ---- cron
def test_cron_goes_by_the_clock_of_its_zone() -> None:
    nine = schedule(cron="0 9 * * MON-FRI", timezone="America/New_York")
    new_york = ZoneInfo("America/New_York")
    after = us(2026, 3, 6, 12, zone=new_york)  # a Friday; on Sunday clocks go forward
    assert first(2, nine, after) == [us(2026, 3, 9, 9, zone=new_york), us(2026, 3, 10, 9, zone=new_york)]
    assert first(1, nine, after)[0] == us(2026, 3, 9, 13)


@pytest.mark.parametrize(
    ("word", "cron"),
    [("@hourly", "0 * * * *"), ("@Daily", "0 0 * * *"), ("@weekly", "0 0 * * 0"), ("@monthly", "0 0 1 * *")],
)
def test_a_word_stands_for_an_expression(word: str, cron: str) -> None:
    assert first(5, schedule(cron=word), 0) == first(5, schedule(cron=cron), 0)


def test_a_set_time_that_is_left_out_runs_once_right_after() -> None:
    after = us(2026, 3, 28, 12, zone=BERLIN)
    found = first(2, schedule(cron="30 2 * * *", timezone="Europe/Berlin"), after)
    assert list(map(local, found)) == ["29 03:00 +0200", "30 02:30 +0200"]
    several = first(2, schedule(cron="0,20,40 2 * * *", timezone="Europe/Berlin"), after)
    assert list(map(local, several)) == ["29 03:00 +0200", "30 02:00 +0200"]


def test_a_set_time_that_comes_twice_runs_the_first_time() -> None:
    half_past_two = schedule(cron="30 2 * * *", timezone="Europe/Berlin")
    found = first(2, half_past_two, us(2026, 10, 24, 12, zone=BERLIN))
    assert list(map(local, found)) == ["25 02:30 +0200", "26 02:30 +0100"]
    between = us(2026, 10, 25, 2, 10, zone=BERLIN, fold=1)
    assert list(map(local, first(1, half_past_two, between))) == ["26 02:30 +0100"]


def test_what_runs_every_so_often_goes_by_elapsed_time() -> None:
    every_half = schedule(cron="*/30 * * * *", timezone="Europe/Berlin")
    for start in (us(2026, 3, 29, 0, zone=BERLIN), us(2026, 10, 25, 0, zone=BERLIN)):
        gaps = {later - earlier for earlier, later in pairwise(first(12, every_half, start))}
        assert gaps == {1800 * SECOND}
    hourly = first(4, schedule(cron="0 * * * *", timezone="Europe/Berlin"), us(2026, 10, 25, 1, zone=BERLIN))
    assert list(map(local, hourly)) == ["25 02:00 +0200", "25 02:00 +0100", "25 03:00 +0100", "25 04:00 +0100"]


CRONS = st.sampled_from(["* * * * *", "*/7 * * * *", "0,30 2 * * *", "15 1,2,3 * * *", "0 0 * * 0", "59 23 L * *"])
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia"])
CHANGES = st.sampled_from([us(2026, 3, 29), us(2026, 10, 25), us(2026, 4, 4), us(2011, 12, 30)])


@given(CRONS, ZONES, CHANGES, st.integers(-86_400, 86_400), st.floats(0, 7200))
def test_ticks_are_the_same_wherever_one_begins(cron: str, zone: str, change: int, off: int, jitter: float) -> None:
    wanted = schedule(cron=cron, timezone=zone, jitter=jitter)
    after = change + off * SECOND
    found = list(islice(firings(wanted, after), 20))
    assert all(tick > after for tick, _ in found)
    assert all(one[0] < other[0] and one[1] <= other[0] for one, other in pairwise(found))
    for number, (tick, at) in enumerate(found[:-1]):
        assert 0 <= at - tick <= reach_us(wanted)
        assert list(islice(firings(wanted, tick), 19 - number)) == found[number + 1 :]


# ---- jitter
def test_jitter_spreads_schedules_and_is_the_same_everywhere() -> None:
    after = us(2030, 1, 1)
    moments = {}
    for name in range(200):
        wanted = schedule(scheduleId=f"s{name}", cron="0 0 * * *", jitter=600)
        ((tick, at),) = islice(firings(wanted, after), 1)
        assert list(islice(firings(wanted, after), 1)) == [(tick, at)]
        moments[name] = (at - tick) / SECOND
    assert all(0 <= moment <= 600 for moment in moments.values())
    assert max(moments.values()) > 500
    assert min(moments.values()) < 100
    assert len(set(moments.values())) == 200


def test_jitter_does_not_carry_a_tick_past_the_next() -> None:
    found = list(islice(firings(schedule(interval=10, jitter=3600), 0), 100))
    assert all(tick <= at < tick + 10 * SECOND for tick, at in found)
