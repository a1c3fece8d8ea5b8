# ruff: noqa: D102, S101 - the tests' names are the promises
"""What has to be done now and then: promoting, telling events, forgetting, leading."""

from __future__ import annotations

from itertools import pairwise

from taskyard.contracts.records import Filter, SlotKey, Unique
from taskyard.contracts.store import Store
from taskyard.domain import sequence
from taskyard.domain.facts import Line, PlaceKind
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.testing.clock import ManualClock
from taskyard.testing.conformance.store.bench import SECOND, Bench
from taskyard.testing.conformance.store.fixtures import Suite
from taskyard.testing.conformance.store.moves import discarded


class TestPromote(Suite):
    """`promote`."""

    async def test_only_what_is_due_becomes_ready(self, bench: Bench) -> None:
        due = await bench.put_one(run_at=bench.clock.now() + SECOND)
        later = await bench.put_one(run_at=bench.clock.now() + 2 * SECOND)
        assert await bench.store.promote(10) == 0
        bench.clock.move(1)
        assert await bench.store.promote(10) == 1
        assert (await bench.place(due)).kind is PlaceKind.READY
        assert (await bench.place(later)).kind is PlaceKind.DELAYED

    async def test_no_more_than_the_limit_and_the_longest_due_first(self, bench: Bench) -> None:
        ids = [await bench.put_one(run_at=bench.clock.now() + n * SECOND) for n in (3, 1, 2)]
        bench.clock.move(10)
        assert await bench.store.promote(2) == 2
        assert (await bench.place(ids[0])).kind is PlaceKind.DELAYED
        bench.clock.move(1)
        bench.clock.move(1)
        assert await bench.store.promote(2) == 1
        assert [held.task_id for held in await bench.take(5)] == [ids[1], ids[2], ids[0]]

    async def test_what_is_promoted_together_keeps_its_order(self, bench: Bench) -> None:
        ids = [await bench.put_one(run_at=bench.clock.now() + n * SECOND) for n in (3, 1, 2)]
        bench.clock.move(10)
        await bench.store.promote(10)
        assert [held.task_id for held in await bench.take(5)] == [ids[1], ids[2], ids[0]]

    async def test_promoted_tasks_queue_from_now_on(self, bench: Bench) -> None:
        delayed = await bench.put_one(run_at=bench.clock.now() + SECOND)
        bench.clock.move(5)
        before = await bench.put_one()
        bench.clock.move(1)
        await bench.store.promote(10)
        assert [held.task_id for held in await bench.take(5)] == [before, delayed]

    async def test_a_due_retry_is_pending_without_an_event(self, bench: Bench) -> None:
        id_ = await bench.ended(Outcome.RETRY)
        events = await bench.events(id_)
        assert await bench.store.promote(10) == 1
        assert await bench.state(id_) is State.PENDING
        assert await bench.events(id_) == events


