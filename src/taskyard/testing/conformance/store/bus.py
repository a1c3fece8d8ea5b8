# ruff: noqa: D102, S101 - the tests' names are the promises
"""What is kept for events that come and go."""

from __future__ import annotations

from typing import Any

from taskyard.contracts.bus import Direction, Letter, LetterFilter, LetterStatus
from taskyard.contracts.records import Found, Opened, Settlement, SlotKey, Unique
from taskyard.contracts.store import Store
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.domain.mapping import Mapping
from taskyard.domain.queue import Queue
from taskyard.testing.conformance.store.bench import HOUR, SECOND, Bench
from taskyard.testing.conformance.store.fixtures import Suite

DEAD = LetterFilter(frozenset({LetterStatus.DEAD}))
ALL = LetterFilter(frozenset(LetterStatus))


def letter(store: Store, event_id: str, **fields: Any) -> Letter:
    """A letter with a new id."""
    given: dict[str, Any] = {
        "id": store.new_ids(1)[0], "direction": Direction.OUT, "event_id": event_id, "status": LetterStatus.DEAD,
        "at": 5, "key": "task.created", "reason": "no", "tries": 10, "body": b"{}", "facts": {"a": [1]},
    }  # fmt: skip
    return Letter(**{**given, **fields})


class TestReaders(Suite):
    """`reader_position` and `move_reader`."""

    async def test_a_reader_moves_from_where_it_is_only(self, store: Store) -> None:
        assert await store.reader_position("r") is None
        assert not await store.move_reader("r", 0, 5)
        assert await store.move_reader("r", None, 5)
        assert not await store.move_reader("r", None, 6)
        assert not await store.move_reader("r", 4, 6)
        assert await store.move_reader("r", 5, 9)
        assert (await store.reader_position("r"), await store.reader_position("s")) == (9, None)


class TestLetters(Suite):
    """`keep_letters`, `letters`, `mark_letters` and `drop_letters`."""

    async def test_what_is_kept_comes_back(self, store: Store) -> None:
        kept = [letter(store, "e1"), letter(store, "e2", direction=Direction.IN, body=b"\xff\x00", key="")]
        await store.keep_letters(kept)
        assert await store.letters(ALL, 10, None) == kept[::-1]
        assert await store.letters(ALL, 10, None, oldest_first=True) == kept

    async def test_one_is_kept_of_each_event_and_direction(self, store: Store) -> None:
        first = letter(store, "e1")
        await store.keep_letters([first, letter(store, "e1", direction=Direction.IN)])
        await store.keep_letters([letter(store, "e1", reason="again", tries=20)])
        out, _ = await store.letters(ALL, 10, None, oldest_first=True)
        assert out == first._replace(reason="again", tries=20)

    async def test_they_are_found_by_what_they_are_in_pages(self, store: Store) -> None:
        kept = [letter(store, f"e{k}", key=f"k{k % 2}") for k in range(5)]
        await store.keep_letters(kept)
        assert [each.event_id for each in await store.letters(DEAD._replace(key="k1"), 10, None)] == ["e3", "e1"]
        assert not await store.letters(DEAD._replace(direction=Direction.IN), 10, None)
        assert [each.event_id for each in await store.letters(DEAD, 2, None)] == ["e4", "e3"]
        assert [each.event_id for each in await store.letters(DEAD, 2, kept[3].id)] == ["e2", "e1"]
        assert [each.event_id for each in await store.letters(DEAD._replace(ids=(kept[0].id, 1)), 9, None)] == ["e0"]
        assert not await store.letters(DEAD._replace(ids=()), 9, None)

    async def test_a_mark_is_for_those_with_the_status_before(self, store: Store) -> None:
        one, two = letter(store, "e1"), letter(store, "e2", status=LetterStatus.HELD)
        await store.keep_letters([one, two])
        assert await store.mark_letters([one.id, two.id], LetterStatus.DEAD, LetterStatus.REPLAY) == [one.id]
        assert await store.letters(DEAD, 9, None) == []
        assert [each.status for each in await store.letters(ALL, 9, None)] == [LetterStatus.HELD, LetterStatus.REPLAY]

    async def test_what_is_dropped_is_gone(self, store: Store) -> None:
        one = letter(store, "e1")
        await store.keep_letters([one])
        assert await store.drop_letters([one.id, 7]) == [one.id]
        assert await store.drop_letters([one.id]) == []
        assert await store.letters(ALL, 9, None) == []

    async def test_only_the_dead_are_forgotten_with_what_was_then(self, bench: Bench) -> None:
        then, now = bench.clock.now(), bench.clock.now() + HOUR
        kept = [letter(bench.store, status, status=status, at=then) for status in LetterStatus]
        await bench.store.keep_letters([*kept, letter(bench.store, "new", at=now)])
        bench.clock.move(3600)
        await bench.store.prune(now - SECOND)
        left = await bench.store.letters(ALL, 9, None, oldest_first=True)
        assert [each.event_id for each in left] == ["replay", "held", "early", "new"]


