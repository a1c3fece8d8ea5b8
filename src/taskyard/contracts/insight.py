"""Insight: how attempts end, seen from afar. Times are microseconds since the epoch."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from taskyard.contracts.journal import Journal
from taskyard.contracts.views import Views
from taskyard.domain.ids import LARGEST_ID
from taskyard.domain.lifecycle import Outcome


class AttemptFilter(NamedTuple):
    """What one of a task's ended attempts has to be like: the code it failed with, the name of its worker, and for how
    many milliseconds it ran (at least, less than); None means any.
    """

    error: str | None = None
    worker: str | None = None
    ran_from: int | None = None
    ran_below: int | None = None


class Failure(NamedTuple):
    """An attempt with which a task failed for good at the time; `is_dead`: it lies in the dead letters for it now."""

    task_id: int
    kind_id: int
    at: int
    detail: bytes | None
    is_dead: bool


class Endings(NamedTuple):
    """The `number` of attempts that ended so in the `step`-th stretch of time."""

    step: int
    outcome: Outcome
    number: int


class Insight(Journal, Views, Protocol):
    """What operators look for, the views that they keep of it, and what was done by them."""

    async def failures(self, since: int, limit: int, *, dead: bool = False, below: int = LARGEST_ID) -> list[Failure]:
        """The failures of tasks made since that moment whose ids are `below` one, newest task first; with `dead` of the
        dead letters alone.
        """

    async def endings(self, since: int, step_us: int) -> list[Endings]:
        """How many attempts ended how in each stretch since that moment. Those that ran for over an hour are left out
        where they began before it.
        """

    async def run_spans(self, since: int) -> list[tuple[int, int]]:
        """(when, milliseconds) of the attempts begun since that moment that completed, the latest 10,000."""
