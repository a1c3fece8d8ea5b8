# ruff: noqa: D102, S101 - the tests' names are the promises
"""Tasks that wait for a person or a system."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from taskyard.contracts.records import Opened, Settlement
from taskyard.domain import sequence
from taskyard.domain.facts import AttemptFact, Place, PlaceKind
from taskyard.domain.lifecycle import OUTCOME_MOVES, EventType, Outcome, State
from taskyard.domain.queue import Queue
from taskyard.errors import Conflict
from taskyard.testing.conformance.store.bench import SECOND, Bench
from taskyard.testing.conformance.store.fixtures import Suite
from taskyard.testing.conformance.store.moves import ENDS, PLACES, one_of_each
from taskyard.testing.conformance.store.settling import trace

CLAIMED = Opened("USER", "ada", "ada", None, 5 * SECOND, 6 * SECOND)


def way_out(outcome: Outcome, **fields: Any) -> Settlement:
    """How an open task ends; the claim, the task and the attempt are the store's to know."""
    return Settlement(0, 0, 0, outcome, **fields)


class TestSettleOpen(Suite):
    """`settle_open`."""

    @pytest.mark.parametrize(
        ("place", "outcome"),
        [
            (Outcome.ASSIGNED, Outcome.COMPLETED),
            (Outcome.ASSIGNED, Outcome.FAILED),
            (Outcome.WAITING, Outcome.COMPLETED),
            (Outcome.WAITING, Outcome.FALLBACK),
            (Outcome.WAITING, Outcome.FAILED),
            (Outcome.WAITING, Outcome.RETRY),
        ],
    )
    async def test_an_open_task_makes_its_move(self, bench: Bench, place: Outcome, outcome: Outcome) -> None:
        id_ = await bench.opened(place)
        assert await bench.store.settle_open(id_, way_out(outcome, delay_us=SECOND), None)
        move = OUTCOME_MOVES[outcome]
        assert await bench.state(id_) is move.target
        events = await bench.events(id_)
        assert [type_ for type_, _ in events[3:]] == list(move.events)
        assert [s for _, s in events] == sorted({s for _, s in events})

    async def test_its_end_is_an_attempt_that_began_when_it_was_opened(self, bench: Bench) -> None:
        id_ = await bench.opened()
        since = bench.clock.now()
        bench.clock.move(4)
        await bench.store.settle_open(id_, way_out(Outcome.COMPLETED, result=b"1", detail=b"{}"), None)
        ended = (await bench.store.attempts(id_))[-1]
        assert ended == AttemptFact(id_, 2, Outcome.COMPLETED, None, since, bench.clock.now(), 4000, b"1", b"{}")

    async def test_a_retry_queues_as_told(self, bench: Bench) -> None:
        id_ = await bench.opened(Outcome.WAITING)
        retry_lane = await bench.lane(queue=Queue.RETRY)
        retry = way_out(Outcome.RETRY, delay_us=5 * SECOND, failures=1, lane_id=retry_lane)
        await bench.store.settle_open(id_, retry, None)
        assert await bench.place(id_) == Place(PlaceKind.RETRYING, bench.clock.now() + 5 * SECOND, 3, 1, 0)
        bench.clock.move(5)
        await bench.store.promote(1)
        (held,) = await bench.take(lanes=[retry_lane])
        assert (held.task_id, held.task.attempt, held.task.failures) == (id_, 3, 1)

    async def test_it_ends_as_told(self, bench: Bench) -> None:
        id_ = await bench.opened(Outcome.WAITING)
        bench.clock.move(4)
        await bench.store.settle_open(id_, way_out(Outcome.RETRY, run_ms=1500, losses=1), None)
        assert (await bench.store.attempts(id_))[-1].run_ms == 1500
        place = await bench.place(id_)
        assert place is not None
        assert (place.failures, place.losses) == (0, 1)

    async def test_a_failure_is_a_dead_letter(self, bench: Bench) -> None:
        id_ = await bench.opened()
        await bench.store.settle_open(id_, way_out(Outcome.FAILED), None)
        assert await bench.store.requeue([id_], "ada", "again", None) == [id_]
        assert (await bench.take_one()).task.attempt == 3

    async def test_it_ends_once(self, bench: Bench) -> None:
        id_ = await bench.opened()
        answers = await asyncio.gather(
            *(bench.store.settle_open(id_, way_out(Outcome.COMPLETED, result=b"%d" % n), None) for n in range(5))
        )
        assert sum(answers) == 1
        assert (await bench.event_types(id_)).count(EventType.COMPLETED) == 1

    async def test_a_task_that_does_not_wait_is_left_alone(self, bench: Bench) -> None:
        for place, id_ in (await one_of_each(bench, ENDS | PLACES, "assigned", "waiting")).items():
            before = await trace(bench, id_)
            assert not await bench.store.settle_open(id_, way_out(Outcome.COMPLETED), None), place
            assert await trace(bench, id_) == before, place

    async def test_an_unknown_task_does_not_wait(self, bench: Bench) -> None:
        assert not await bench.store.settle_open(5, way_out(Outcome.COMPLETED), None)

    async def test_the_present_version_is_accepted(self, bench: Bench) -> None:
        id_ = await bench.opened()
        assert await bench.store.settle_open(id_, way_out(Outcome.COMPLETED), await bench.version(id_))

    async def test_a_stale_version_is_a_conflict_and_changes_nothing(self, bench: Bench) -> None:
        id_ = await bench.opened()
        seen = await bench.version(id_)
        await bench.store.change_open(id_, CLAIMED, EventType.CLAIMED, {}, None)
        before = await trace(bench, id_)
        with pytest.raises(Conflict):
            await bench.store.settle_open(id_, way_out(Outcome.COMPLETED), seen)
        assert await trace(bench, id_) == before


