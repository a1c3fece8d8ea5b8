# ruff: noqa: D102, S101 - the tests' names are the promises
"""Workers that live and die, and what becomes of their tasks."""

from __future__ import annotations

import pytest

from taskyard.contracts.records import LostTask
from taskyard.domain.facts import PlaceKind
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.domain.queue import LaneKey, Queue
from taskyard.engine.engine import Engine
from taskyard.engine.recover import recover
from taskyard.testing.conformance.store.bench import POLICY, Bench, worker_info
from taskyard.testing.conformance.store.fixtures import Suite


async def lost_ids(bench: Bench) -> list[int]:
    """The ids of the lost tasks."""
    return [task.task_id for task in await bench.store.lost(100)]


class TestWorkers(Suite):
    """`register`, `beat`, `bury` and `workers`."""

    async def test_a_worker_is_told_as_it_registered(self, bench: Bench) -> None:
        started_at = bench.clock.now()
        bench.clock.move(2)
        assert await bench.store.beat(bench.worker_id, [], {"cpu": 0.5})
        await bench.put(2)
        await bench.take(2)
        (row,) = await bench.store.workers()
        assert row == (bench.worker_id, worker_info("worker"), started_at, bench.clock.now(), 2, {"cpu": 0.5})

    async def test_processes_are_told_apart_even_by_the_same_name(self, bench: Bench) -> None:
        assert await bench.register("worker", pid=1) != bench.worker_id
        assert len(await bench.store.workers()) == 2

    async def test_an_http_worker_is_known_by_its_name(self, bench: Bench) -> None:
        one = await bench.register("curl", pid=0)
        bench.clock.move(1)
        newer = worker_info("curl", pid=0)._replace(version="2.0", slots=9)
        assert await bench.store.register(newer) == one
        assert await bench.register("wget", pid=0) != one
        row = next(row for row in await bench.store.workers() if row.id == one)
        assert (row.info, row.beat_at) == (newer, bench.clock.now())

    async def test_a_buried_worker_is_gone(self, bench: Bench) -> None:
        await bench.store.bury(bench.worker_id, None)
        assert await bench.store.workers() == []
        assert not await bench.store.beat(bench.worker_id, [], {})

    async def test_a_silent_worker_is_gone(self, bench: Bench) -> None:
        living = await bench.register("living")
        await bench.pass_silently(living)
        assert [row.id for row in await bench.store.workers()] == [living]

    async def test_a_worker_that_was_given_up_claims_nothing(self, bench: Bench) -> None:
        id_ = await bench.put_one()
        await bench.store.bury(bench.worker_id, None)
        assert await bench.take() == []
        assert (await bench.take_one(await bench.register())).task_id == id_

    async def test_an_http_worker_that_waits_for_long_still_claims(self, bench: Bench) -> None:
        worker = await bench.register("curl", pid=0)
        await bench.pass_silently(bench.worker_id)
        await bench.store.lost(10)
        id_ = await bench.put_one()
        assert (await bench.take_one(worker, visibility=60)).task_id == id_

    async def test_an_unknown_worker_has_no_beat(self, bench: Bench) -> None:
        assert not await bench.store.beat(bench.worker_id + 1000, [], {})


