"""Waiting for a moment: the task lies down until then, and no worker waits with it."""

from __future__ import annotations

from datetime import UTC, datetime

from taskyard.domain import system
from taskyard.domain.outcome import Done, Postponed
from taskyard.errors import ValidationFailed


def wait_until(asked: system.Wait, created_at: int, now: int) -> Done | Postponed:
    """Done once the moment has come, postponed until then before. Times in microseconds."""
    moment = _moment(asked, created_at)
    if now < moment:
        return Postponed((moment - now) / 1e6)
    at = datetime.fromtimestamp(moment / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Done({"at": at})


def _moment(asked: system.Wait, created_at: int) -> int:
    if (asked.at is None) == (asked.seconds is None):
        raise ValidationFailed("give either at or seconds")
    if asked.seconds is not None:
        return created_at + round(asked.seconds * 1e6)
    try:
        at = datetime.fromisoformat(asked.at or "")
    except ValueError:
        raise ValidationFailed(f"{asked.at!r} is no moment such as 2030-01-31T09:00:00Z") from None
    if at.tzinfo is None:
        raise ValidationFailed("a moment needs its time zone, such as Z")
    return round(at.timestamp() * 1e6)
