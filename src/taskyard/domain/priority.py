"""Priorities, and the head start each has over the others.

A lane's order is the time its head was queued, less the head start of its priority. With those of `AGED` a LOW
task can be overtaken only by what comes within its hour and the others' head starts, so it never starves; those
of `STRICT` are longer than any time that there is, so it waits for as long as there is anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final


class Priority(IntEnum):
    """How soon a task should run. The numbers are part of the schema."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @classmethod
    def parse(cls, text: str) -> Priority:
        """The priority called `text`. Raises KeyError."""
        return cls[text]


HeadStarts = Mapping[Priority, int]
"""By priority, in microseconds."""

_HOUR_US = 3_600_000_000

AGED: Final[HeadStarts] = MappingProxyType(
    {
        Priority.CRITICAL: 24 * _HOUR_US,
        Priority.HIGH: 4 * _HOUR_US,
        Priority.MEDIUM: 0,
        Priority.LOW: -_HOUR_US,
    }
)

STRICT: Final[HeadStarts] = MappingProxyType({priority: (priority - Priority.LOW) << 60 for priority in Priority})

HEAD_STARTS: Final[Mapping[str, HeadStarts]] = {"aged": AGED, "strict": STRICT}
"""By the name that the settings have for them."""
