"""Priorities, and the head start each has over the others.

A lane's order is the time its head was queued, less the head start of its priority: a LOW task can be
overtaken only by what comes within its hour and the others' head starts, so it never starves.
"""

from __future__ import annotations

from enum import IntEnum


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


_HOUR_US = 3_600_000_000

HEAD_START_US: dict[Priority, int] = {
    Priority.CRITICAL: 24 * _HOUR_US,
    Priority.HIGH: 4 * _HOUR_US,
    Priority.MEDIUM: 0,
    Priority.LOW: -_HOUR_US,
}
