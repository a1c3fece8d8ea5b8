# ruff: noqa: D102, S101 - the tests' names are the promises
"""The five queues' figures."""

from __future__ import annotations

from taskyard.contracts.records import QueueRow, SlotKey, Turn
from taskyard.contracts.store import Store
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.priority import Priority
from taskyard.domain.queue import Queue
from taskyard.testing.conformance.store.bench import SECOND, Bench
from taskyard.testing.conformance.store.fixtures import Suite
from taskyard.testing.conformance.store.moves import ENDS, PLACES, one_of_each


async def row(bench: Bench, queue: Queue = Queue.AUTOMATED) -> QueueRow:
    """A queue's figures."""
    return next(row for row in await bench.store.queues() if row.queue == queue)


class TestQueues(Suite):
    """`queues`, `pause` and `rates`."""

    async def test_there_are_five(self, store: Store) -> None:
        assert sorted(await store.queues()) == [QueueRow(queue, False, 0, 0, None, 0) for queue in Queue]

    async def test_waiting_and_leased_tasks_are_counted(self, bench: Bench) -> None:
        await bench.running()
        bench.clock.move(5)
        await bench.put(1)
        bench.clock.move(5)
        await bench.put(2, priority=Priority.HIGH)
        bench.clock.move(1)
        assert await row(bench) == QueueRow(Queue.AUTOMATED, False, 3, 1, 6 * SECOND, 1)

    async def test_tasks_that_wait_for_a_slot_wait_too(self, bench: Bench) -> None:
        await bench.running(slots=(SlotKey("one", 1),))
        await bench.put_one(slots=(SlotKey("one", 1),))
        bench.clock.move(5)
        assert await row(bench) == QueueRow(Queue.AUTOMATED, False, 1, 1, 5 * SECOND, 1)

    async def test_delayed_retrying_open_and_ended_tasks_do_not_wait(self, bench: Bench) -> None:
        await bench.put(1, run_at=bench.clock.now() + SECOND)
        await bench.ended(Outcome.RETRY)
        await bench.opened()
        await bench.ended()
        assert await row(bench) == QueueRow(Queue.AUTOMATED, False, 0, 0, None, 0)

    async def test_due_retries_wait_in_the_retry_queue(self, bench: Bench) -> None:
        held = await bench.running()
        lane_id = await bench.lane(queue=Queue.RETRY)
        await bench.settle(held, Outcome.RETRY, delay_us=0, lane_id=lane_id)
        await bench.store.promote(1)
        assert (await row(bench, Queue.RETRY)).depth == 1
        assert (await row(bench)).depth == 0

    async def test_dead_letters_are_counted(self, bench: Bench) -> None:
        await bench.ended(Outcome.FAILED)
        bench.clock.move(5)
        await bench.ended(Outcome.FAILED)
        assert await row(bench, Queue.DEADLETTER) == QueueRow(Queue.DEADLETTER, False, 2, 0, 5 * SECOND, 0)

    async def test_a_canceled_task_is_no_longer_in_flight(self, bench: Bench) -> None:
        held = await bench.running()
        await bench.store.cancel(held.task_id, None, None, None)
        assert (await row(bench)).in_flight == 0

    async def test_a_pause_is_told(self, bench: Bench) -> None:
        await bench.store.pause(Queue.MANUAL, True)
        await bench.store.pause(Queue.MANUAL, True)
        assert [row.queue for row in await bench.store.queues() if row.paused] == [Queue.MANUAL]
        await bench.store.pause(Queue.MANUAL, False)
        assert not (await row(bench, Queue.MANUAL)).paused

    async def test_rates_count_what_came_and_what_went(self, bench: Bench) -> None:
        await bench.put(2)
        await bench.take_one()
        bench.clock.move(100)
        await bench.put(3)
        await bench.take(2)
        added, dispatched = (await bench.store.rates(60))[Queue.AUTOMATED]
        assert (added, dispatched) == (3, 2)
        assert (await bench.store.rates(200))[Queue.AUTOMATED] == (5, 3)
        assert (await bench.store.rates(60)).get(Queue.MANUAL, (0, 0)) == (0, 0)


class TestTurn(Suite):
    """`turn`."""

    async def test_it_is_the_number_of_tasks_before(self, bench: Bench) -> None:
        ids = await bench.put(3)
        await bench.put(1, priority=Priority.HIGH)
        assert [await bench.store.turn(id_) for id_ in ids] == [Turn(Queue.AUTOMATED, n) for n in range(3)]
        await bench.take(1, lanes=[await bench.lane()])
        assert [await bench.store.turn(id_) for id_ in ids[1:]] == [Turn(Queue.AUTOMATED, n) for n in range(2)]

    async def test_it_names_the_queue_where_the_task_waits(self, bench: Bench) -> None:
        id_ = await bench.put_one(lane_id=await bench.lane(queue=Queue.RETRY))
        assert await bench.store.turn(id_) == Turn(Queue.RETRY, 0)

    async def test_who_does_not_queue_has_no_turn(self, bench: Bench) -> None:
        for place, id_ in (await one_of_each(bench, ENDS | PLACES, "ready")).items():
            assert await bench.store.turn(id_) is None, place
        assert await bench.store.turn(5) is None
