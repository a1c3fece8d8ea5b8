"""What a look at one thing found."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Health(StrEnum):
    """How well a thing is: `wrong` keeps Taskyard from working as promised."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


class Finding(NamedTuple):
    """One thing, how well it is, what was seen, and how to mend it."""

    check: str
    health: Health
    message: str
    mend: str = ""


def ok(check: str, message: str) -> Finding:
    """Something that is well."""
    return Finding(check, Health.OK, message)


def warning(check: str, message: str, mend: str) -> Finding:
    """Something that may hurt."""
    return Finding(check, Health.WARNING, message, mend)


def wrong(check: str, message: str, mend: str) -> Finding:
    """Something that does hurt."""
    return Finding(check, Health.WRONG, message, mend)
