# ruff: noqa: D102, S101 - the tests' names are the promises
"""Tasks coming in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import pytest

from taskyard.contracts.records import Found, SlotKey, Unique
from taskyard.domain import sequence
from taskyard.domain.facts import Body, PlaceKind
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.domain.priority import Priority
from taskyard.errors import ConfigurationError
from taskyard.testing.conformance.store.bench import SECOND, Bench
from taskyard.testing.conformance.store.fixtures import Suite

KEY = Unique(b"key", b"same", expires_at=None, forgiving=False)


class Transaction(Protocol):
    """A caller's own connection, in an open transaction on the store's database."""

    def commit(self) -> Any:
        """Make it so."""

    def rollback(self) -> Any:
        """Let it be."""


class TestEnqueue(Suite):
    """`enqueue`."""

    async def test_a_new_task_is_pending_and_ready(self, bench: Bench) -> None:
        id_ = await bench.put_one()
        place = await bench.place(id_)
        assert (place.kind, place.attempt, place.failures, place.losses) == (PlaceKind.READY, 1, 0, 0)
        assert place.at == bench.clock.now()
        assert await bench.state(id_) is State.PENDING

    async def test_everything_asked_for_is_kept(self, bench: Bench) -> None:
        parent = await bench.put_one()
        said: dict[str, Any] = {
            "workflow_id": "w", "correlation_id": "c", "cause_type": "event", "cause": "e\N{SNOWMAN}",
            "parent_id": parent, "hash": b"\x00\xff", "input": b'{"a":1}', "extra": b'{"severity":"x"}',
        }  # fmt: skip
        id_ = await bench.put_one(priority=Priority.HIGH, **said)
        body = (await bench.facts(id_)).body
        assert body == Body(id_, bench.kind.id, bench.policy_id, Priority.HIGH, **said)

    async def test_each_task_emits_created(self, bench: Bench) -> None:
        for id_ in await bench.put(3):
            assert await bench.events(id_) == [(EventType.CREATED, sequence.queued(1))]

    async def test_one_bad_task_keeps_all_out(self, bench: Bench) -> None:
        there = await bench.put_one()
        good, bad = await bench.entries(2)
        with pytest.raises(Exception, match=r".*"):
            await bench.store.enqueue([good, bad._replace(id=there)])
        assert await bench.store.facts([good.id]) == []
        assert await bench.event_types(good.id) == []
        assert [held.task_id for held in await bench.take(10)] == [there]

    async def test_nothing_may_be_enqueued(self, bench: Bench) -> None:
        await bench.store.enqueue([])
        assert await bench.take() == []

    async def test_a_large_batch_is_kept_whole_and_in_order(self, bench: Bench) -> None:
        ids = await bench.put(1500)
        assert [held.task_id for held in await bench.take(1500)] == ids

    async def test_a_task_with_a_time_waits_for_it(self, bench: Bench) -> None:
        due = bench.clock.now() + 5 * SECOND
        id_ = await bench.put_one(run_at=due)
        place = await bench.place(id_)
        assert (place.kind, place.at, place.attempt) == (PlaceKind.DELAYED, due, 1)
        assert await bench.state(id_) is State.PENDING
        assert await bench.take() == []


class TestUniqueKeys(Suite):
    """`enqueue_unique`."""

    async def stored(self, bench: Bench, *uniques: Unique) -> int:
        """A task that finds its keys free; its id."""
        (entry,) = await bench.entries()
        assert await bench.store.enqueue_unique(entry, uniques) is None
        assert await bench.events(entry.id) == [(EventType.CREATED, sequence.queued(1))]
        return entry.id

    async def found(self, bench: Bench, *uniques: Unique) -> Found | None:
        """Who holds one of these keys, so that nothing is stored."""
        (entry,) = await bench.entries()
        found = await bench.store.enqueue_unique(entry, uniques)
        assert await bench.store.facts([entry.id]) == []
        assert await bench.events(entry.id) == []
        return found

    async def test_a_free_key_is_taken(self, bench: Bench) -> None:
        id_ = await self.stored(bench, KEY)
        assert [held.task_id for held in await bench.take(2)] == [id_]

    async def test_a_held_key_gives_its_holder_and_stores_nothing(self, bench: Bench) -> None:
        holder = await self.stored(bench, KEY)
        assert await self.found(bench, KEY) == Found(holder, same=True)

    async def test_another_request_under_the_key_is_told_apart(self, bench: Bench) -> None:
        holder = await self.stored(bench, KEY)
        assert await self.found(bench, KEY._replace(fingerprint=b"different")) == Found(holder, same=False)

    async def test_without_a_fingerprint_all_requests_are_the_same(self, bench: Bench) -> None:
        holder = await self.stored(bench, KEY)
        assert await self.found(bench, KEY._replace(fingerprint=None)) == Found(holder, same=True)

    async def test_a_key_is_free_again_when_it_expires(self, bench: Bench) -> None:
        key = KEY._replace(expires_at=bench.clock.now() + 10 * SECOND)
        first = await self.stored(bench, key)
        bench.clock.move(9.9)
        assert await self.found(bench, key) == Found(first, same=True)
        bench.clock.move(0.1)
        second = await self.stored(bench, key._replace(expires_at=bench.clock.now() + 10 * SECOND))
        assert await self.found(bench, key) == Found(second, same=True)

    @pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.FAILED, Outcome.CANCELED])
    async def test_a_key_without_expiry_outlives_its_tasks_end(self, bench: Bench, outcome: Outcome) -> None:
        holder = await self.stored(bench, KEY)
        await bench.settle(await bench.take_one(), outcome)
        assert await self.found(bench, KEY) == Found(holder, same=True)

    @pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELED])
    async def test_a_forgiving_key_is_free_once_its_task_failed_or_was_canceled(
        self, bench: Bench, outcome: Outcome
    ) -> None:
        key = KEY._replace(forgiving=True)
        await self.stored(bench, key)
        await bench.settle(await bench.take_one(), outcome)
        await self.stored(bench, key)

    async def test_a_forgiving_key_is_free_once_its_task_was_canceled_in_the_queue(self, bench: Bench) -> None:
        key = KEY._replace(forgiving=True)
        holder = await self.stored(bench, key)
        await bench.store.cancel(holder, None, None, None)
        await self.stored(bench, key)

    async def test_a_forgiving_key_is_held_while_its_task_lives_or_has_completed(self, bench: Bench) -> None:
        key = KEY._replace(forgiving=True)
        holder = await self.stored(bench, key)
        held = await bench.take_one()
        assert await self.found(bench, key) == Found(holder, same=True)
        await bench.settle(held, Outcome.RETRY, delay_us=SECOND)
        assert await self.found(bench, key) == Found(holder, same=True)
        await bench.store.hurry(held.task_id)
        await bench.settle(await bench.take_one())
        assert await self.found(bench, key) == Found(holder, same=True)

    async def test_a_forgiving_key_is_held_again_by_a_requeued_task(self, bench: Bench) -> None:
        key = KEY._replace(forgiving=True)
        limited = (SlotKey("limit", 1),)
        (entry,) = await bench.entries(slots=limited)
        assert await bench.store.enqueue_unique(entry, [key]) is None
        await bench.settle(await bench.take_one(), Outcome.FAILED)
        blocker = (await bench.put(1, slots=limited))[0]
        await bench.store.requeue([entry.id], "me", "again", None)
        assert (await bench.place(entry.id)).kind is PlaceKind.PARKED
        assert await self.found(bench, key) == Found(entry.id, same=True)
        await bench.store.cancel(blocker, None, None, None)
        assert await self.found(bench, key) == Found(entry.id, same=True)
        await bench.take_one()
        assert await self.found(bench, key) == Found(entry.id, same=True)

    async def test_a_forgiving_key_is_free_once_its_task_was_discarded(self, bench: Bench) -> None:
        key = KEY._replace(forgiving=True)
        holder = await self.stored(bench, key)
        await bench.settle(await bench.take_one(), Outcome.FAILED)
        await bench.store.discard([holder], "me", "no use")
        await self.stored(bench, key)

    async def test_a_task_made_too_early_does_not_count(self, bench: Bench) -> None:
        holder = await self.stored(bench, KEY)
        made = bench.clock.now()
        bench.clock.move(10)
        assert await self.found(bench, KEY._replace(newer_than=made)) == Found(holder, same=True)
        await self.stored(bench, KEY._replace(newer_than=made + SECOND))

    async def test_one_held_key_leaves_the_others_free(self, bench: Bench) -> None:
        holder = await self.stored(bench, KEY)
        other = KEY._replace(key=b"other")
        assert await self.found(bench, other, KEY) == Found(holder, same=True)
        await self.stored(bench, other)

    async def test_all_keys_of_a_task_are_taken(self, bench: Bench) -> None:
        other = KEY._replace(key=b"other", fingerprint=None)
        holder = await self.stored(bench, KEY, other)
        assert await self.found(bench, KEY) == Found(holder, same=True)
        assert await self.found(bench, other) == Found(holder, same=True)

    async def test_of_many_at_once_one_is_stored(self, bench: Bench) -> None:
        entries = await bench.entries(8)
        found = await asyncio.gather(*(bench.store.enqueue_unique(entry, [KEY]) for entry in entries))
        (stored,) = [entry.id for entry, holder in zip(entries, found, strict=True) if holder is None]
        assert {holder for holder in found if holder is not None} == {Found(stored, same=True)}
        assert [held.task_id for held in await bench.take(10)] == [stored]


class TestForeignConnections(Suite):
    """`enqueue_with` something that cannot carry tasks."""

    async def test_what_is_no_connection_is_refused(self, bench: Bench) -> None:
        with pytest.raises(ConfigurationError):
            await bench.store.enqueue_with(object(), await bench.entries())


class TestCarrying(Suite):
    """`enqueue_with`. Its fixture `begin` opens a transaction on the database of `store`; the implementer gives it."""

    async def test_committed_tasks_are_there(self, bench: Bench, begin: Callable[[], Transaction]) -> None:
        entries = await bench.entries(2, tags=("t",), workflow_id="w")
        transaction = begin()
        await bench.store.enqueue_with(transaction, entries)
        transaction.commit()
        await bench.store.tidy()
        assert [held.task_id for held in await bench.take(3)] == [entry.id for entry in entries]
        assert await bench.event_types(entries[0].id) == [EventType.CREATED, EventType.STARTED]

    async def test_tasks_that_were_rolled_back_leave_no_trace(
        self, bench: Bench, begin: Callable[[], Transaction]
    ) -> None:
        (entry,) = await bench.entries()
        transaction = begin()
        await bench.store.enqueue_with(transaction, [entry])
        transaction.rollback()
        assert await bench.store.facts([entry.id]) == []
        assert await bench.event_types(entry.id) == []
        assert await bench.take() == []

    async def test_nobody_sees_tasks_before_the_commit(self, bench: Bench, begin: Callable[[], Transaction]) -> None:
        (entry,) = await bench.entries()
        transaction = begin()
        await bench.store.enqueue_with(transaction, [entry])
        assert await bench.store.facts([entry.id]) == []
        transaction.commit()
        assert await bench.state(entry.id) is State.PENDING

    async def test_limits_hold_for_carried_tasks(self, bench: Bench, begin: Callable[[], Transaction]) -> None:
        entries = await bench.entries(2, slots=(SlotKey("limit", 1),))
        transaction = begin()
        await bench.store.enqueue_with(transaction, entries)
        transaction.commit()
        await bench.store.tidy()
        assert [held.task_id for held in await bench.take(3)] == [entries[0].id]
