"""Preferences: by which ways somebody wants to be told, and when."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from taskyard.domain.people.assignment import Person
from taskyard.domain.people.notice import URGENT, NoticeKind

Channel = Literal["service", "email", "slack", "webhook"]
CHANNELS: Final[tuple[Channel, ...]] = ("service", "email", "slack", "webhook")
"""All ways out, in the order in which they are tried unless somebody wishes otherwise."""

_SECOND_US = 1_000_000
_Url = Annotated[str, Meta(max_length=2048, pattern="^$|^https?://")]


class _Strict(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Nothing that is not known."""


class Digest(_Strict, frozen=True):
    """One message for what has come together: `every` so many seconds, or each day `at` a time of a time zone."""

    every: Annotated[int, Meta(ge=60, le=30 * 86_400)] | None = None
    at: Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")] | None = None
    timezone: Annotated[str, Meta(max_length=64)] = "UTC"


class Preferences(_Strict, frozen=True):
    """`channels` are tried in this order until one has taken it; [] for none, null for all there are. Addresses that
    are empty are the directory's. What is in `mute` is only shown, never sent; what is urgent waits for no `digest`.
    """

    channels: Annotated[list[Channel], Meta(max_length=4)] | None = None
    email: Annotated[str, Meta(max_length=254, pattern=r"^$|^[^@\s,;<>]+@[^@\s,;<>]+$")] = ""
    slack: _Url = ""
    webhook: _Url = ""
    mute: Annotated[list[NoticeKind], Meta(max_length=8)] = []
    digest: Digest | None = None


class Way(NamedTuple):
    """One way to somebody: the channel, and where it leads."""

    channel: Channel
    address: str


def ways(preferences: Preferences, person: Person, set_up: Collection[str]) -> list[Way]:
    """The ways to a person, in the order in which they are tried. `set_up`: what the deployment can use."""
    addresses: dict[Channel, str] = {
        "service": person.id,
        "email": preferences.email or person.email,
        "slack": preferences.slack,
        "webhook": preferences.webhook,
    }
    wanted = CHANNELS if preferences.channels is None else preferences.channels
    return [Way(each, addresses[each]) for each in dict.fromkeys(wanted) if each in set_up and addresses[each]]


def is_sent(preferences: Preferences, kind: NoticeKind) -> bool:
    """Whether such a notice goes out at all."""
    return kind not in preferences.mute


def digest_at(preferences: Preferences, kind: NoticeKind, now: int) -> int | None:
    """When (microseconds) a notice of now goes out with others; None for at once."""
    return None if preferences.digest is None or kind in URGENT else next_digest(preferences.digest, now)


def next_digest(digest: Digest, now: int) -> int:
    """The first moment of a digest after now; both in microseconds."""
    if digest.every is not None:
        step = digest.every * _SECOND_US
        return (now // step + 1) * step
    zone = ZoneInfo(digest.timezone)
    local = datetime.fromtimestamp(now / _SECOND_US, zone)
    hour, _, minute = (digest.at or "00:00").partition(":")
    for days in range(3):
        day = (local + timedelta(days=days)).date()
        when = datetime(day.year, day.month, day.day, int(hour), int(minute), tzinfo=zone)
        moment = round(when.astimezone(UTC).timestamp()) * _SECOND_US
        if moment > now:
            return moment
    raise ValueError("a day is longer than that")


def digest_faults(digest: Digest | None) -> list[tuple[str, str]]:
    """What is wrong with a digest, as JSON Pointer and words."""
    if digest is None:
        return []
    found = []
    if (digest.every is None) == (digest.at is None):
        found.append(("/digest", "must have exactly one of every and at"))
    try:
        ZoneInfo(digest.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        found.append(("/digest/timezone", "must be a time zone such as Europe/Berlin"))
    return found