class TestFeed(Suite):
    """`sequence`, `feed` and `feed_end`."""

    async def test_positions_count_events_without_gaps(self, bench: Bench) -> None:
        ids = await bench.put(3)
        await bench.settle(await bench.take_one(), Outcome.FAILED)
        await bench.sequence()
        rows = await bench.store.feed(0, 100)
        end = 0
        for row in rows:
            assert len(row.task_ids) == len(row.sequences)
            assert row.pos == end + len(row.task_ids)
            end = row.pos
        assert end == await bench.store.feed_end() == 6
        assert [(row.type, list(row.task_ids)) for row in rows] == [
            (EventType.CREATED, ids),
            (EventType.STARTED, ids[:1]),
            (EventType.FAILED, ids[:1]),
            (EventType.DEADLETTERED, ids[:1]),
        ]

    async def test_the_feed_begins_at_nothing(self, store: Store) -> None:
        assert await store.feed(0, 10) == []
        assert await store.feed_end() == 0

    async def test_it_is_read_on_from_a_position(self, bench: Bench) -> None:
        for _ in range(5):
            await bench.put(2)
        await bench.sequence()
        rows = await bench.store.feed(0, 100)
        read, after = [], 0
        while page := await bench.store.feed(after, 2):
            assert len(page) <= 2
            read += page
            after = page[-1].pos
        assert read == rows
        assert after == await bench.store.feed_end()

    async def test_events_tell_when_they_happened(self, bench: Bench) -> None:
        await bench.put()
        created = bench.clock.now()
        bench.clock.move(5)
        await bench.take_one()
        started = bench.clock.now()
        bench.clock.move(5)
        await bench.sequence()
        assert [row.at for row in await bench.store.feed(0, 10)] == [created, started]

    async def test_what_comes_later_stands_later(self, bench: Bench) -> None:
        await bench.put()
        await bench.sequence()
        end = await bench.store.feed_end()
        (id_,) = await bench.put()
        await bench.sequence()
        (row,) = await bench.store.feed(end, 10)
        assert (row.type, list(row.task_ids)) == (EventType.CREATED, [id_])

    async def test_when_all_is_told_there_is_nothing_to_sequence(self, bench: Bench) -> None:
        await bench.put()
        await bench.sequence()
        assert await bench.store.sequence(10) == 0

    async def test_a_tasks_events_stand_in_their_order(self, bench: Bench) -> None:
        id_ = await bench.put_one()
        for _ in range(3):
            await bench.settle(await bench.take_one(), Outcome.RETRY, delay_us=0)
            await bench.store.promote(10)
        await bench.settle(await bench.take_one())
        events = await bench.events(id_)
        assert all(one[1] < other[1] for one, other in pairwise(events))
        attempt = [EventType.STARTED, EventType.RETRY]
        assert [type_ for type_, _ in events] == [
            EventType.CREATED, *attempt * 3, EventType.STARTED, EventType.COMPLETED,
        ]  # fmt: skip


