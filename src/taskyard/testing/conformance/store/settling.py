# ruff: noqa: D102, S101 - the tests' names are the promises
"""Ways out of a claim."""

from __future__ import annotations

from typing import Any

import pytest

from taskyard.contracts.records import Opened
from taskyard.domain import sequence
from taskyard.domain.facts import AttemptFact, Place, PlaceKind
from taskyard.domain.lifecycle import OUTCOME_MOVES, EventType, Outcome, State
from taskyard.domain.queue import Queue
from taskyard.testing.conformance.store.bench import SECOND, WAYS_OUT, Bench, Held
from taskyard.testing.conformance.store.fixtures import Suite

OPENED = Opened("USER", "ada", None, "c-1", 7 * SECOND, 8 * SECOND)


def more(outcome: Outcome) -> dict[str, Any]:
    """What else a settlement with this outcome says."""
    return {"opened": OPENED} if outcome in (Outcome.ASSIGNED, Outcome.WAITING) else {}


async def trace(bench: Bench, task_id: int) -> tuple[Any, ...]:
    """All that is known of a task."""
    return await bench.facts(task_id), await bench.store.attempts(task_id), await bench.events(task_id)


class TestSettle(Suite):
    """`settle`."""

    async def test_each_outcome_makes_its_move(self, bench: Bench) -> None:
        for outcome in WAYS_OUT:
            held = await bench.running()
            assert await bench.settle(held, outcome, **more(outcome)), outcome
            move = OUTCOME_MOVES[outcome]
            assert await bench.state(held.task_id) is move.target, outcome
            events = await bench.events(held.task_id)
            assert [type_ for type_, _ in events[2:]] == list(move.events), outcome
            assert events[2][1] == sequence.settled(1), outcome
            assert [s for _, s in events] == sorted({s for _, s in events}), outcome
            assert await bench.store.running([held.task_id]) == [], outcome
            await bench.store.cancel(held.task_id, None, None, None)

    async def test_each_ended_attempt_is_kept(self, bench: Bench) -> None:
        for outcome in WAYS_OUT:
            held = await bench.running()
            started_at = bench.clock.now()
            bench.clock.move(3)
            await bench.settle(held, outcome, run_ms=2900, result=b"1", detail=b"{}", **more(outcome))
            now = bench.clock.now()
            fact = AttemptFact(held.task_id, 1, outcome, "worker", started_at, now, 2900, b"1", b"{}")
            assert await bench.store.attempts(held.task_id) == [fact], outcome
            assert (await bench.facts(held.task_id)).last == fact, outcome
            await bench.store.cancel(held.task_id, None, None, None)

    @pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.FALLBACK, Outcome.CANCELED])
    async def test_a_final_task_is_nowhere(self, bench: Bench, outcome: Outcome) -> None:
        id_ = await bench.ended(outcome)
        assert (await bench.facts(id_)).place is None

    async def test_a_failed_task_lies_in_the_dead_letters(self, bench: Bench) -> None:
        id_ = await bench.ended(Outcome.FAILED)
        place = await bench.place(id_)
        assert (place.kind, place.at, place.attempt) == (PlaceKind.DEAD, bench.clock.now(), 1)
        assert (await bench.events(id_))[-1] == (EventType.DEADLETTERED, sequence.dead_lettered(1))
        assert (await bench.store.dead(10, None, None)).ids == [id_]

    async def test_a_retry_waits_its_delay_with_its_budgets(self, bench: Bench) -> None:
        held = await bench.running()
        lane_id = await bench.lane(queue=Queue.RETRY)
        await bench.settle(held, Outcome.RETRY, delay_us=5 * SECOND, failures=2, losses=1, lane_id=lane_id)
        due = bench.clock.now() + 5 * SECOND
        assert await bench.place(held.task_id) == Place(PlaceKind.RETRYING, due, 2, 2, 1)
        bench.clock.move(5)
        await bench.store.promote(1)
        again = await bench.take_one()
        assert (again.task.lane_id, again.task.attempt, again.task.failures, again.task.losses) == (lane_id, 2, 2, 1)

    @pytest.mark.parametrize("outcome", [Outcome.LOST, Outcome.RELEASED])
    async def test_a_task_that_comes_back_keeps_its_turn(self, bench: Bench, outcome: Outcome) -> None:
        first, second = await bench.put(2)
        held = await bench.take_one()
        bench.clock.move(60)
        await bench.settle(held, outcome, failures=1, losses=1)
        assert await bench.place(first) == Place(PlaceKind.READY, held.task.queued_at, 2, 1, 1)
        again = await bench.take_one()
        assert (again.task_id, again.task.queued_at) == (first, held.task.queued_at)
        assert (await bench.take_one()).task_id == second

    async def test_a_lost_task_queues_in_the_lane_it_is_told(self, bench: Bench) -> None:
        held = await bench.running()
        solo = await bench.lane(solo=True)
        await bench.settle(held, Outcome.LOST, losses=1, lane_id=solo)
        (again,) = await bench.take(lanes=[solo])
        assert (again.task_id, again.task.lane_id) == (held.task_id, solo)

    @pytest.mark.parametrize(
        ("outcome", "kind"), [(Outcome.ASSIGNED, PlaceKind.ASSIGNED), (Outcome.WAITING, PlaceKind.WAITING)]
    )
    async def test_a_task_handed_over_waits_as_told(self, bench: Bench, outcome: Outcome, kind: PlaceKind) -> None:
        held = await bench.running()
        await bench.settle(held, outcome, failures=1, losses=2, opened=OPENED)
        assert await bench.place(held.task_id) == Place(
            kind, bench.clock.now(), 1, 1, 2, None, None, "USER", "ada", None, 7 * SECOND, "c-1", 0
        )

    async def test_a_batch_may_be_of_several_claims_and_outcomes(self, bench: Bench) -> None:
        await bench.put(4)
        one, two, three = *await bench.take(2), await bench.take_one()
        moved = await bench.store.settle(
            bench.worker_id,
            [one.settlement(Outcome.COMPLETED), two.settlement(Outcome.FAILED), three.settlement(Outcome.RELEASED)],
            [one.claim_id, three.claim_id],
        )
        assert moved == {one.pair, two.pair, three.pair}
        states = [await bench.state(held.task_id) for held in (one, two, three)]
        assert states == [State.COMPLETED, State.FAILED, State.PENDING]

    async def test_what_is_left_of_a_claim_stays_leased(self, bench: Bench) -> None:
        await bench.put(2)
        one, two = await bench.take(2)
        assert await bench.store.settle(bench.worker_id, [one.settlement(Outcome.COMPLETED)], []) == {one.pair}
        assert await bench.state(two.task_id) is State.RUNNING
        assert await bench.settle(two)

    async def test_there_may_be_nothing_to_settle(self, bench: Bench) -> None:
        assert await bench.store.settle(bench.worker_id, [], []) == set()

    async def test_recovery_may_settle_for_anybody(self, bench: Bench) -> None:
        held = await bench.running()
        moved = await bench.store.settle(None, [held.settlement(Outcome.LOST, losses=1)], [held.claim_id])
        assert moved == {held.pair}
        (attempt,) = await bench.store.attempts(held.task_id)
        assert (attempt.outcome, attempt.worker) == (Outcome.LOST, "worker")


