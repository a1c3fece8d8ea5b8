# ruff: noqa: D102, S101 - the tests' names are the promises
"""Leasing tasks: which, in which order, and what the lease says."""

from __future__ import annotations

from typing import Any

import pytest

from taskyard.contracts.records import Claimed
from taskyard.domain import sequence
from taskyard.domain.facts import PlaceKind
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.domain.priority import AGED, STRICT, HeadStarts, Priority
from taskyard.domain.queue import Queue
from taskyard.testing.conformance.store.bench import HOUR, SECOND, Bench, Held
from taskyard.testing.conformance.store.fixtures import Suite


def ids(held: list[Held]) -> list[int]:
    """The tasks' ids."""
    return [task.task_id for task in held]


class TestClaim(Suite):
    """`claim`."""

    async def test_there_may_be_nothing(self, bench: Bench) -> None:
        lane = await bench.lane()
        assert await bench.store.claim(bench.worker_id, [lane], 5) is None
        assert await bench.store.claim(bench.worker_id, [], 5) is None

    async def test_a_lane_is_first_in_first_out(self, bench: Bench) -> None:
        wanted = await bench.put(3)
        bench.clock.move(1)
        wanted += await bench.put(2)
        assert ids(await bench.take(4)) + ids(await bench.take(4)) == wanted

    async def test_no_more_than_the_limit(self, bench: Bench) -> None:
        wanted = await bench.put(5)
        assert ids(await bench.take(2)) == wanted[:2]
        assert ids(await bench.take(2)) == wanted[2:4]

    async def test_nothing_is_leased_twice(self, bench: Bench) -> None:
        await bench.put(2)
        await bench.take(2)
        assert await bench.take(2, await bench.register()) == []

    async def test_only_the_lanes_asked_for(self, bench: Bench) -> None:
        low = await bench.lane(Priority.LOW)
        await bench.put(1, priority=Priority.HIGH)
        id_ = await bench.put_one(priority=Priority.LOW)
        assert ids(await bench.take(5, lanes=[low])) == [id_]

    async def test_a_lease_tells_all_about_its_tasks(self, bench: Bench) -> None:
        said: dict[str, Any] = {
            "input": b"[1]", "extra": b"{}", "workflow_id": "w", "correlation_id": "c", "cause_type": "t",
            "cause": "e", "parent_id": 77,
        }  # fmt: skip
        id_ = await bench.put_one(priority=Priority.HIGH, **said)
        queued_at = bench.clock.now()
        bench.clock.move(2)
        lane = await bench.lane(Priority.HIGH)
        lease = await bench.store.claim(bench.worker_id, [lane], 1)
        assert lease is not None
        assert lease.claimed_at == bench.clock.now()
        assert lease.tasks == [
            Claimed(id_, 1, lane, bench.kind.id, bench.policy_id, Priority.HIGH, 0, 0, queued_at, **said)
        ]

    async def test_a_leased_task_is_running(self, bench: Bench) -> None:
        id_ = await bench.put_one()
        bench.clock.move(1)
        await bench.take_one()
        place = await bench.place(id_)
        assert (place.kind, place.at, place.attempt) == (PlaceKind.RUNNING, bench.clock.now(), 1)
        assert (place.worker, place.expires_at) == ("worker", None)
        assert await bench.state(id_) is State.RUNNING
        assert await bench.store.running([id_, 5]) == [(id_, place)]

    async def test_each_lease_emits_started(self, bench: Bench) -> None:
        held = await bench.running()
        await bench.settle(held, Outcome.RELEASED)
        await bench.take_one()
        started = [s for type_, s in await bench.events(held.task_id) if type_ is EventType.STARTED]
        assert started == [sequence.started(1), sequence.started(2)]

    async def test_a_visibility_ends_the_lease(self, bench: Bench) -> None:
        id_ = await bench.put_one()
        await bench.take_one(visibility=30)
        assert (await bench.place(id_)).expires_at == bench.clock.now() + 30 * SECOND


