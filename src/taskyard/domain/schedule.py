"""A schedule: when a task is started again and again, as its author writes it, and the ticks that follow from it.

A *tick* is a moment the schedule names; it *fires* a little later where there is jitter. Both are the same on every
machine. A cron expression means what it means to Debian's cron, also where a zone's clock is changed: what is due at
a set time of day runs once, right after the hour that is left out or in the first of two; what is due every so often
(its minute or hour begins with `*`) goes by elapsed time. An interval counts from the epoch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, lru_cache
from itertools import chain, count, islice, pairwise
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim, CronSimError
from msgspec import Meta

from taskyard.domain.json import check, digest
from taskyard.domain.policy import invalid
from taskyard.domain.schema import compile_schema

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_FIELDS = 5
_AHEAD = 4
_SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MACHINES_OWN = frozenset({"localtime", "posixrules"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
_PROMPT_US = 10 * _SECOND
_YEAR = 366 * 86_400

Overlap = Literal["skip", "bufferOne", "allow"]


class Schedule(
    msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    """What is started and when: by `cron` in `timezone`, or every `interval`; exactly one of them.

    `interval`, `jitter`, `catch_up` in seconds. `overlap`: what a tick does while its predecessor's task has not
    ended. `catch_up`: how late a tick may be and still count. `paused` None leaves it as it is.
    """

    schedule_id: Annotated[str, Meta(max_length=128)]
    task_definition_id: Annotated[str, Meta(min_length=1, max_length=255)]
    input: Any = None
    cron: Annotated[str, Meta(max_length=255)] | None = None
    interval: Annotated[float, Meta(ge=1, le=10 * _YEAR)] | None = None
    timezone: Annotated[str, Meta(min_length=1, max_length=255)] = "UTC"
    jitter: Annotated[float, Meta(ge=0, le=86_400)] = 0
    overlap: Overlap = "skip"
    catch_up: Annotated[float, Meta(ge=0, le=_YEAR)] = 3600
    paused: bool | None = None

    @property
    def timing(self) -> tuple[Any, ...]:
        """All that decides when it fires."""
        return self.cron, self.interval, self.timezone, self.jitter

    @property
    def jitter_us(self) -> int:
        """The jitter in microseconds."""
        return round(self.jitter * _SECOND)

    @property
    def lateness_us(self) -> int:
        """How late a tick may be, in microseconds: never less than another leader may need to take over."""
        return max(round(self.catch_up * _SECOND), _PROMPT_US)


_SCHEMA = compile_schema(msgspec.json.schema(Schedule))


def parse_schedule(value: Any, schedule_id: str | None = None) -> Schedule:
    """The schedule in a JSON value; `schedule_id` is the address's, which the body may repeat.

    Raises ValidationFailed with every error and its JSON Pointer.
    """
    check(value)
    if isinstance(value, dict) and schedule_id is not None:
        value = {"scheduleId": schedule_id, **value}
    _SCHEMA.check(value)
    if schedule_id is not None and value["scheduleId"] != schedule_id:
        raise invalid("/scheduleId", f"the body is about {value['scheduleId']!r}, the address about {schedule_id!r}")
    schedule = msgspec.convert(value, Schedule)
    _check(schedule)
    return schedule


def _check(schedule: Schedule) -> None:
    """Raises ValidationFailed for what a schema cannot say."""
    if not _ID.fullmatch(schedule.schedule_id):
        raise invalid("/scheduleId", "use letters, digits, dot, dash and underscore, 128 at most", "pattern")
    if (schedule.cron is None) == (schedule.interval is None):
        raise invalid("/cron", "has to be given, or else interval, and not both", "oneOf")
    _check_zone(schedule.timezone)
    if schedule.cron is not None:
        _check_cron(schedule.cron)


def _check_zone(name: str) -> None:
    if name in _MACHINES_OWN:
        raise invalid("/timezone", f"{name!r} differs between machines; name a zone such as Europe/Berlin", "timezone")
    try:
        _zone(name)
    except (KeyError, ValueError, OSError):
        raise invalid(
            "/timezone", f"{name!r} is no time zone; name one such as Europe/Berlin or UTC", "timezone"
        ) from None


def _check_cron(text: str) -> None:
    expression = _expression(text)
    if len(expression.split()) != _FIELDS:
        wanted = "minute, hour, day of the month, month, day of the week"
        raise invalid("/cron", f"needs five fields ({wanted}) or a word such as @daily", "cron")
    try:
        first = next(CronSim(expression, _EPOCH), None)
    except CronSimError as error:
        raise invalid("/cron", f"cannot be read: {str(error).lower()}", "cron") from None
    if first is None:
        raise invalid("/cron", "names no day that there ever is", "cron")


def ticks(schedule: Schedule, after: int) -> Iterator[int]:
    """The ticks later than `after`, one after the other; times in microseconds since the epoch."""
    if schedule.interval is not None:
        step = round(schedule.interval * _SECOND)
        return count((after // step + 1) * step, step)
    return _cron_ticks(_expression(schedule.cron or ""), schedule.timezone, after)


def firings(schedule: Schedule, after: int) -> Iterator[tuple[int, int]]:
    """(tick, moment at which it fires) for the ticks later than `after`, both growing.

    Jitter never carries a tick past its successor.
    """
    for tick, following in pairwise(chain(ticks(schedule, after), [None])):
        if tick is not None:
            room = schedule.jitter_us if following is None else min(schedule.jitter_us, following - tick)
            yield tick, tick + (int(room * _share(schedule.schedule_id, tick)) if room else 0)


def reach_us(schedule: Schedule) -> int:
    """A tick that is older than this, in microseconds, has fired."""
    interval = schedule.interval or schedule.jitter
    return round(min(schedule.jitter, interval) * _SECOND)


def _share(schedule_id: str, tick: int) -> float:
    """From 0 up to 1, as good as random, and the same wherever it is asked."""
    return int.from_bytes(digest(b"jitter", schedule_id.encode(), str(tick).encode())[:6]) / (1 << 48)


def _cron_ticks(expression: str, zone: str, after: int) -> Iterator[int]:
    while ahead := _cron_ahead(expression, zone, after):
        yield from ahead
        after = ahead[-1]


@lru_cache(maxsize=4096)
def _cron_ahead(expression: str, zone: str, after: int) -> tuple[int, ...]:
    """The next few ticks. Reading an expression costs more than finding them, and many schedules share one."""
    begin = (_EPOCH + timedelta(microseconds=after)).astimezone(_zone(zone))
    found = (int(when.timestamp()) * _SECOND for when in CronSim(expression, begin))
    return tuple(islice((tick for tick in found if tick > after), _AHEAD))


def _expression(text: str) -> str:
    return _SHORTHANDS.get(text.strip().lower(), text)


@cache
def _zone(name: str) -> tzinfo:
    """The zone. Raises KeyError, ValueError or OSError where there is none of that name."""
    return UTC if name == "UTC" else ZoneInfo(name)
