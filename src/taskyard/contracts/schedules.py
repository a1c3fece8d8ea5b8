"""Schedules in the store, and the tasks they start.

Times are microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from taskyard.contracts.records import ScheduleRow, ScheduleWrite


class Schedules(Protocol):
    """Schedules, and the tasks they start."""

    async def write_schedules(self, writes: Sequence[ScheduleWrite]) -> dict[str, list[int]]:
        """Store each schedule with its tasks if it still has the revision it was read with, all in one transaction.

        The ids of those stored, each with its tasks; a task whose key is held is left out. Of the others nothing is
        stored: they were changed, removed or made by somebody else meanwhile.
        """

    async def schedule(self, schedule_id: str) -> ScheduleRow | None:
        """One schedule; None where there is none."""

    async def schedules(self, limit: int, after: str) -> list[ScheduleRow]:
        """The schedules whose ids come after (above) this one, by id."""

    async def due_schedules(self, until: int, limit: int, after: tuple[int, str]) -> list[ScheduleRow]:
        """Those due by then, after this (`due_at`, id), in that order."""

    async def remove_schedule(self, schedule_id: str) -> bool:
        """Forget a schedule; its tasks go on. False where there is none."""
