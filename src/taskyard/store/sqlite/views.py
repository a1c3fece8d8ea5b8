"""Saved views."""

from __future__ import annotations

from typing import Final

from taskyard.contracts.views import View
from taskyard.store.sqlite.base import Base

_COLUMNS: Final = "id, owner, name, filter, shared"
_SAVE: Final = (
    "INSERT INTO view (owner, name, filter, shared) SELECT ?1, ?2, ?3, ?4 "
    "WHERE (SELECT count(*) FROM view WHERE owner = ?1 AND name <> ?2) < ?5 ON CONFLICT (owner, name) "
    f"DO UPDATE SET filter = excluded.filter, shared = excluded.shared RETURNING {_COLUMNS}"
)
_OF: Final = f"SELECT {_COLUMNS} FROM view WHERE (owner = ?1 OR shared = 1) AND id > ?2 ORDER BY id LIMIT ?3"
_REMOVE: Final = "DELETE FROM view WHERE id = ?1 AND (?2 IS NULL OR owner = ?2)"


class Views(Base):
    """The facet of the same name."""

    async def save_view(self, owner: str, name: str, filter_: str, shared: bool, most: int) -> View | None:
        """See the contract."""
        given = (owner, name, filter_, shared, most)
        row = await self.db.write(lambda c: c.execute(_SAVE, given).fetchone())
        return None if row is None else _view(row)

    async def views(self, person: str, limit: int, after: int = 0) -> list[View]:
        """See the contract."""
        rows = await self.db.read(lambda c: c.execute(_OF, (person, after, limit)).fetchall())
        return [_view(row) for row in rows]

    async def remove_view(self, view_id: int, owner: str | None) -> bool:
        """See the contract."""
        return await self.db.write(lambda c: c.execute(_REMOVE, (view_id, owner)).rowcount > 0)


def _view(row: tuple[int, str, str, str, int]) -> View:
    return View(*row[:-1], shared=bool(row[-1]))