class TestSeen(Suite):
    """`see` and `has_seen`."""

    async def test_an_event_is_seen_once(self, store: Store) -> None:
        assert not await store.has_seen(b"k")
        assert await store.see(b"k")
        assert not await store.see(b"k")
        assert await store.has_seen(b"k")

    async def test_it_is_forgotten_with_what_was_then(self, bench: Bench) -> None:
        await bench.store.see(b"k")
        bench.clock.move(3600)
        await bench.store.prune(bench.clock.now() - HOUR + SECOND)
        assert not await bench.store.has_seen(b"k")

    async def test_an_answer_is_noted_with_the_task_that_got_it(self, bench: Bench) -> None:
        task_id = await bench.opened(Outcome.WAITING, Opened())
        answered = Settlement(0, task_id, 0, Outcome.COMPLETED, result=b"1")
        assert await bench.store.settle_open(task_id, answered, None, b"k")
        assert await bench.store.has_seen(b"k")
        assert not await bench.store.settle_open(task_id, answered, None, b"l")
        assert not await bench.store.has_seen(b"l")


class TestMappings(Suite):
    """`save_mapping`, `mappings` and `remove_mapping`."""

    async def test_they_are_kept_by_id(self, store: Store) -> None:
        one = Mapping(mapping_id="b", kind="event", source="x.*", target="report", filter="a", input="b")
        other = Mapping(mapping_id="a", kind="task", source="x", target="y")
        await store.save_mapping(one)
        await store.save_mapping(other)
        assert await store.mappings() == [other, one]
        changed = Mapping(mapping_id="b", kind="event", source="z", target="report")
        await store.save_mapping(changed)
        assert await store.mappings() == [other, changed]
        assert await store.remove_mapping("b")
        assert not await store.remove_mapping("b")
        assert await store.mappings() == [other]


class TestFailedBefore(Suite):
    """`enqueue_failed`."""

    async def test_it_is_a_dead_letter_with_all_its_events(self, bench: Bench) -> None:
        (entry,) = await bench.entries(run_at=bench.clock.now() + HOUR, slots=(SlotKey("one", 1),), tags=("t",))
        assert await bench.store.enqueue_failed(entry, b'{"by":"ada"}', []) is None
        facts = await bench.facts(entry.id)
        assert facts.last is not None
        assert (facts.last.outcome, facts.last.attempt, facts.last.started_at) == (Outcome.FAILED, 1, None)
        assert facts.last.detail == b'{"by":"ada"}'
        assert await bench.state(entry.id) is State.FAILED
        assert await bench.event_types(entry.id) == [EventType.CREATED, EventType.FAILED, EventType.DEADLETTERED]
        assert (await bench.store.dead(9, None, None)).ids == [entry.id]
        bench.clock.move(7200)
        assert await bench.store.promote(9) == 0

    async def test_requeued_it_runs(self, bench: Bench) -> None:
        (entry,) = await bench.entries(run_at=bench.clock.now() + HOUR)
        await bench.store.enqueue_failed(entry, b"{}", [])
        assert await bench.store.requeue([entry.id], "ada", "mended", b'{"a":1}') == [entry.id]
        held = await bench.take_one()
        assert (held.task_id, held.task.attempt, held.task.input) == (entry.id, 2, b'{"a":1}')

    async def test_there_is_one_under_a_key(self, bench: Bench) -> None:
        key = Unique(b"k", None, None, forgiving=False)
        one, two = await bench.entries(2, run_at=bench.clock.now() + HOUR)
        assert await bench.store.enqueue_failed(one, b"{}", [key]) is None
        assert await bench.store.enqueue_failed(two, b"{}", [key]) == Found(one.id, True)
        assert await bench.store.enqueue_unique(two, [key]) == Found(one.id, True)
        assert await bench.store.facts([two.id]) == []


class TestWaitingFor(Suite):
    """`waiting_for`."""

    async def test_the_waits_own_correlation_id_counts_before_the_tasks(self, bench: Bench) -> None:
        named = await bench.opened(Outcome.WAITING, Opened(correlation_id="w"), correlation_id="c")
        plain = await bench.opened(Outcome.WAITING, Opened(), correlation_id="c")
        await bench.opened(Outcome.ASSIGNED, correlation_id="c")
        await bench.ended(correlation_id="c")
        await bench.put_one(correlation_id="c")
        assert await bench.store.waiting_for("w") == [named]
        assert await bench.store.waiting_for("c") == [plain]
        assert await bench.store.waiting_for("x") == []


class TestMaintenance(Suite):
    """`maintain` and `maintenance`."""

    async def test_nothing_is_dequeued_until_it_ends(self, bench: Bench) -> None:
        store = bench.store
        await bench.put_one()
        assert not await store.maintenance()
        await store.maintain("ada")
        await store.maintain("ada")
        assert await store.maintenance()
        assert await store.paused() == set(Queue)
        assert await bench.take() == []
        await store.maintain(None)
        assert not await store.maintenance()
        assert await store.paused() == set()
        assert len(await bench.take()) == 1

    async def test_a_queue_is_paused_afterwards_as_was_asked_for(self, bench: Bench) -> None:
        store = bench.store
        await store.pause(Queue.MANUAL, True)
        await store.pause(Queue.RETRY, True)
        await store.maintain("ada")
        await store.pause(Queue.AUTOMATED, True)
        await store.pause(Queue.RETRY, False)
        assert await store.paused() == set(Queue)
        await store.maintain(None)
        assert await store.paused() == {Queue.MANUAL, Queue.AUTOMATED}
