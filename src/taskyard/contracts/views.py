"""Saved views: filters of tasks under names, one's own and those that were shared."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class View(NamedTuple):
    """A filter's text, as the browser interface reads it, that `owner` has named; everybody sees it if `shared`."""

    id: int
    owner: str
    name: str
    filter: str
    shared: bool


class Views(Protocol):
    """Saved views."""

    async def save_view(self, owner: str, name: str, filter_: str, shared: bool, most: int) -> View | None:
        """Keep a view, in place of the owner's of the same name; None for a new one beyond `most` of theirs."""

    async def views(self, person: str, limit: int, after: int = 0) -> list[View]:
        """Those of this person and those that others share with an id above `after`, by id."""

    async def remove_view(self, view_id: int, owner: str | None) -> bool:
        """Forget a view of this owner, None for anybody's; False where there is none."""
