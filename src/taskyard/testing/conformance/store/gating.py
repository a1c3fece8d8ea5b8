# ruff: noqa: D102, S101 - the tests' names are the promises
"""Claims through gates: rates, ceilings, and lanes that have neither."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from itertools import accumulate

import pytest

from taskyard.contracts.connections import AtWork, Begun
from taskyard.domain.gate import CallGate, Ceiling, Gate, GatedLane, RateGate
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.priority import STRICT, Priority
from taskyard.domain.queue import Queue
from taskyard.domain.rate import Rate, parse_rate
from taskyard.testing.conformance.store.bench import SECOND, Bench, Held
from taskyard.testing.conformance.store.fixtures import OpenStore, Suite
from taskyard.testing.conformance.store.sharing import crew

TEN = RateGate("report", parse_rate("10/s"))
HOURLY = RateGate("report", parse_rate("5/h"))
THREE = Ceiling(Queue.AUTOMATED, 3)
TWO_CALLS = CallGate("billing", 2)


async def gated(bench: Bench, *gates: Gate) -> list[GatedLane]:
    """The lanes of the bench's definition at all priorities, behind these gates."""
    return [GatedLane(await bench.lane(priority), gates) for priority in Priority]


async def over_billing(bench: Bench, definition: str = "report") -> GatedLane:
    """A lane of tasks that go over the connection, behind its gate."""
    return GatedLane(await bench.lane(definition=definition, connection="billing"), (TWO_CALLS,))


async def let_through(
    bench: Bench, lanes: Sequence[GatedLane], limit: int = 100, worker_id: int | None = None
) -> tuple[list[Held], dict[RateGate, int]]:
    """Claim through gates: what was leased, and when those that are shut open."""
    worker = bench.worker_id if worker_id is None else worker_id
    lease, opens_at = await bench.store.claim_gated(worker, lanes, limit)
    return [] if lease is None else [Held(worker, lease.id, task) for task in lease.tasks], opens_at


