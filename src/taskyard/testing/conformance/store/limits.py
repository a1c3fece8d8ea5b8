# ruff: noqa: D102, S101 - the tests' names are the promises
"""Concurrency limits: at most so many tasks with a key at once."""

from __future__ import annotations

import asyncio

import pytest

from taskyard.contracts.records import Contention, Opened, SlotKey, Taken
from taskyard.domain.facts import PlaceKind
from taskyard.domain.lifecycle import Outcome, State
from taskyard.domain.priority import Priority
from taskyard.engine.engine import Engine
from taskyard.engine.recover import recover
from taskyard.testing.conformance.store.bench import SECOND, WAYS_OUT, Bench
from taskyard.testing.conformance.store.fixtures import Suite

ONE = (SlotKey("one", 1),)
TWO = (SlotKey("two", 2),)
BOTH = (SlotKey("a", 1), SlotKey("b", 1))


async def kinds(bench: Bench, ids: list[int]) -> list[PlaceKind | None]:
    """The places of these tasks."""
    return [facts.place and facts.place.kind for facts in await bench.store.facts(ids)]


class TestSlots(Suite):
    """Taking slots."""

    async def test_who_finds_no_slot_is_parked_and_pending(self, bench: Bench) -> None:
        ids = await bench.put(4, slots=TWO)
        ready, parked = PlaceKind.READY, PlaceKind.PARKED
        assert await kinds(bench, ids) == [ready, ready, parked, parked]
        assert await bench.state(ids[3]) is State.PENDING
        assert [held.task_id for held in await bench.take(10)] == ids[:2]

    async def test_the_parked_enter_in_order(self, bench: Bench) -> None:
        ids = await bench.put(2, slots=ONE)
        bench.clock.move(1)
        ids += await bench.put(2, slots=ONE)
        for id_ in ids:
            held = await bench.take_one()
            assert held.task_id == id_
            assert await bench.take() == []
            await bench.settle(held)

    async def test_the_parked_keep_their_turn_in_the_lane(self, bench: Bench) -> None:
        _, parked = await bench.put(2, slots=ONE)
        bench.clock.move(1)
        free = await bench.put_one()
        await bench.settle(await bench.take_one())
        assert [held.task_id for held in await bench.take(2)] == [parked, free]

    async def test_the_limit_holds_over_priorities_and_workers(self, bench: Bench) -> None:
        await bench.put(3, slots=TWO)
        await bench.put(3, slots=TWO, priority=Priority.CRITICAL)
        other = await bench.register()
        held = [*await bench.take(1), *await bench.take(5, other)]
        assert len(held) == 2
        assert await bench.take(5) == []

    async def test_keys_do_not_mind_each_other(self, bench: Bench) -> None:
        await bench.put(2, slots=ONE)
        await bench.put(2, slots=(SlotKey("another", 1),))
        await bench.put(1)
        assert len(await bench.take(10)) == 3

    async def test_a_task_needs_a_slot_of_each_key(self, bench: Bench) -> None:
        first = await bench.put_one(slots=BOTH[:1])
        bench.clock.move(1)
        second = await bench.put_one(slots=BOTH)
        bench.clock.move(1)
        third = await bench.put_one(slots=BOTH[1:])
        taken = {held.task_id: held for held in await bench.take(10)}
        assert taken.keys() == {first, third}
        await bench.settle(taken[first])
        assert await bench.take() == []
        await bench.settle(taken[third])
        assert [held.task_id for held in await bench.take(10)] == [second]

    async def test_who_waits_for_one_key_does_not_hold_up_another(self, bench: Bench) -> None:
        a, b = BOTH
        holder = await bench.put_one(slots=(b,))
        bench.clock.move(1)
        blocked = await bench.put_one(slots=BOTH)
        bench.clock.move(1)
        free = await bench.put_one(slots=(a,))
        assert [held.task_id for held in await bench.take(10)] == [holder, free]
        assert await kinds(bench, [blocked]) == [PlaceKind.PARKED]

    async def test_the_newest_size_of_a_limit_holds(self, bench: Bench) -> None:
        ids = await bench.put(3, slots=ONE)
        bench.clock.move(1)
        ids += await bench.put(1, slots=(SlotKey("one", 3),))
        await bench.store.tidy()
        assert [held.task_id for held in await bench.take(10)] == ids[:3]

    async def test_a_delayed_task_takes_no_slot_before_its_time(self, bench: Bench) -> None:
        delayed = await bench.put_one(slots=ONE, run_at=bench.clock.now() + SECOND)
        now = await bench.put_one(slots=ONE)
        assert await kinds(bench, [delayed, now]) == [PlaceKind.DELAYED, PlaceKind.READY]
        bench.clock.move(1)
        await bench.store.promote(10)
        assert await kinds(bench, [delayed]) == [PlaceKind.PARKED]
        await bench.settle(await bench.take_one())
        assert (await bench.take_one()).task_id == delayed

    async def test_never_more_than_the_limit_at_once(self, bench: Bench) -> None:
        ids = await bench.put(12, slots=TWO)
        workers = [await bench.register(f"w{n}") for n in range(4)]
        running: set[int] = set()
        done: list[int] = []

        async def work(worker: int) -> None:
            while len(done) < len(ids):
                for held in await bench.take(3, worker):
                    running.add(held.task_id)
                    assert len(running) <= 2
                    await asyncio.sleep(0)
                    running.remove(held.task_id)
                    done.append(held.task_id)
                    assert await bench.settle(held)

        await asyncio.gather(*map(work, workers))
        assert sorted(done) == ids


