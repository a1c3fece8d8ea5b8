"""People's work in the store: who they are, and what they have to do.

Times are microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from taskyard.contracts.inbox import InboxFilter, InboxRow
from taskyard.contracts.logins import Logins
from taskyard.domain.people.assignment import Person


class WorkTime(NamedTuple):
    """When a person's task of this definition, of this `group` if it was a group's, came and went."""

    task_id: int
    definition: str
    group: str | None
    opened_at: int
    claimed_at: int | None
    due_at: int | None
    ended_at: int


class Workload(NamedTuple):
    """What of a definition and group is open: how much, how much that nobody has claimed, that is overdue, and since
    when the oldest is.
    """

    definition: str
    group: str | None
    open: int
    unclaimed: int
    overdue: int
    oldest_at: int


class Load(NamedTuple):
    """How much one person has open, and how much of it is overdue."""

    person: str
    open: int
    overdue: int


Choose = Callable[[Mapping[str, int]], str | None]
"""From how many open tasks each person has to who is given one more."""


class People(Logins, Protocol):
    """Who does manual tasks, what they have to do, and how they log in."""

    async def inbox(self, wanted: InboxFilter, limit: int, after: InboxRow | None) -> list[InboxRow]:
        """The tasks that fit, in their order, after this one."""

    async def inbox_counts(self, person: str, groups: Sequence[str], now: int) -> dict[str, int]:
        """How many tasks each view has, and how many of those that are `open` to them are `overdue` by now."""

    async def worked(self, person: str, limit: int, after: InboxRow | None) -> list[InboxRow]:
        """The tasks that a person has ended, the latest first; `key` is when."""

    async def has_worked(self, person: str, task_id: int) -> bool:
        """Whether a person has ended the task, or an attempt at it, as far as that is kept."""

    async def loads(self, persons: Sequence[str]) -> dict[str, int]:
        """How many open tasks each of these persons has or is being given; those who have none are left out."""

    async def give(self, task_id: int, attempt: int, persons: Sequence[str], choose: Choose) -> None:
        """Have `choose` choose one of these persons, or nobody, from their loads. Until that attempt has ended, the
        task counts among theirs. Of all who give at once, on all machines, each sees what the others have given.
        """

    async def due_open(self, until: int, limit: int, after: InboxRow) -> list[InboxRow]:
        """The open tasks about which something is to be done by then, in that order; `key` is when."""

    async def work_times(self, since: int, limit: int, after: WorkTime | None) -> list[WorkTime]:
        """The tasks that people, or time, have ended since then, in that order, after this one."""

    async def workloads(self, now: int) -> list[Workload]:
        """What is open by definition and group."""

    async def busiest(self, now: int, limit: int) -> list[Load]:
        """The persons who have most open."""

    async def rota(self, key: str) -> int:
        """A number that is greater by one each time: whose turn it is."""

    async def save_person(self, person: Person) -> None:
        """Keep a person, in place of the one with the same id."""

    async def person(self, person_id: str) -> Person | None:
        """One person; None where there is none."""

    async def persons(self, limit: int, after: str) -> list[Person]:
        """The persons whose ids come after (above) this one, by id."""

    async def remove_person(self, person_id: str) -> bool:
        """Forget a person; what is assigned to them stays so. False where there is none."""

    async def members(self, group: str) -> list[Person]:
        """The persons in a group, by id."""
