# ruff: noqa: D102, S101 - the tests' names are the promises
"""Connections and their breakers: a change counts for who has seen what was there."""

from __future__ import annotations

import asyncio
from typing import Any

from taskyard.contracts.connections import BreakerRow, ConnectionRow, KeptRow, Mark
from taskyard.contracts.store import Store
from taskyard.domain.connection import Connection, ConnectionLimits
from taskyard.domain.gate import CallGate
from taskyard.testing.conformance.store.fixtures import Suite


def row(id_: str = "billing", revision: int = 1, **fields: Any) -> ConnectionRow:
    """A connection as it is stored."""
    made = Connection(connection_id=id_, type="rest", **fields)
    return ConnectionRow(made, b"\x00sealed\xff", 1, revision)


class TestConnections(Suite):
    """`save_connection`, `connections`, `connections_by_id`, `connection_marks` and `remove_connection`."""

    async def test_a_connection_comes_back_as_it_was(self, store: Store) -> None:
        stored = row(settings={"baseUrl": "http://ä"}, limits=ConnectionLimits(rate_limit="5/s"), log_bodies=True)
        assert await store.save_connection(stored, None)
        assert await store.connections_by_id(["billing", "other"]) == [stored]

    async def test_they_are_listed_in_pages(self, store: Store) -> None:
        for id_ in ("c", "a", "b"):
            assert await store.save_connection(row(id_), None)
        assert [each.id for each in await store.connections(2, "")] == ["a", "b"]
        assert [each.id for each in await store.connections(2, "b")] == ["c"]

    async def test_only_who_has_seen_it_changes_it(self, store: Store) -> None:
        assert await store.save_connection(row(), None)
        assert not await store.save_connection(row(revision=2), None)
        assert not await store.save_connection(row(revision=3), 2)
        assert await store.save_connection(row(revision=5, title="new"), 1)
        (found,) = await store.connections_by_id(["billing"])
        assert (found.revision, found.connection.title) == (5, "new")
        assert not await store.save_connection(row("gone", 2), 1)

    async def test_a_connection_is_forgotten_with_its_breaker_and_calls(self, store: Store) -> None:
        assert await store.save_connection(row(), None)
        gate = CallGate("billing", 1)
        assert (await store.begin_call([gate], 60_000_000)).call_id is not None
        assert await store.connection_marks() == [Mark("billing", 1, None)]
        assert await store.save_breaker("billing", BreakerRow(0, b"{}"))
        assert await store.connection_marks() == [Mark("billing", 1, BreakerRow(1, b"{}"))]
        assert await store.remove_connection("billing")
        assert not await store.remove_connection("billing")
        assert await store.breaker("billing") is None
        assert (await store.at_work(gate, 1)).calls == 0
        assert await store.connection_marks() == []

    async def test_what_its_links_keep_is_changed_by_who_has_seen_it(self, store: Store) -> None:
        assert not await store.keep("billing", KeptRow(0, b"early"))
        assert await store.save_connection(row(), None)
        assert await store.kept("billing") is None
        writes = [store.keep("billing", KeptRow(0, b"%d" % number)) for number in range(6)]
        assert sum(await asyncio.gather(*writes)) == 1
        assert await store.keep("billing", KeptRow(1, b"next"))
        assert not await store.keep("billing", KeptRow(1, b"late"))
        assert await store.kept("billing") == KeptRow(2, b"next")
        assert await store.remove_connection("billing")
        assert await store.kept("billing") is None


class TestBreakers(Suite):
    """`breaker` and `save_breaker`."""

    async def test_a_state_comes_back_with_its_version(self, store: Store) -> None:
        assert await store.breaker("billing") is None
        assert await store.save_breaker("billing", BreakerRow(0, b"[1]"))
        assert await store.breaker("billing") == BreakerRow(1, b"[1]")
        assert await store.save_breaker("billing", BreakerRow(1, b"[2]"))
        assert await store.breaker("billing") == BreakerRow(2, b"[2]")

    async def test_of_many_writers_one_counts(self, store: Store) -> None:
        for version in (0, 1):
            writes = [store.save_breaker("billing", BreakerRow(version, b"%d" % number)) for number in range(6)]
            assert sum(await asyncio.gather(*writes)) == 1
