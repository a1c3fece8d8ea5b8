"""Saved views."""

from __future__ import annotations

from typing import Final

from taskyard.contracts.views import View
from taskyard.store.postgres.base import Base

_COLUMNS: Final = "id, owner, name, filter, shared"
_SAVE: Final = (
    "INSERT INTO taskyard.view (owner, name, filter, shared) SELECT $1::text, $2::text, $3::text, $4::bool "
    "WHERE (SELECT count(*) FROM taskyard.view WHERE owner = $1 AND name <> $2) < $5 ON CONFLICT (owner, name) "
    f"DO UPDATE SET filter = excluded.filter, shared = excluded.shared RETURNING {_COLUMNS}"
)
_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended('taskyard.view ' || $1, 0))"
_OF: Final = f"SELECT {_COLUMNS} FROM taskyard.view WHERE (owner = $1 OR shared) AND id > $2 ORDER BY id LIMIT $3"
_REMOVE: Final = "DELETE FROM taskyard.view WHERE id = $1 AND ($2::text IS NULL OR owner = $2) RETURNING true"


class Views(Base):
    """The facet of the same name."""

    async def save_view(self, owner: str, name: str, filter_: str, shared: bool, most: int) -> View | None:
        """See the contract."""
        async with self.db.durable.transaction() as connection:
            await connection.execute(_ALONE, owner)  # two at once would both count what was there before
            row = await connection.fetchrow(_SAVE, owner, name, filter_, shared, most)
        return None if row is None else View(*row)

    async def views(self, person: str, limit: int, after: int = 0) -> list[View]:
        """See the contract."""
        return [View(*row) for row in await self.db.relaxed.fetch(_OF, person, after, limit)]

    async def remove_view(self, view_id: int, owner: str | None) -> bool:
        """See the contract."""
        return bool(await self.db.durable.value(_REMOVE, view_id, owner))