class TestLost(Suite):
    """`lost`: tasks whose lease has ended without a word."""

    async def test_a_living_worker_loses_nothing(self, bench: Bench) -> None:
        await bench.running()
        await bench.pass_silently(bench.worker_id)
        assert await lost_ids(bench) == []

    async def test_a_silent_worker_loses_all_it_holds(self, bench: Bench) -> None:
        ids = await bench.put(2)
        one, two = await bench.take(2)
        await bench.pass_silently()
        lane = await bench.lane()
        assert sorted(await bench.store.lost(10)) == sorted(
            LostTask(one.claim_id, id_, 1, lane, bench.policy_id, 0, 0, True) for id_ in ids
        )
        await bench.settle(two)
        assert await lost_ids(bench) == [one.task_id]

    async def test_a_buried_worker_loses_all_it_holds_at_once(self, bench: Bench) -> None:
        held = await bench.running()
        await bench.store.bury(bench.worker_id, None)
        assert await lost_ids(bench) == [held.task_id]

    async def test_no_more_than_the_limit(self, bench: Bench) -> None:
        await bench.put(3)
        await bench.take(3)
        await bench.store.bury(bench.worker_id, None)
        assert len(await bench.store.lost(2)) == 2

    async def test_budgets_are_told(self, bench: Bench) -> None:
        await bench.settle(await bench.running(), Outcome.RELEASED, failures=2, losses=1)
        await bench.take_one()
        await bench.store.bury(bench.worker_id, None)
        (task,) = await bench.store.lost(10)
        assert (task.attempt, task.failures, task.losses) == (2, 2, 1)

    @pytest.mark.parametrize("supervised", [True, False])
    async def test_only_a_supervised_workers_last_words_tell_what_had_started(
        self, bench: Bench, supervised: bool
    ) -> None:
        await bench.put(2)
        worker = await bench.register(supervised=supervised)
        running, waiting = await bench.take(2, worker)
        await bench.store.bury(worker, [running.task_id])
        started = {task.task_id: task.started for task in await bench.store.lost(10)}
        assert started == {running.task_id: True, waiting.task_id: not supervised}

    @pytest.mark.parametrize("crashed", [True, False])
    async def test_what_is_lost_tells_whether_its_worker_crashed(self, bench: Bench, crashed: bool) -> None:
        await bench.put(1)
        (held,) = await bench.take(1)
        await bench.store.bury(bench.worker_id, [held.task_id], crashed=crashed)
        (lost,) = await bench.store.lost(10)
        assert lost.crashed is crashed

    async def test_without_last_words_the_last_beat_tells(self, bench: Bench) -> None:
        await bench.put(2)
        worker = await bench.register(supervised=True)
        running, waiting = await bench.take(2, worker)
        await bench.store.beat(worker, [running.task_id], {})
        await bench.store.bury(worker, None)
        started = {task.task_id: task.started for task in await bench.store.lost(10)}
        assert started == {running.task_id: True, waiting.task_id: False}

    async def test_a_visibility_that_runs_out_ends_the_lease_of_a_living_worker(self, bench: Bench) -> None:
        id_ = await bench.put_one()
        await bench.take_one(visibility=10)
        bench.clock.move(9)
        await bench.store.beat(bench.worker_id, [], {})
        assert await lost_ids(bench) == []
        bench.clock.move(1)
        (task,) = await bench.store.lost(10)
        assert (task.task_id, task.started) == (id_, True)

    async def test_a_visibility_outlasts_the_workers_silence(self, bench: Bench) -> None:
        await bench.put_one()
        await bench.take_one(visibility=60)
        await bench.pass_silently()
        assert await lost_ids(bench) == []

    @pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.FAILED, Outcome.ASSIGNED, Outcome.RETRY])
    async def test_what_has_left_its_claim_is_not_lost(self, bench: Bench, outcome: Outcome) -> None:
        held = await bench.running()
        await bench.settle(held, outcome, delay_us=0)
        await bench.store.bury(bench.worker_id, [held.task_id])
        assert await lost_ids(bench) == []

    async def test_a_canceled_task_is_not_lost(self, bench: Bench) -> None:
        held = await bench.running()
        await bench.store.cancel(held.task_id, None, None, None)
        await bench.store.bury(bench.worker_id, None)
        assert await lost_ids(bench) == []


class TestRecover(Suite):
    """What recovery makes of lost tasks."""

    async def test_a_lost_task_comes_back_alone_and_charged(self, bench: Bench) -> None:
        held = await bench.running()
        await bench.pass_silently()
        assert await recover(Engine(bench.store)) == 1
        place = await bench.place(held.task_id)
        assert (place.kind, place.attempt, place.failures, place.losses) == (PlaceKind.READY, 2, 0, 1)
        again = await bench.take_one(await bench.register())
        lanes = dict(await bench.store.all_lanes())
        assert lanes[again.task.lane_id] == LaneKey(Queue.AUTOMATED, Queue.AUTOMATED, "report", 2, True)
        assert await bench.event_types(held.task_id) == [
            EventType.CREATED, EventType.STARTED, EventType.REQUEUED, EventType.STARTED,
        ]  # fmt: skip

    async def test_a_task_that_had_not_started_is_not_charged(self, bench: Bench) -> None:
        await bench.put_one()
        worker = await bench.register(supervised=True)
        held = await bench.take_one(worker)
        await bench.store.bury(worker, [])
        await recover(Engine(bench.store))
        again = await bench.take_one()
        assert (again.task_id, again.task.lane_id, again.task.losses) == (held.task_id, held.task.lane_id, 0)
        (attempt,) = await bench.store.attempts(held.task_id)
        assert attempt.outcome is Outcome.RELEASED

    async def test_a_task_that_keeps_losing_its_workers_fails(self, bench: Bench) -> None:
        id_ = await bench.put_one()
        for number in range(POLICY.max_deliveries):
            worker = await bench.register(f"doomed {number}")
            await bench.take_one(worker)
            await bench.store.bury(worker, None)
            await recover(Engine(bench.store))
        assert await bench.state(id_) is State.FAILED
        outcomes = [attempt.outcome for attempt in await bench.store.attempts(id_)]
        assert outcomes == [Outcome.LOST, Outcome.LOST, Outcome.FAILED]

    async def test_a_worker_that_was_given_up_cannot_move_what_it_held(self, bench: Bench) -> None:
        held = await bench.running()
        await bench.pass_silently()
        await recover(Engine(bench.store))
        assert not await bench.settle(held)
        assert await bench.state(held.task_id) is State.PENDING

    async def test_a_worker_learns_that_its_tasks_were_taken(self, bench: Bench) -> None:
        held = await bench.running()
        await bench.pass_silently()
        await recover(Engine(bench.store))
        assert not await bench.store.beat(bench.worker_id, [held.task_id], {})
        assert await bench.store.revoked(bench.worker_id) == []

    async def test_a_visibility_is_recovered_too(self, bench: Bench) -> None:
        await bench.put_one()
        held = await bench.take_one(visibility=10)
        bench.clock.move(10)
        await recover(Engine(bench.store))
        assert not await bench.settle(held)
        assert (await bench.take_one()).task_id == held.task_id

    async def test_nothing_is_recovered_twice(self, bench: Bench) -> None:
        await bench.running()
        await bench.pass_silently()
        assert await recover(Engine(bench.store)) == 1
        assert await recover(Engine(bench.store)) == 0