class TestOrder(Suite):
    """The order of lanes."""

    async def test_higher_priorities_go_first(self, bench: Bench) -> None:
        wanted = {}
        for priority in Priority:
            wanted[priority] = await bench.put(2, priority=priority)
            bench.clock.move(1)
        assert ids(await bench.take(8)) == [
            id_ for priority in sorted(wanted, reverse=True) for id_ in wanted[priority]
        ]

    @pytest.mark.parametrize(
        ("early", "late"),
        [(Priority.LOW, Priority.MEDIUM), (Priority.MEDIUM, Priority.HIGH), (Priority.HIGH, Priority.CRITICAL)],
    )
    async def test_a_head_start_is_worth_its_time(self, bench: Bench, early: Priority, late: Priority) -> None:
        head_start = (AGED[late] - AGED[early]) / SECOND
        first = await bench.put_one(priority=early)
        bench.clock.move(head_start - 1)
        within = await bench.put_one(priority=late)
        assert ids(await bench.take()) == [within]
        bench.clock.move(2)
        await bench.put_one(priority=late)
        assert ids(await bench.take()) == [first]

    async def test_low_is_reached_in_bounded_time_however_much_else_comes(self, bench: Bench) -> None:
        low = await bench.put_one(priority=Priority.LOW)
        hours = await _hours_until(bench, low, AGED, most=30)
        assert hours is not None
        assert hours <= 26  # the head start of CRITICAL, LOW's own, and one until it is looked at

    async def test_where_priority_is_strict_low_waits_for_as_long_as_there_is_anything_else(self, bench: Bench) -> None:
        low = await bench.put_one(priority=Priority.LOW)
        assert await _hours_until(bench, low, STRICT, most=200) is None
        await bench.take(1000, lanes=[await bench.lane(priority) for priority in set(Priority) - {Priority.LOW}])
        assert ids(await bench.take()) == [low]

    async def test_strict_is_by_priority_and_then_first_in_first_out(self, bench: Bench) -> None:
        wanted = {}
        for priority in sorted(Priority):
            wanted[priority] = await bench.put(2, priority=priority)
            bench.clock.move(100 * HOUR / SECOND)
        assert ids(await bench.take(8, head_starts=STRICT)) == [
            id_ for priority in sorted(wanted, reverse=True) for id_ in wanted[priority]
        ]

    async def test_due_retries_go_before_everything(self, bench: Bench) -> None:
        retried = await bench.running(priority=Priority.LOW)
        urgent = await bench.put_one(priority=Priority.CRITICAL)
        bench.clock.move(60)
        lane_id = await bench.lane(Priority.LOW, Queue.RETRY)
        await bench.settle(retried, Outcome.RETRY, delay_us=SECOND, failures=1, lane_id=lane_id)
        bench.clock.move(1)
        await bench.store.promote(10)
        assert ids(await bench.take(2)) == [retried.task_id, urgent]

    async def test_a_paused_queue_gives_nothing(self, bench: Bench) -> None:
        id_ = await bench.put_one()
        await bench.store.pause(Queue.AUTOMATED, True)
        assert await bench.take() == []
        assert await bench.state(id_) is State.PENDING
        await bench.store.pause(Queue.AUTOMATED, False)
        assert ids(await bench.take()) == [id_]

    async def test_a_pause_stops_only_its_queue(self, bench: Bench) -> None:
        await bench.put(1)
        retry = await bench.put_one(lane_id=await bench.lane(queue=Queue.RETRY))
        await bench.store.pause(Queue.AUTOMATED, True)
        assert ids(await bench.take(2)) == [retry]

    async def test_a_paused_queue_still_lets_running_tasks_end(self, bench: Bench) -> None:
        held = await bench.running()
        await bench.store.pause(Queue.AUTOMATED, True)
        assert await bench.settle(held)


async def _hours_until(bench: Bench, wanted: int, head_starts: HeadStarts, most: int) -> int | None:
    """The hours until a task is claimed, while each brings more tasks of every higher priority than are claimed."""
    for hour in range(most):
        for priority in set(Priority) - {Priority.LOW}:
            await bench.put(1, priority=priority)
        if wanted in ids(await bench.take(2, head_starts=head_starts)):
            return hour
        bench.clock.move(HOUR / SECOND)
    return None
