# ruff: noqa: D102, S101 - the tests' names are the promises
"""Saved views."""

from __future__ import annotations

import asyncio

from taskyard.contracts.store import Store
from taskyard.testing.conformance.store.fixtures import Suite

_MOST = 3


class TestViews(Suite):
    """`save_view`, `views` and `remove_view`."""

    async def test_people_see_their_own_and_what_is_shared(self, store: Store) -> None:
        late = await store.save_view("ann", "late", "age:>7d", shared=False, most=_MOST)
        bad = await store.save_view("bob", "bad", "state:failed", shared=True, most=_MOST)
        await store.save_view("bob", "mine", "x", shared=False, most=_MOST)
        assert await store.views("ann", 10) == [late, bad]
        assert late is not None
        assert (late.owner, late.name, late.filter, late.shared) == ("ann", "late", "age:>7d", False)
        assert [view.name for view in await store.views("bob", 10)] == ["bad", "mine"]
        assert await store.views("eve", 10) == [bad]
        assert await store.views("ann", 1) == [late]
        assert await store.views("ann", 1, after=late.id) == [bad]

    async def test_a_view_of_the_same_name_takes_its_place(self, store: Store) -> None:
        first = await store.save_view("ann", "late", "age:>7d", shared=False, most=_MOST)
        other = await store.save_view("bob", "late", "age:>9d", shared=False, most=_MOST)
        changed = await store.save_view("ann", "late", "age:>8d", shared=True, most=_MOST)
        assert first is not None
        assert changed is not None
        assert (changed.id, changed.filter, changed.shared) == (first.id, "age:>8d", True)
        assert await store.views("bob", 10) == [changed, other]

    async def test_it_is_removed_by_its_owner_or_by_anybody_who_may(self, store: Store) -> None:
        first, second = [await store.save_view("ann", name, "x", shared=True, most=_MOST) for name in ("a", "b")]
        assert first is not None
        assert second is not None
        assert not await store.remove_view(first.id, "bob")
        assert await store.remove_view(first.id, "ann")
        assert not await store.remove_view(first.id, "ann")
        assert await store.remove_view(second.id, None)
        assert await store.views("ann", 10) == []

    async def test_nobody_keeps_more_than_they_may_though_many_are_saved_at_once(self, store: Store) -> None:
        kept = await asyncio.gather(*(store.save_view("ann", f"v{n}", "x", shared=True, most=_MOST) for n in range(8)))
        names = {view.name for view in kept if view is not None}
        assert len(names) == _MOST
        assert {view.name for view in await store.views("ann", 10)} == names
        again = await store.save_view("ann", names.pop(), "y", shared=True, most=_MOST)
        assert again is not None, "what takes another's place is none more"
        assert await store.save_view("bob", "v0", "x", shared=False, most=_MOST) is not None