class TestStaleSettlements(Suite):
    """Who does not hold a task cannot move it."""

    async def refuse(self, bench: Bench, held: Held) -> None:
        """Whatever this lease settles to, nothing happens."""
        for outcome in WAYS_OUT:
            before = await trace(bench, held.task_id)
            late = held.settlement(outcome, **more(outcome))
            assert await bench.store.settle(held.worker_id, [late], []) == set()
            assert await trace(bench, held.task_id) == before

    async def test_a_task_leaves_a_claim_once(self, bench: Bench) -> None:
        held = await bench.running()
        await bench.settle(held)
        await self.refuse(bench, held)

    async def test_another_worker_has_no_say(self, bench: Bench) -> None:
        held = await bench.running()
        await self.refuse(bench, held._replace(worker_id=await bench.register()))
        assert await bench.settle(held)

    async def test_another_claim_has_no_say(self, bench: Bench) -> None:
        await bench.put(2)
        one, two = await bench.take_one(), await bench.take_one()
        mixed = two.settlement(Outcome.COMPLETED)._replace(claim_id=one.claim_id)
        assert await bench.store.settle(bench.worker_id, [mixed], []) == set()
        assert await bench.state(two.task_id) is State.RUNNING
        assert await bench.settle(one)
        assert await bench.settle(two)

    async def test_another_attempt_has_no_say(self, bench: Bench) -> None:
        held = await bench.running()
        await self.refuse(bench, held._replace(task=held.task._replace(attempt=2)))
        assert await bench.settle(held)

    async def test_an_earlier_lease_has_no_say(self, bench: Bench) -> None:
        first = await bench.running()
        await bench.settle(first, Outcome.RELEASED)
        second = await bench.take_one()
        await self.refuse(bench, first)
        assert await bench.settle(second)

    async def test_unknown_tasks_are_not_moved(self, bench: Bench) -> None:
        held = await bench.running()
        unknown = held.settlement(Outcome.COMPLETED)._replace(task_id=5)
        assert await bench.store.settle(bench.worker_id, [unknown], []) == set()

    async def test_stale_ones_do_not_hold_up_the_others(self, bench: Bench) -> None:
        await bench.put(2)
        one, two = await bench.take(2)
        await bench.store.settle(bench.worker_id, [one.settlement(Outcome.COMPLETED)], [])
        both = [one.settlement(Outcome.FAILED), two.settlement(Outcome.COMPLETED)]
        assert await bench.store.settle(bench.worker_id, both, [one.claim_id]) == {two.pair}
        assert await bench.state(one.task_id) is State.COMPLETED
