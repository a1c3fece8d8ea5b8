# ruff: noqa: D102, S101 - the tests' names are the promises
"""The journal of what was done beside tasks."""

from __future__ import annotations

from taskyard.testing.conformance.store.bench import Bench
from taskyard.testing.conformance.store.fixtures import Suite


class TestJournal(Suite):
    """`write_journal` and `journal`."""

    async def test_entries_are_told_latest_first_page_by_page(self, bench: Bench) -> None:
        at = [bench.clock.move(1) for _ in range(3)]
        for number, who in enumerate(("ada", "bob", "ada")):
            await bench.store.write_journal(who, "queue paused", b"[%d]" % number)
            bench.clock.move(1)
        entries = await bench.store.journal(10)
        assert [(entry.who, entry.action, entry.facts) for entry in entries] == [
            ("ada", "queue paused", b"[2]"),
            ("bob", "queue paused", b"[1]"),
            ("ada", "queue paused", b"[0]"),
        ]
        assert entries[-1].at == at[-1]
        assert await bench.store.journal(1) == entries[:1]
        assert await bench.store.journal(10, before=entries[0].id) == entries[1:]
        assert await bench.store.journal(10, who="ada") == [entries[0], entries[2]]

    async def test_entries_are_forgotten_as_tasks_are(self, bench: Bench) -> None:
        await bench.store.write_journal("ada", "queue paused", b"{}")
        before = bench.clock.move(1)
        await bench.store.write_journal("bob", "queue resumed", b"{}")
        await bench.store.prune(before)
        assert [entry.who for entry in await bench.store.journal(10)] == ["bob"]
