"""The directory: who there is, and in which groups."""

from __future__ import annotations

from typing import Protocol

from taskyard.domain.people.assignment import Person


class Directory(Protocol):
    """Where people and groups are looked up. Where it is away it answers from what it knew, else with nobody."""

    async def members(self, group: str) -> list[Person]:
        """The persons in a group; none for an unknown one."""

    async def person(self, person_id: str) -> Person | None:
        """One person; None for an unknown one."""
