"""The directory that Taskyard keeps itself."""

from __future__ import annotations

from taskyard.contracts.store import Store
from taskyard.domain.people.assignment import Person


class StoredDirectory:
    """People as they were entered here."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def members(self, group: str) -> list[Person]:
        """See the contract."""
        return await self._store.members(group)

    async def person(self, person_id: str) -> Person | None:
        """See the contract."""
        return await self._store.person(person_id)
