# ruff: noqa: D102, S101 - the tests' names are the promises
"""The chain that seals events."""

from __future__ import annotations

from taskyard.contracts.audit import AuditRow
from taskyard.testing.conformance.store.bench import Bench
from taskyard.testing.conformance.store.fixtures import Suite

READER = "audit"


def entry(number: int) -> AuditRow:
    """The entry with this number."""
    return AuditRow(number, number * 2, 7, 1 << 20, 1, 99, bytes([number]) * 32, bytes([number + 1]) * 32)


class TestAudit(Suite):
    """`audit_head`, `audit_rows` and `extend_audit`."""

    async def test_entries_and_reader_are_one_write(self, bench: Bench) -> None:
        store = bench.store
        assert (await store.audit_head(), await store.audit_rows(0, 9)) == (None, [])
        assert await store.move_reader(READER, None, 0)
        entries = [entry(number) for number in range(1, 6)]
        assert await store.extend_audit(entries[:3], READER, 0, 6)
        assert not await store.extend_audit(entries[3:], READER, 0, 10)
        assert await store.audit_head() == entries[2]
        assert await store.extend_audit([], READER, 6, 7)
        assert await store.extend_audit(entries[3:], READER, 7, 10)
        assert await store.reader_position(READER) == 10
        assert await store.audit_rows(0, 9) == entries
        assert await store.audit_rows(1, 2) == entries[1:3]

    async def test_entries_are_kept_for_good(self, bench: Bench) -> None:
        assert await bench.store.move_reader(READER, None, 0)
        assert await bench.store.extend_audit([entry(1)], READER, 0, 2)
        await bench.store.prune(bench.clock.now() + 1)
        assert await bench.store.audit_head() == entry(1)