class TestRate(Suite):
    """Gates of a rate."""

    async def test_a_burst_of_a_second_starts_at_once_and_then_no_more_than_the_rate(self, bench: Bench) -> None:
        ids = await bench.put(20)
        lanes = await gated(bench, TEN)
        held, opens_at = await let_through(bench, lanes)
        assert [one.task_id for one in held] == ids[:10]
        assert opens_at == {TEN: bench.clock.now() + SECOND // 10}
        assert await let_through(bench, lanes) == ([], opens_at)
        bench.clock.move(0.25)
        held, opens_at = await let_through(bench, lanes)
        assert [one.task_id for one in held] == ids[10:12]
        assert opens_at == {TEN: bench.clock.now() + SECOND // 20}

    async def test_who_has_no_task_passes_the_same_rate(self, bench: Bench) -> None:
        passed = await asyncio.gather(*(bench.store.begin_call([TEN], SECOND) for _ in range(4)))
        assert all(begun.call_id is not None for begun in passed)
        ids = await bench.put(9)
        held, opens_at = await let_through(bench, await gated(bench, TEN))
        assert [one.task_id for one in held] == ids[:6]
        assert await bench.store.begin_call([TEN], SECOND) == Begun(None, TEN, opens_at[TEN])
        assert opens_at[TEN] == bench.clock.now() + SECOND // 10
        bench.clock.move(0.1)
        assert (await bench.store.begin_call([TEN], SECOND)).call_id is not None

    async def test_when_a_rate_lets_the_next_one_pass_can_be_asked(self, bench: Bench) -> None:
        assert await bench.store.rate_opens_at(TEN) == bench.clock.now()
        await bench.put(11)
        _, opens_at = await let_through(bench, await gated(bench, TEN))
        assert await bench.store.rate_opens_at(TEN) == opens_at[TEN] == bench.clock.now() + SECOND // 10

    async def test_only_what_was_claimed_counts(self, bench: Bench) -> None:
        lanes = await gated(bench, TEN)
        assert await let_through(bench, lanes) == ([], {})
        await bench.put(3)
        assert len((await let_through(bench, lanes))[0]) == 3
        await bench.put(20)
        assert len((await let_through(bench, lanes))[0]) == 7

    async def test_a_limit_below_the_rate_is_kept_and_shuts_nothing(self, bench: Bench) -> None:
        await bench.put(20)
        held, opens_at = await let_through(bench, await gated(bench, TEN), 4)
        assert (len(held), opens_at) == (4, {})

    async def test_all_priorities_and_due_retries_of_a_definition_share_its_rate(self, bench: Bench) -> None:
        for priority in Priority:
            await bench.put(5, priority=priority)
        retries = await bench.lane(Priority.LOW, Queue.RETRY)
        (retry,) = await bench.put(1, lane_id=retries)
        held, _ = await let_through(bench, [*await gated(bench, TEN), GatedLane(retries, (TEN,))])
        assert len(held) == 10
        assert held[0].task_id == retry
        assert {one.task.priority for one in held[1:]} == {Priority.CRITICAL, Priority.HIGH}

    async def test_definitions_have_a_rate_each(self, bench: Bench) -> None:
        other = RateGate("other", parse_rate("5/s"))
        lane = await bench.lane(definition="other")
        await bench.put(20)
        await bench.put(20, lane_id=lane)
        held, opens_at = await let_through(bench, [*await gated(bench, TEN), GatedLane(lane, (other,))])
        assert sum(one.task.lane_id == lane for one in held) == 5
        assert len(held) == 15
        assert opens_at.keys() == {TEN, other}

    async def test_another_rate_holds_at_once_for_those_who_wait(self, bench: Bench) -> None:
        await bench.put(50)
        assert len((await let_through(bench, await gated(bench, HOURLY)))[0]) == 1
        bench.clock.move(1)
        held, opens_at = await let_through(bench, await gated(bench, TEN))
        assert opens_at == {TEN: bench.clock.now() + SECOND // 10}
        bench.clock.move(1)
        assert len((await let_through(bench, await gated(bench, TEN)))[0]) == 10
        held, opens_at = await let_through(bench, await gated(bench, HOURLY))
        assert held == []
        assert bench.clock.now() < opens_at[HOURLY] <= bench.clock.now() + 720 * SECOND

    @pytest.mark.parametrize("seed", range(5))
    async def test_no_stretch_of_time_sees_more_starts_than_the_rate_and_a_burst(self, bench: Bench, seed: int) -> None:
        await walk([bench] * 3, seed)


class TestClaimersAtGates(Suite):
    """Several claimers at once, each with a store of its own."""

    @pytest.mark.parametrize("seed", range(5))
    async def test_together_they_start_no_more_than_the_rate_and_a_burst(
        self, bench: Bench, open_store: OpenStore, seed: int
    ) -> None:
        await walk(await crew(bench, open_store), seed)

    async def test_together_they_run_no_more_than_the_ceiling(self, bench: Bench, open_store: OpenStore) -> None:
        ids = await bench.put(40)
        lanes = await gated(bench, THREE)
        running = 0
        done: list[int] = []

        async def work(worker: Bench) -> None:
            nonlocal running
            while len(done) < len(ids):
                held, _ = await let_through(worker, lanes, 2)
                running += len(held)
                assert running <= 3
                await asyncio.sleep(0)
                for one in held:
                    running -= 1
                    done.append(one.task_id)
                ways_out = [one.settlement(Outcome.COMPLETED) for one in held]
                await worker.store.settle(worker.worker_id, ways_out, sorted({one.claim_id for one in held}))

        await asyncio.gather(*map(work, await crew(bench, open_store)))
        assert sorted(done) == ids

    async def test_together_they_make_no_more_calls_than_there_are_places(
        self, bench: Bench, open_store: OpenStore
    ) -> None:
        lanes = [await over_billing(bench)]
        await bench.put(9, lane_id=lanes[0].id)

        async def claim(worker: Bench) -> int:
            return len((await let_through(worker, lanes, 2))[0])

        async def call(worker: Bench) -> int:
            return int((await worker.store.begin_call([TWO_CALLS], SECOND)).call_id is not None)

        workers = await crew(bench, open_store)
        begun = sum(await asyncio.gather(*map(claim, workers), *map(call, workers)))
        at_work = await bench.store.at_work(TWO_CALLS, 2)
        assert 1 <= begun == at_work.tasks + at_work.calls <= 2


async def walk(workers: Sequence[Bench], seed: int) -> None:
    """All claim at once, again and again while time passes, and never get more than the rate allows."""
    chance = random.Random(seed)  # noqa: S311 - a seed makes it the same again
    gate = RateGate("report", parse_rate(chance.choice(["10/s", "7/s", "100/min"])))
    lanes = await gated(workers[0], gate)
    await workers[0].put(300)
    starts: list[tuple[int, int]] = []
    for _ in range(25):
        passed = await asyncio.gather(*(let_through(worker, lanes, chance.randint(1, 20)) for worker in workers))
        starts.append((workers[0].clock.now(), sum(len(held) for held, _ in passed)))
        workers[0].clock.move(chance.choice([0, 0.01, 0.1, 0.37, 1, 4]))
    _keeps_to(gate.rate, starts)


def _keeps_to(rate: Rate, starts: list[tuple[int, int]]) -> None:
    """In no stretch of time more than the rate and a burst, and in all of it about as many as it lets through."""
    sums = [0, *accumulate(count for _, count in starts)]
    for first, (begin, _) in enumerate(starts):
        for last in range(first, len(starts)):
            spell = starts[last][0] - begin
            assert sums[last + 1] - sums[first] <= rate.burst + spell * rate.number / rate.per_us
    assert sums[-1] >= rate.burst


class TestCallGate(Suite):
    """Gates of a connection: `claim_gated`, `begin_call`, `end_call` and `at_work`."""

    async def test_tasks_of_all_its_definitions_and_calls_share_its_places(self, bench: Bench) -> None:
        lanes = [await over_billing(bench), await over_billing(bench, "other")]
        for lane in lanes:
            await bench.put(2, lane_id=lane.id)
        begun = await bench.store.begin_call([TWO_CALLS], SECOND)
        assert begun.call_id is not None
        held, opens_at = await let_through(bench, lanes)
        assert (len(held), opens_at) == (1, {})
        assert await bench.store.begin_call([TWO_CALLS], SECOND) == Begun(None, TWO_CALLS, bench.clock.now())
        assert await bench.store.at_work(TWO_CALLS, 5) == AtWork([held[0].task_id], 1, 1)
        await bench.store.end_call(begun.call_id)
        assert len((await let_through(bench, lanes))[0]) == 1
        assert (await bench.store.at_work(TWO_CALLS, 1)).tasks == 2
        await bench.settle(held[0])
        assert (await bench.store.begin_call([TWO_CALLS], SECOND)).call_id is not None

    async def test_tasks_of_the_same_definition_that_go_elsewhere_do_not_count(self, bench: Bench) -> None:
        await bench.put(2)
        assert len(await bench.take(2)) == 2
        lane = await over_billing(bench)
        await bench.put(3, lane_id=lane.id)
        assert len((await let_through(bench, [lane]))[0]) == 2
        assert (await bench.store.at_work(TWO_CALLS, 5)).tasks == 2

    async def test_a_task_that_is_requeued_goes_over_the_connection_that_it_went_over(self, bench: Bench) -> None:
        lane = await over_billing(bench)
        id_ = await bench.put_one(lane_id=lane.id)
        held, _ = await let_through(bench, [lane])
        await bench.settle(held[0], Outcome.FAILED)
        assert (await bench.store.requeue([id_], "ann", "again", None)) == [id_]
        assert [one.task_id for one in (await let_through(bench, [lane]))[0]] == [id_]

    async def test_a_call_that_nobody_ends_counts_until_its_time_is_over(self, bench: Bench) -> None:
        for _ in range(2):
            assert (await bench.store.begin_call([TWO_CALLS], SECOND)).call_id is not None
        lanes = [await over_billing(bench)]
        await bench.put(3, lane_id=lanes[0].id)
        assert (await let_through(bench, lanes))[0] == []
        bench.clock.move(1)
        assert (await bench.store.at_work(TWO_CALLS, 5)).calls == 0
        assert len((await let_through(bench, lanes))[0]) == 2

    async def test_where_one_gate_is_shut_nothing_is_taken_of_another(self, bench: Bench) -> None:
        for _ in range(2):
            assert (await bench.store.begin_call([TWO_CALLS], SECOND)).call_id is not None
        for _ in range(3):
            assert (await bench.store.begin_call([HOURLY, TWO_CALLS], SECOND)).shut == TWO_CALLS
        assert await bench.store.rate_opens_at(HOURLY) == bench.clock.now()


class TestCeiling(Suite):
    """Gates of a task type."""

    async def test_no_more_are_under_lease_than_the_ceiling(self, bench: Bench) -> None:
        ids = await bench.put(5)
        lanes = await gated(bench, THREE)
        held, opens_at = await let_through(bench, lanes)
        assert ([one.task_id for one in held], opens_at) == (ids[:3], {})
        other = await bench.register()
        assert await let_through(bench, lanes, worker_id=other) == ([], {})
        await bench.store.settle(bench.worker_id, [held[0].settlement(Outcome.COMPLETED)], [])
        assert [one.task_id for one in (await let_through(bench, lanes, worker_id=other))[0]] == [ids[3]]

    async def test_who_was_claimed_without_a_gate_counts_too(self, bench: Bench) -> None:
        await bench.put(5)
        await bench.take(2)
        assert len((await let_through(bench, await gated(bench, THREE)))[0]) == 1

    async def test_only_tasks_of_that_home_count(self, bench: Bench) -> None:
        await bench.put(5)
        await bench.take(3)
        manual = GatedLane(await bench.lane(), (Ceiling(Queue.MANUAL, 1),))
        assert len((await let_through(bench, [manual]))[0]) == 1

    @pytest.mark.parametrize("outcome", [Outcome.RETRY, Outcome.FAILED, Outcome.RELEASED, Outcome.ASSIGNED])
    async def test_a_place_is_free_again_however_the_attempt_ended(self, bench: Bench, outcome: Outcome) -> None:
        await bench.put(5)
        lanes = await gated(bench, THREE)
        held, _ = await let_through(bench, lanes)
        retries = await bench.lane(queue=Queue.RETRY)
        for one in held:
            way_out = one.settlement(outcome, lane_id=retries if outcome is Outcome.RETRY else None)
            await bench.store.settle(bench.worker_id, [way_out], [])
        assert len((await let_through(bench, lanes))[0]) >= 2

    async def test_what_a_dead_worker_had_counts_until_it_is_recovered(self, bench: Bench) -> None:
        await bench.put(5)
        lanes = await gated(bench, THREE)
        await let_through(bench, lanes)
        other = await bench.register("other")
        await bench.store.bury(bench.worker_id, [])
        assert (await let_through(bench, lanes, worker_id=other))[0] == []
        lost = await bench.store.lost(10)
        back = [
            Held(bench.worker_id, task.claim_id, task).settlement(Outcome.RELEASED)  # type: ignore[arg-type]  # it has what a claimed one has
            for task in lost
        ]
        await bench.store.settle(None, back, [])
        assert len((await let_through(bench, lanes, worker_id=other))[0]) == 3

    async def test_a_parent_that_waits_for_its_subtask_does_not_count(self, bench: Bench) -> None:
        one = Ceiling(Queue.AUTOMATED, 1)
        lanes = await gated(bench, one)
        parent = await bench.put_one()
        assert len((await let_through(bench, lanes))[0]) == 1
        child = await bench.put_one(parent_id=parent)
        held, _ = await let_through(bench, lanes)
        assert [task.task_id for task in held] == [child]
        await bench.put(1)
        assert (await let_through(bench, lanes))[0] == []
        await bench.settle(held[0])
        assert (await let_through(bench, lanes))[0] == [], "the parent counts again"

    async def test_the_queue_tells_how_many_count(self, bench: Bench) -> None:
        await bench.put(2)
        retry = await bench.put_one(lane_id=await bench.lane(queue=Queue.RETRY))
        assert len(await bench.take(3)) == 3
        await bench.put(1, parent_id=retry)
        rows = {row.queue: row.running for row in await bench.store.queues()}
        assert (rows[Queue.AUTOMATED], rows[Queue.RETRY]) == (2, 0)


class TestGates(Suite):
    """Several gates, and none."""

    async def test_a_lane_may_have_both(self, bench: Bench) -> None:
        await bench.put(20)
        held, opens_at = await let_through(bench, await gated(bench, TEN, THREE))
        assert (len(held), opens_at) == (3, {})
        for one in held:
            await bench.store.settle(bench.worker_id, [one.settlement(Outcome.COMPLETED)], [])
        assert len((await let_through(bench, await gated(bench, TEN, Ceiling(Queue.AUTOMATED, 100))))[0]) == 7

    async def test_lanes_without_gates_have_their_turn_among_the_others(self, bench: Bench) -> None:
        free = await bench.lane(definition="free")
        behind = await bench.put(2)
        bench.clock.move(1)
        between = await bench.put(2, lane_id=free)
        bench.clock.move(1)
        urgent = await bench.put(1, priority=Priority.CRITICAL)
        lanes = [*await gated(bench, TEN), GatedLane(free)]
        assert [one.task_id for one in (await let_through(bench, lanes))[0]] == [*urgent, *behind, *between]

    async def test_lanes_without_gates_go_on_where_others_are_shut(self, bench: Bench) -> None:
        free = await bench.lane(definition="free")
        await bench.put(15)
        lanes = [*await gated(bench, TEN), GatedLane(free)]
        await let_through(bench, lanes)
        wanted = await bench.put(2, lane_id=free)
        held, opens_at = await let_through(bench, lanes)
        assert ([one.task_id for one in held], set(opens_at)) == (wanted, {TEN})

    async def test_where_nobody_waits_before_a_gate_nothing_is_leased(self, bench: Bench) -> None:
        free = await bench.lane(definition="free")
        await bench.put(2, lane_id=free)
        assert await let_through(bench, [*await gated(bench, TEN), GatedLane(free)]) == ([], {})

    async def test_a_paused_queue_gives_nothing(self, bench: Bench) -> None:
        await bench.put(2)
        lanes = await gated(bench, TEN, THREE)
        await bench.store.pause(Queue.AUTOMATED, True)
        assert await let_through(bench, lanes) == ([], {})
        await bench.store.pause(Queue.AUTOMATED, False)
        assert len((await let_through(bench, lanes))[0]) == 2

    async def test_a_lease_with_a_visibility_ends(self, bench: Bench) -> None:
        (id_,) = await bench.put(1)
        lease, _ = await bench.store.claim_gated(bench.worker_id, await gated(bench, TEN), 1, 30 * SECOND)
        assert lease is not None
        assert (await bench.place(id_)).expires_at == bench.clock.now() + 30 * SECOND

    async def test_priorities_may_be_strict_here_too(self, bench: Bench) -> None:
        low = await bench.put_one(priority=Priority.LOW)
        bench.clock.move(1000 * 86_400)
        high = await bench.put_one(priority=Priority.HIGH)
        lanes = await gated(bench, TEN)
        lease, _ = await bench.store.claim_gated(bench.worker_id, lanes, 1, None, STRICT)
        assert lease is not None
        assert [task.task_id for task in lease.tasks] == [high]
        assert [one.task_id for one in (await let_through(bench, lanes))[0]] == [low]
