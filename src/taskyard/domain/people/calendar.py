"""Business calendars: when a place works, and the moment so many working hours from now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

HOUR_US = 3_600 * 1_000_000
_FARTHEST_DAYS = 3_700
_WORKDAY = "09:00-17:00"

_Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[_Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_Spans = list[Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]]
_Date = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


class Calendar(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Working hours by weekday as `09:00-17:00`, in one time zone (IANA), but not on the holidays (ISO dates)."""

    timezone: str = "UTC"
    hours: dict[_Day, _Spans] = msgspec.field(default_factory=lambda: {day: [_WORKDAY] for day in _DAYS[:5]})
    holidays: list[_Date] = []


def faults(calendar: Calendar) -> list[tuple[str, str]]:
    """What is wrong with a calendar, as JSON Pointer and words."""
    found: list[tuple[str, str]] = []
    try:
        ZoneInfo(calendar.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        found.append(("/timezone", "must be a time zone such as Europe/Berlin"))
    for day, spans in calendar.hours.items():
        for index, span in enumerate(spans):
            begin, end = _minutes(span)
            if begin >= end:
                found.append((f"/hours/{day}/{index}", "must end after it begins"))
            elif any(begin < other[1] and other[0] < end for other in map(_minutes, spans[:index])):
                found.append((f"/hours/{day}/{index}", "overlaps an earlier one; its hours would count twice"))
    for index, text in enumerate(calendar.holidays):
        try:
            date.fromisoformat(text)
        except ValueError:
            found.append((f"/holidays/{index}", "is no date"))
    if not any(calendar.hours.values()):
        found.append(("/hours", "names no business hours, so nothing would ever be due"))
    return found


def add_hours(calendar: Calendar, start: int, hours: float) -> int:
    """The moment (microseconds) at which `hours` of work will have passed since `start`.

    Raises ValueError when the calendar has not so many in the next ten years.
    """
    left = round(hours * HOUR_US)
    for begin, end in _spans(calendar, start):
        begin = max(begin, start)
        if end - begin >= left:
            return begin + left
        left -= max(0, end - begin)
    raise ValueError(f"the calendar has no {hours:g} business hours in the next ten years")


def is_open(calendar: Calendar, at: int) -> bool:
    """Whether work goes on at a moment; the end of a span counts as work."""
    return any(begin <= at <= end for begin, end in _spans(calendar, at, days=1))


def _spans(calendar: Calendar, start: int, days: int = _FARTHEST_DAYS) -> Iterator[tuple[int, int]]:
    """The spans of work that end at `start` or later, in order."""
    zone = ZoneInfo(calendar.timezone)
    first = datetime.fromtimestamp(start / 1_000_000, zone).date()
    free = frozenset(calendar.holidays)
    for number in range(-1, days + 1):
        day = first + timedelta(days=number)
        if day.isoformat() in free:
            continue
        spans = calendar.hours.get(_DAYS[day.weekday()], [])
        for begin, end in sorted(map(_minutes, spans)):
            moments = _moment(day, begin, zone), _moment(day, end, zone)
            if moments[1] >= start:
                yield moments


def _minutes(span: str) -> tuple[int, int]:
    begin, _, end = span.partition("-")
    return _minute(begin), _minute(end)


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _moment(day: date, minutes: int, zone: ZoneInfo) -> int:
    if minutes == 24 * 60:
        day, minutes = day + timedelta(days=1), 0
    local = datetime.combine(day, time(minutes // 60, minutes % 60), zone)
    return round(local.astimezone(UTC).timestamp()) * 1_000_000