class TestPrune(Suite):
    """`prune`."""

    async def test_what_ended_before_is_forgotten_with_all_that_belongs_to_it(self, bench: Bench) -> None:
        held = await bench.running(tags=("t",), workflow_id="w")
        await bench.store.record([Line(held.task_id, sequence.line(1, 0), 1, "info", "x")], [])
        await bench.settle(held)
        bench.clock.move(10)
        assert await bench.store.prune(bench.clock.now()) == 1
        assert await bench.store.facts([held.task_id]) == []
        assert await bench.store.story(held.task_id, 0, 10) is None
        assert await bench.store.attempts(held.task_id) == []
        assert await bench.store.lines(held.task_id, 0, 10) == []
        assert (await bench.store.find(Filter(tag="t"), 10, None)).ids == []
        assert await bench.store.counts(0) == []

    async def test_every_end_is_forgotten(self, bench: Bench) -> None:
        ends = [
            await bench.ended(Outcome.COMPLETED), await bench.ended(Outcome.FALLBACK),
            await bench.ended(Outcome.FAILED), await discarded(bench),
        ]  # fmt: skip
        canceled = await bench.put_one()
        await bench.store.cancel(canceled, None, None, None)
        bench.clock.move(10)
        assert await bench.store.prune(bench.clock.now()) == 5
        assert await bench.store.facts([*ends, canceled]) == []
        assert await bench.store.notes(ends) == []
        assert (await bench.store.dead(10, None, None)).ids == []

    async def test_what_ended_since_is_kept(self, bench: Bench) -> None:
        held = await bench.running()
        bench.clock.move(10)
        moment = bench.clock.now()
        await bench.settle(held)
        bench.clock.move(10)
        assert await bench.store.prune(moment) == 0
        assert await bench.state(held.task_id) is State.COMPLETED
        assert await bench.store.prune(moment + 1) == 1

    async def test_what_has_not_ended_is_kept_however_old(self, bench: Bench) -> None:
        kept = {
            await bench.opened(): State.ASSIGNED,
            await bench.opened(Outcome.WAITING): State.WAITING,
            await bench.ended(Outcome.RETRY): State.RETRYING,
            (await bench.running()).task_id: State.RUNNING,
            await bench.put_one(run_at=bench.clock.now() + SECOND): State.PENDING,
        }
        ready, parked = await bench.put(2, slots=(SlotKey("one", 1),))
        bench.clock.move(60 * 86_400)
        assert await bench.store.prune(bench.clock.now()) == 0
        for id_, state in (kept | {ready: State.PENDING, parked: State.PENDING}).items():
            assert await bench.state(id_) is state

    async def test_a_requeued_task_has_not_ended(self, bench: Bench) -> None:
        id_ = await bench.ended(Outcome.FAILED)
        await bench.store.requeue([id_], "ada", "again", None)
        bench.clock.move(10)
        assert await bench.store.prune(bench.clock.now()) == 0
        await bench.settle(await bench.take_one())
        assert await bench.state(id_) is State.COMPLETED

    async def test_an_open_task_that_outlived_everything_still_ends_with_its_whole_story(self, bench: Bench) -> None:
        id_ = await bench.opened()
        bench.clock.move(60 * 86_400)
        await bench.store.prune(bench.clock.now())
        held_before = await bench.store.attempts(id_)
        assert await bench.store.cancel(id_, None, None, None)
        assert [a.outcome for a in await bench.store.attempts(id_)] == [Outcome.ASSIGNED, Outcome.CANCELED]
        assert (await bench.store.attempts(id_))[:1] == held_before

    async def test_a_forgotten_tasks_key_is_free(self, bench: Bench) -> None:
        key = Unique(b"key", None, None, False)
        (first,) = await bench.entries()
        await bench.store.enqueue_unique(first, [key])
        await bench.settle(await bench.take_one())
        bench.clock.move(10)
        await bench.store.prune(bench.clock.now())
        (second,) = await bench.entries()
        assert await bench.store.enqueue_unique(second, [key]) is None

    async def test_positions_are_never_given_twice(self, bench: Bench) -> None:
        await bench.ended()
        await bench.sequence()
        end = await bench.store.feed_end()
        bench.clock.move(10)
        await bench.store.prune(bench.clock.now())
        assert await bench.store.feed_end() == end
        (id_,) = await bench.put()
        await bench.sequence()
        (row,) = await bench.store.feed(end, 10)
        assert (row.pos, list(row.task_ids)) == (end + 1, [id_])

    async def test_more_than_fit_a_batch_are_forgotten_at_once(self, bench: Bench) -> None:
        await bench.put(2500)
        held = await bench.take(2500)
        await bench.store.settle(
            bench.worker_id, [one.settlement(Outcome.COMPLETED) for one in held], [held[0].claim_id]
        )
        bench.clock.move(10)
        assert await bench.store.prune(bench.clock.now()) == 2500
        assert await bench.store.counts(0) == []


class TestLead(Suite):
    """`lead`."""

    async def test_one_holder_at_a_time(self, store: Store) -> None:
        assert await store.lead("upkeep", "a", 10 * SECOND)
        assert not await store.lead("upkeep", "b", 10 * SECOND)

    async def test_whoever_holds_a_role_may_keep_it(self, store: Store, clock: ManualClock) -> None:
        await store.lead("upkeep", "a", 10 * SECOND)
        clock.move(9)
        assert await store.lead("upkeep", "a", 10 * SECOND)
        clock.move(9)
        assert not await store.lead("upkeep", "b", 10 * SECOND)

    async def test_a_role_that_is_not_kept_is_free(self, store: Store, clock: ManualClock) -> None:
        await store.lead("upkeep", "a", 10 * SECOND)
        clock.move(10)
        assert await store.lead("upkeep", "b", 10 * SECOND)
        assert not await store.lead("upkeep", "a", 10 * SECOND)

    async def test_a_role_can_be_given_up(self, store: Store) -> None:
        await store.lead("upkeep", "a", 10 * SECOND)
        await store.lead("upkeep", "a", 0)
        assert await store.lead("upkeep", "b", 10 * SECOND)

    async def test_roles_do_not_mind_each_other(self, store: Store) -> None:
        assert await store.lead("upkeep", "a", 10 * SECOND)
        assert await store.lead("relay", "b", 10 * SECOND)