class TestSlotsComeBack(Suite):
    """Freeing slots."""

    @pytest.mark.parametrize("outcome", sorted(set(WAYS_OUT) - {Outcome.LOST, Outcome.RELEASED}))
    async def test_whoever_leaves_for_elsewhere_frees_its_slot(self, bench: Bench, outcome: Outcome) -> None:
        first, second = await bench.put(2, slots=ONE)
        opened = Opened("USER", "ada") if outcome in (Outcome.ASSIGNED, Outcome.WAITING) else None
        await bench.settle(await bench.take_one(), outcome, opened=opened, delay_us=SECOND)
        held = await bench.take_one()
        assert (first, held.task_id) == (first, second)

    @pytest.mark.parametrize("outcome", [Outcome.LOST, Outcome.RELEASED])
    async def test_whoever_comes_back_keeps_its_slot(self, bench: Bench, outcome: Outcome) -> None:
        first, second = await bench.put(2, slots=ONE)
        await bench.settle(await bench.take_one(), outcome)
        await bench.store.tidy()
        assert await kinds(bench, [first, second]) == [PlaceKind.READY, PlaceKind.PARKED]
        await bench.settle(await bench.take_one())
        assert (await bench.take_one()).task_id == second

    async def test_a_canceled_task_in_the_queue_frees_its_slot(self, bench: Bench) -> None:
        first, second = await bench.put(2, slots=ONE)
        await bench.store.cancel(first, None, None, None)
        assert (await bench.take_one()).task_id == second

    async def test_a_canceled_task_in_the_line_leaves_it(self, bench: Bench) -> None:
        _, second, third = await bench.put(3, slots=ONE)
        await bench.store.cancel(second, None, None, None)
        await bench.settle(await bench.take_one())
        assert (await bench.take_one()).task_id == third

    @pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.RETRY, Outcome.RELEASED])
    async def test_a_canceled_task_that_runs_holds_its_slot_until_the_worker_lets_go(
        self, bench: Bench, outcome: Outcome
    ) -> None:
        first, second = await bench.put(2, slots=ONE)
        held = await bench.take_one()
        await bench.store.cancel(first, None, None, None)
        await bench.store.tidy()
        assert await kinds(bench, [second]) == [PlaceKind.PARKED]
        assert not await bench.settle(held, outcome)
        assert (await bench.take_one()).task_id == second

    @pytest.mark.parametrize("visibility", [None, 10.0])
    async def test_a_crash_frees_the_slot_of_a_canceled_task(self, bench: Bench, visibility: float | None) -> None:
        first, second = await bench.put(2, slots=ONE)
        await bench.take_one(visibility=visibility)
        await bench.store.cancel(first, None, None, None)
        await bench.pass_silently()
        await recover(Engine(bench.store))
        await bench.store.tidy()
        other = await bench.register()
        assert [held.task_id for held in await bench.take(5, other)] == [second]
        assert await bench.state(first) is State.CANCELED

    async def test_a_crash_for_good_frees_the_slot(self, bench: Bench) -> None:
        _, second = await bench.put(2, slots=ONE)
        held = await bench.take_one()
        await bench.store.bury(bench.worker_id, None)
        await bench.store.settle(None, [held.settlement(Outcome.FAILED)], [held.claim_id])
        assert (await bench.take_one(await bench.register())).task_id == second

    async def test_a_retry_stands_in_line_again(self, bench: Bench) -> None:
        first, second = await bench.put(2, slots=ONE)
        await bench.settle(await bench.take_one(), Outcome.RETRY, delay_us=0)
        await bench.store.promote(10)
        assert await kinds(bench, [first, second]) == [PlaceKind.PARKED, PlaceKind.READY]
        await bench.settle(await bench.take_one())
        assert (await bench.take_one()).task_id == first

    async def test_a_hurried_retry_stands_in_line_too(self, bench: Bench) -> None:
        first, _ = await bench.put(2, slots=ONE)
        await bench.settle(await bench.take_one(), Outcome.RETRY, delay_us=SECOND)
        assert await bench.store.hurry(first)
        assert await kinds(bench, [first]) == [PlaceKind.PARKED]

    async def test_a_requeued_task_stands_in_line_again(self, bench: Bench) -> None:
        first, _ = await bench.put(2, slots=ONE)
        await bench.settle(await bench.take_one(), Outcome.FAILED)
        await bench.store.requeue([first], "me", "again", None)
        assert await kinds(bench, [first]) == [PlaceKind.PARKED]

    async def test_tidying_changes_nothing_where_all_is_well(self, bench: Bench) -> None:
        ids = await bench.put(3, slots=ONE)
        before = await bench.store.facts(ids)
        await bench.store.tidy()
        assert await bench.store.facts(ids) == before