class TestChangeOpen(Suite):
    """`change_open`."""

    @pytest.mark.parametrize("outcome", [Outcome.ASSIGNED, Outcome.WAITING])
    async def test_whom_it_waits_for_is_changed(self, bench: Bench, outcome: Outcome) -> None:
        id_ = await bench.opened(outcome)
        before = await bench.place(id_)
        bench.clock.move(1)
        assert await bench.store.change_open(id_, CLAIMED, EventType.CLAIMED, {"by": "ada"}, None)
        assert await bench.place(id_) == before._replace(claimed_by="ada", due_at=5 * SECOND, changes=1)

    async def test_each_change_is_noted_and_told_in_order(self, bench: Bench) -> None:
        id_ = await bench.opened()
        for number, type_ in enumerate((EventType.CLAIMED, EventType.RELEASED, EventType.DELEGATED)):
            bench.clock.move(1)
            await bench.store.change_open(id_, CLAIMED, type_, {"number": number}, None)
        notes = await bench.store.notes([id_])
        assert [(note.type, note.body) for note in notes] == [
            (EventType.CLAIMED, {"number": 0}),
            (EventType.RELEASED, {"number": 1}),
            (EventType.DELEGATED, {"number": 2}),
        ]
        assert [note.at for note in notes] == [bench.clock.now() - n * SECOND for n in (2, 1, 0)]
        events = await bench.events(id_)
        assert events[3:] == [(note.type, note.sequence) for note in notes]
        assert [s for _, s in events] == sorted({s for _, s in events})

    async def test_the_end_comes_after_all_changes(self, bench: Bench) -> None:
        id_ = await bench.opened()
        await bench.store.change_open(id_, CLAIMED, EventType.CLAIMED, {}, None)
        await bench.store.settle_open(id_, way_out(Outcome.COMPLETED), None)
        assert (await bench.events(id_))[-1] == (EventType.COMPLETED, sequence.settled(2))

    async def test_each_change_makes_a_new_version(self, bench: Bench) -> None:
        id_ = await bench.opened()
        versions = [await bench.version(id_)]
        for _ in range(3):
            assert await bench.store.change_open(id_, CLAIMED, EventType.CLAIMED, {}, versions[-1])
            versions.append(await bench.version(id_))
        assert versions == sorted(set(versions))

    async def test_a_stale_version_is_a_conflict_and_changes_nothing(self, bench: Bench) -> None:
        id_ = await bench.opened()
        seen = await bench.version(id_)
        await bench.store.change_open(id_, CLAIMED, EventType.CLAIMED, {}, seen)
        before = await trace(bench, id_)
        with pytest.raises(Conflict):
            await bench.store.change_open(id_, Opened("USER", "bob"), EventType.ASSIGNED, {}, seen)
        assert await trace(bench, id_) == before

    async def test_of_many_with_the_same_version_one_wins(self, bench: Bench) -> None:
        id_ = await bench.opened()
        seen = await bench.version(id_)
        answers = await asyncio.gather(
            *(bench.store.change_open(id_, CLAIMED, EventType.CLAIMED, {}, seen) for _ in range(5)),
            return_exceptions=True,
        )
        assert answers.count(True) == 1
        assert sum(isinstance(answer, Conflict) for answer in answers) == 4

    async def test_a_task_that_is_not_open_is_left_alone(self, bench: Bench) -> None:
        for place, id_ in (await one_of_each(bench, ENDS | PLACES, "assigned", "waiting")).items():
            before = await trace(bench, id_)
            assert not await bench.store.change_open(id_, CLAIMED, EventType.CLAIMED, {}, None), place
            assert await trace(bench, id_) == before, place
            assert EventType.CLAIMED not in [note.type for note in await bench.store.notes([id_])], place

    async def test_an_unknown_task_is_not_open(self, bench: Bench) -> None:
        assert not await bench.store.change_open(5, CLAIMED, EventType.CLAIMED, {}, None)

    async def test_it_stays_open(self, bench: Bench) -> None:
        id_ = await bench.opened()
        await bench.store.change_open(id_, CLAIMED, EventType.CLAIMED, {}, None)
        assert await bench.state(id_) is State.ASSIGNED
