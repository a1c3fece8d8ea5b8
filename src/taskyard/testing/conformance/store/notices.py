# ruff: noqa: D102, S101 - the tests' names are the promises
"""What people are told, what they have read, and how they want to be told."""

from __future__ import annotations

from typing import Any

from taskyard.contracts.notices import NoticeRow
from taskyard.contracts.records import Opened
from taskyard.domain.lifecycle import EventType, Outcome
from taskyard.domain.people.notice import TOLD
from taskyard.domain.people.preferences import Digest, Preferences
from taskyard.testing.conformance.store.bench import HOUR, SECOND, Bench
from taskyard.testing.conformance.store.fixtures import Suite

READER = "notices"


def notice(bench: Bench, person: str = "ann", **fields: Any) -> NoticeRow:
    """Something that a person is told now."""
    (id_,) = bench.store.new_ids(1)
    row = NoticeRow(id_, person, 7, "assigned", bench.clock.now(), b'{"title":"Pay"}')
    return row._replace(**fields)


async def begin(bench: Bench) -> None:
    """Let the reader stand at the beginning."""
    assert await bench.store.move_reader(READER, None, 0)


class TestNotices(Suite):
    """`plan_notices`, `notices`, `unread` and `mark_notices`."""

    async def test_notices_tasks_and_reader_are_one_write(self, bench: Bench) -> None:
        await begin(bench)
        first, second = notice(bench), notice(bench, "bob")
        (entry,) = await bench.entries()
        assert await bench.store.plan_notices([first, second], [entry], READER, 0, 9)
        assert await bench.store.reader_position(READER) == 9
        assert await bench.store.notices("ann", 9, None, unread=False) == [first]
        assert (await bench.take_one()).task_id == entry.id
        late, (again,) = notice(bench), await bench.entries()
        assert not await bench.store.plan_notices([late], [again], READER, 0, 12)
        assert await bench.store.notices("ann", 9, None, unread=False) == [first]
        assert await bench.take() == []
        assert await bench.store.reader_position(READER) == 9

    async def test_what_concerns_nobody_only_moves_the_reader(self, bench: Bench) -> None:
        await begin(bench)
        assert await bench.store.plan_notices([], [], READER, 0, 4)
        assert await bench.store.reader_position(READER) == 4

    async def test_a_list_has_pages_and_what_is_unread(self, bench: Bench) -> None:
        await begin(bench)
        rows = [notice(bench) for _ in range(5)]
        assert await bench.store.plan_notices([*rows, notice(bench, "bob")], [], READER, 0, 1)
        newest = rows[::-1]
        page = await bench.store.notices("ann", 2, None, unread=False)
        assert page == newest[:2]
        assert await bench.store.notices("ann", 9, page[-1].id, unread=False) == newest[2:]
        assert await bench.store.unread("ann") == 5
        assert await bench.store.mark_notices("ann", [rows[0].id, rows[1].id], read=True) == 2
        assert await bench.store.mark_notices("ann", [rows[1].id], read=True) == 0
        unread = await bench.store.notices("ann", 9, None, unread=True)
        assert (unread, await bench.store.unread("ann")) == (newest[:3], 3)
        assert await bench.store.mark_notices("ann", [rows[1].id], read=False) == 1
        assert await bench.store.mark_notices("ann", None, read=True) == 4
        read = await bench.store.notices_by_id([row.id for row in rows])
        assert [row.read_at for row in read] == [bench.clock.now()] * 5
        assert await bench.store.unread("bob") == 1

    async def test_nobody_marks_what_is_anothers(self, bench: Bench) -> None:
        await begin(bench)
        row = notice(bench, "bob")
        assert await bench.store.plan_notices([row], [], READER, 0, 1)
        assert await bench.store.mark_notices("ann", [row.id], read=True) == 0
        assert await bench.store.unread("bob") == 1

    async def test_old_notices_are_forgotten(self, bench: Bench) -> None:
        await begin(bench)
        assert await bench.store.plan_notices([notice(bench)], [], READER, 0, 1)
        bench.clock.move(7200)
        young = notice(bench)
        assert await bench.store.plan_notices([young], [], READER, 1, 2)
        await bench.store.prune(bench.clock.now() - HOUR)
        assert await bench.store.notices("ann", 9, None, unread=False) == [young]


class TestDigests(Suite):
    """`due_digests`, `send_digest`, and what people prefer."""

    async def test_a_digest_goes_out_once(self, bench: Bench) -> None:
        await begin(bench)
        now = bench.clock.now()
        bob, first, second = (notice(bench, each, digest_at=now) for each in ("bob", "ann", "ann"))
        rows = [bob, first, second, notice(bench, digest_at=now + 5 * SECOND), notice(bench)]
        assert await bench.store.plan_notices(rows, [], READER, 0, 1)
        assert await bench.store.due_digests(now, 9) == [first, second, bob]
        assert await bench.store.due_digests(now, 1) == [first]
        (entry,), (again,) = await bench.entries(), await bench.entries()
        assert await bench.store.send_digest([first.id, second.id], [entry])
        assert not await bench.store.send_digest([second.id, bob.id], [again])
        assert [row.id for row in await bench.store.due_digests(now, 9)] == [bob.id]
        assert (await bench.take_one()).task_id == entry.id
        assert await bench.take() == []

    async def test_what_waits_for_a_digest_is_kept_until_it_has_gone_out(self, bench: Bench) -> None:
        await begin(bench)
        row = notice(bench, digest_at=bench.clock.now() + 2 * HOUR)
        assert await bench.store.plan_notices([row], [], READER, 0, 1)
        bench.clock.move(7200)
        await bench.store.prune(bench.clock.now() - HOUR)
        assert await bench.store.due_digests(bench.clock.now(), 9) == [row]
        assert await bench.store.send_digest([row.id], await bench.entries())
        await bench.store.prune(bench.clock.now() - HOUR)
        assert await bench.store.notices("ann", 9, None, unread=False) == []

    async def test_preferences_are_the_last_ones_said(self, bench: Bench) -> None:
        store = bench.store
        assert await store.preferences(["ann"]) == {}
        await store.save_preferences("ann", Preferences(mute=["offered"]))
        wanted = Preferences(["slack", "email"], slack="https://x.example/1", digest=Digest(at="08:00"))
        await store.save_preferences("ann", wanted)
        assert await store.preferences(["ann", "bob"]) == {"ann": wanted}


class TestToldFeed(Suite):
    """`told_feed`."""

    async def test_it_has_what_people_are_told_and_nothing_else(self, bench: Bench) -> None:
        task_id = await bench.opened(Outcome.ASSIGNED)
        for type_ in EventType:
            if type_ not in (EventType.PROGRESS, EventType.EMITTED):
                assert await bench.store.change_open(task_id, Opened("USER", "ada"), type_, {}, None)
        await bench.sequence()
        everything = await bench.store.feed(0, 1000)
        wanted = [row for row in everything if row.type in TOLD]
        told = await bench.store.told_feed(0, 1000)
        assert [(row.pos, row.type, list(row.task_ids)) for row in told] == [
            (row.pos, row.type, list(row.task_ids)) for row in wanted
        ]
        assert len({row.type for row in told}) == len(TOLD)
        assert [row.pos for row in await bench.store.told_feed(told[0].pos, 2)] == [row.pos for row in told[1:3]]