class TestContention(Suite):
    """`contention`."""

    async def test_a_parked_task_waits_for_its_limits_holders(self, bench: Bench) -> None:
        first = await bench.put_one(slots=TWO)
        second = await bench.put_one(slots=TWO)
        parked = await bench.put_one(slots=(*TWO, SlotKey("wide", 3)))
        await bench.take_one()
        assert await bench.store.contention(parked, 10) == Contention(
            "two", "", 0, 1, [Taken("two", 2, 2, 2, [first, second]), Taken("wide", 3, 0, 0, [])]
        )
        shortened = await bench.store.contention(parked, 1)
        assert shortened is not None
        assert shortened.limits[0] == Taken("two", 2, 2, 2, [first])

    async def test_it_stands_behind_its_own_among_the_others(self, bench: Bench) -> None:
        holder = await bench.put_one(slots=ONE, fairness_key="a")
        await bench.put(3, slots=ONE, fairness_key="a")
        await bench.put(5, slots=ONE, fairness_key="b")
        bench.clock.move(1)
        last = await bench.put_one(slots=ONE, fairness_key="a")
        first = await bench.put_one(slots=ONE, fairness_key="b", priority=Priority.CRITICAL)
        of_a, of_b = Taken("one", 1, 1, 1, [holder]), Taken("one", 1, 1, 0, [holder])
        assert await bench.store.contention(last, 10) == Contention("one", "a", 3, 2, [of_a])
        assert await bench.store.contention(first, 10) == Contention("one", "b", 0, 2, [of_b])

    async def test_who_is_not_parked_waits_for_nobody(self, bench: Bench) -> None:
        ready = await bench.put_one(slots=ONE)
        assert await bench.store.contention(ready, 10) is None
        assert await bench.store.contention(5, 10) is None
