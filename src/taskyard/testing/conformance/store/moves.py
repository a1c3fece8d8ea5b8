# ruff: noqa: D102, S101 - the tests' names are the promises
"""Moves that are not a worker's: cancel, requeue, discard and hurry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import pytest

from taskyard.contracts.records import SlotKey
from taskyard.domain import sequence
from taskyard.domain.facts import AttemptDetail, Place, PlaceKind
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.domain.people.document import askers_of, read_extra
from taskyard.domain.priority import Priority
from taskyard.domain.queue import LaneKey, Queue
from taskyard.errors import Conflict
from taskyard.testing.conformance.store.bench import SECOND, WAYS_OUT, Bench
from taskyard.testing.conformance.store.fixtures import Suite
from taskyard.testing.conformance.store.settling import more, trace

ONE = (SlotKey("one", 1),)

Maker = Callable[[Bench], Awaitable[int]]


async def parked(bench: Bench) -> int:
    """A task that waits for a slot."""
    return (await bench.put(2, slots=ONE))[1]


async def delayed(bench: Bench) -> int:
    """A task that waits for its time."""
    return await bench.put_one(run_at=bench.clock.now() + SECOND)


async def running(bench: Bench) -> int:
    """A task under lease."""
    return (await bench.running()).task_id


async def discarded(bench: Bench) -> int:
    """A task that was a dead letter."""
    id_ = await bench.ended(Outcome.FAILED)
    await bench.store.discard([id_], "me", "no use")
    return id_


# In this order, so that none of them takes another's task.
PLACES: dict[str, Maker] = {
    "retrying": lambda bench: bench.ended(Outcome.RETRY),
    "assigned": Bench.opened,
    "waiting": lambda bench: bench.opened(Outcome.WAITING),
    "running": running,
    "delayed": delayed,
    "parked": parked,
    "ready": Bench.put_one,
}
ENDS: dict[str, Maker] = {
    "completed": Bench.ended,
    "fallback": lambda bench: bench.ended(Outcome.FALLBACK),
    "canceled": lambda bench: bench.ended(Outcome.CANCELED),
    "dead": lambda bench: bench.ended(Outcome.FAILED),
    "discarded": discarded,
}


async def one_of_each(bench: Bench, makers: dict[str, Maker] = PLACES, *but: str) -> dict[str, int]:
    """A new task in each of these places, but for some; nothing may be ready."""
    return {name: await make(bench) for name, make in makers.items() if name not in but}


class TestCancel(Suite):
    """`cancel`."""

    async def test_a_task_is_canceled_at_once_wherever_it_is(self, bench: Bench) -> None:
        for place, id_ in (await one_of_each(bench)).items():
            bench.clock.move(1)
            assert await bench.store.cancel(id_, "ada", "wrong one", None), place
            assert await bench.state(id_) is State.CANCELED, place
            facts = await bench.facts(id_)
            assert facts.place is None, place
            assert facts.last is not None, place
            assert (facts.last.outcome, facts.last.finished_at) == (Outcome.CANCELED, bench.clock.now()), place
            detail = msgspec.json.decode(facts.last.detail or b"", type=AttemptDetail)
            assert (detail.by, detail.reason) == ("ada", "wrong one"), place

    async def test_it_emits_canceled_once_and_last(self, bench: Bench) -> None:
        for place, id_ in (await one_of_each(bench)).items():
            await bench.store.cancel(id_, None, None, None)
            events = await bench.events(id_)
            assert [type_ for type_, _ in events].count(EventType.CANCELED) == 1, place
            assert events[-1][0] is EventType.CANCELED, place
            assert [s for _, s in events] == sorted({s for _, s in events}), place

    async def test_it_never_comes_back(self, bench: Bench) -> None:
        ids = await one_of_each(bench)
        for id_ in ids.values():
            await bench.store.cancel(id_, None, None, None)
        bench.clock.move(3600)
        for place, id_ in ids.items():
            assert not await bench.store.hurry(id_), place
            assert not await bench.store.cancel(id_, None, None, None), place
        assert await bench.store.requeue(list(ids.values()), "me", "again", None) == []
        await bench.store.promote(10)
        await bench.store.tidy()
        assert not {held.task_id for held in await bench.take(10)} & set(ids.values())
        for place, id_ in ids.items():
            assert await bench.state(id_) is State.CANCELED, place

    async def test_a_final_task_is_left_alone(self, bench: Bench) -> None:
        for end, id_ in (await one_of_each(bench, ENDS)).items():
            before = await trace(bench, id_)
            assert not await bench.store.cancel(id_, "ada", None, None), end
            assert await trace(bench, id_) == before, end

    async def test_an_unknown_task_is_not_canceled(self, bench: Bench) -> None:
        assert not await bench.store.cancel(5, None, None, None)

    async def test_a_late_settlement_of_a_canceled_task_changes_nothing(self, bench: Bench) -> None:
        for outcome in WAYS_OUT:
            held = await bench.running()
            await bench.store.cancel(held.task_id, None, None, None)
            before = await trace(bench, held.task_id)
            assert not await bench.settle(held, outcome, result=b"1", **more(outcome)), outcome
            assert await trace(bench, held.task_id) == before, outcome

    async def test_its_worker_keeps_the_others_of_the_claim(self, bench: Bench) -> None:
        await bench.put(2)
        one, two = await bench.take(2)
        await bench.store.cancel(one.task_id, None, None, None)
        both = [held.settlement(Outcome.COMPLETED) for held in (one, two)]
        assert await bench.store.settle(bench.worker_id, both, [one.claim_id]) == {two.pair}

    async def test_the_present_version_is_accepted(self, bench: Bench) -> None:
        for place, id_ in (await one_of_each(bench)).items():
            assert await bench.store.cancel(id_, None, None, await bench.version(id_)), place

    async def test_a_stale_version_is_a_conflict_and_changes_nothing(self, bench: Bench) -> None:
        for place, id_ in (await one_of_each(bench)).items():
            before = await trace(bench, id_)
            with pytest.raises(Conflict):
                await bench.store.cancel(id_, None, None, await bench.version(id_) - 1)
            assert await trace(bench, id_) == before, place


class TestRequeue(Suite):
    """`requeue`."""

    async def test_a_dead_letter_is_queued_with_fresh_budgets(self, bench: Bench) -> None:
        held = await bench.running()
        solo = await bench.lane(queue=Queue.RETRY, solo=True)
        await bench.settle(held, Outcome.RELEASED, failures=2, losses=1, lane_id=solo)
        await bench.settle(await bench.take_one(), Outcome.FAILED)
        bench.clock.move(1)
        assert await bench.store.requeue([held.task_id], "ada", "mended", None) == [held.task_id]
        assert await bench.place(held.task_id) == Place(PlaceKind.READY, bench.clock.now(), 3, 0, 0)
        (again,) = await bench.take(lanes=[await bench.lane()])
        assert (again.task_id, again.task.attempt) == (held.task_id, 3)
        assert await bench.settle(again)
        outcomes = [attempt.outcome for attempt in await bench.store.attempts(held.task_id)]
        assert outcomes == [Outcome.RELEASED, Outcome.FAILED, Outcome.COMPLETED]

    async def test_it_is_noted_and_told(self, bench: Bench) -> None:
        id_ = await bench.ended(Outcome.FAILED)
        await bench.store.requeue([id_], "ada", "mended", None)
        (note,) = await bench.store.notes([id_])
        assert (note.task_id, note.sequence, note.at) == (id_, sequence.queued(2), bench.clock.now())
        assert note.type is EventType.REQUEUED
        assert (note.body["by"], note.body["reason"]) == ("ada", "mended")
        assert (await bench.events(id_))[-1] == (EventType.REQUEUED, sequence.queued(2))

    async def test_a_new_input_replaces_the_old(self, bench: Bench) -> None:
        id_ = await bench.ended(Outcome.FAILED)
        await bench.store.requeue([id_], "ada", "mended", b'{"x":1}')
        assert [note.body.keys() for note in await bench.store.notes([id_])] == [{"by", "reason", "formerInput"}]
        body = (await bench.facts(id_)).body
        assert (body.input, body.revision) == (b'{"x":1}', 1)
        assert (await bench.take_one()).task.input == b'{"x":1}'

    async def test_without_a_new_input_the_old_stays(self, bench: Bench) -> None:
        id_ = await bench.ended(Outcome.FAILED)
        await bench.store.requeue([id_], "ada", "mended", None)
        body = (await bench.facts(id_)).body
        assert (body.input, body.revision) == (b"{}", 0)

    async def test_who_gives_a_new_input_is_behind_the_task(self, bench: Bench) -> None:
        extra = b'{"client":{"user":"bob","about":"\\u0000 1e300","n":1e300},"caller":"ann"}'
        asked = [await bench.ended(Outcome.FAILED, extra=given) for given in (extra, None)]
        kept = await bench.ended(Outcome.FAILED, extra=extra)
        for by in ("cyd", "ann"):
            await bench.store.requeue([*asked, 5], by, "mended", b"{}")
            for id_ in asked:
                held = await bench.take_one()
                assert held.task_id == id_
                await bench.settle(held, Outcome.FAILED)
        await bench.store.requeue([kept], "dan", "again", None)
        told = [(await bench.facts(id_)).body.extra for id_ in (*asked, kept)]
        first, second, third = (read_extra(each) for each in told)
        assert (askers_of(first), askers_of(second)) == (["ann", "bob", "cyd"], ["cyd", "ann"])
        assert (first.client, told[2]) == (third.client, extra)

    async def test_delays_are_waited_for_first(self, bench: Bench) -> None:
        first, second = [await bench.ended(Outcome.FAILED) for _ in range(2)]
        moved = await bench.store.requeue([first, second], "ada", "slowly", None, [0, 5_000_000])
        assert set(moved) == {first, second}
        assert (await bench.place(first)).kind is PlaceKind.READY
        assert await bench.place(second) == Place(PlaceKind.DELAYED, bench.clock.now() + 5_000_000, 2, 0, 0)
        bench.clock.move(5)
        await bench.store.promote(10)
        assert (await bench.place(second)).kind is PlaceKind.READY

    async def test_only_dead_letters_are_requeued(self, bench: Bench) -> None:
        dead = [await bench.ended(Outcome.FAILED) for _ in range(2)]
        done = await bench.ended()
        waiting = await bench.put_one()
        assert set(await bench.store.requeue([*dead, done, waiting, 5], "ada", "all", None)) == set(dead)
        assert await bench.store.requeue(dead, "ada", "again", None) == []
        assert len(await bench.store.notes(dead)) == 2

    async def test_it_goes_back_to_the_target_that_it_asks_for(self, bench: Bench) -> None:
        key = LaneKey(Queue.AUTOMATED, Queue.AUTOMATED, "report", Priority.MEDIUM, solo=False, target="moon")
        (lane,) = await bench.store.lanes([key])
        ids = [await bench.put_one(), await bench.put_one(lane_id=lane)]
        for held in await bench.take(2):
            await bench.settle(held, Outcome.FAILED)
        await bench.store.requeue(ids, "ada", "again", None)
        assert [held.task_id for held in await bench.take(2, lanes=[lane])] == ids[1:]

    async def test_nothing_else_can_be_requeued(self, bench: Bench) -> None:
        for place, id_ in (await one_of_each(bench, ENDS | PLACES, "dead")).items():
            before = await trace(bench, id_)
            assert await bench.store.requeue([id_], "ada", "no", b"1") == [], place
            assert await trace(bench, id_) == before, place

    async def test_it_may_fail_and_be_requeued_again(self, bench: Bench) -> None:
        id_ = await bench.ended(Outcome.FAILED)
        for _ in range(2):
            await bench.store.requeue([id_], "ada", "again", None)
            await bench.settle(await bench.take_one(), Outcome.FAILED)
        assert await bench.state(id_) is State.FAILED
        assert (await bench.store.dead(5, None, None)).ids == [id_]


class TestDiscard(Suite):
    """`discard`."""

    async def test_a_discarded_letter_stays_failed(self, bench: Bench) -> None:
        id_ = await bench.ended(Outcome.FAILED)
        assert await bench.store.discard([id_], "ada", "no use") == [id_]
        assert await bench.state(id_) is State.FAILED
        assert (await bench.facts(id_)).place is None
        assert (await bench.store.dead(10, None, None)).ids == []
        assert next(row.depth for row in await bench.store.queues() if row.queue == Queue.DEADLETTER) == 0

    async def test_it_is_noted_and_told(self, bench: Bench) -> None:
        id_ = await bench.ended(Outcome.FAILED)
        await bench.store.discard([id_], "ada", "no use")
        (note,) = await bench.store.notes([id_])
        assert (note.body["by"], note.body["reason"]) == ("ada", "no use")
        assert (await bench.events(id_))[-1] == (EventType.DEADLETTERED, note.sequence)

    async def test_it_is_for_good(self, bench: Bench) -> None:
        id_ = await bench.ended(Outcome.FAILED)
        await bench.store.discard([id_], "ada", "no use")
        assert await bench.store.discard([id_], "ada", "no use") == []
        assert await bench.store.requeue([id_], "ada", "again", None) == []

    async def test_only_dead_letters_are_discarded(self, bench: Bench) -> None:
        dead = await bench.ended(Outcome.FAILED)
        done = await bench.ended()
        assert await bench.store.discard([done, dead, 5], "ada", "all") == [dead]


class TestHurry(Suite):
    """`hurry`."""

    async def test_a_delayed_task_runs_now(self, bench: Bench) -> None:
        id_ = await delayed(bench)
        assert await bench.store.hurry(id_)
        assert await bench.place(id_) == Place(PlaceKind.READY, bench.clock.now(), 1, 0, 0)
        assert (await bench.take_one()).task_id == id_

    async def test_a_retrying_task_runs_now_with_its_budgets(self, bench: Bench) -> None:
        held = await bench.running()
        lane_id = await bench.lane(queue=Queue.RETRY)
        await bench.settle(held, Outcome.RETRY, delay_us=SECOND, failures=1, losses=1, lane_id=lane_id)
        assert await bench.store.hurry(held.task_id)
        assert await bench.state(held.task_id) is State.PENDING
        again = await bench.take_one()
        assert (again.task.lane_id, again.task.attempt, again.task.failures, again.task.losses) == (lane_id, 2, 1, 1)

    async def test_nothing_else_can_be_hurried(self, bench: Bench) -> None:
        for place, id_ in (await one_of_each(bench, ENDS | PLACES, "delayed", "retrying")).items():
            before = await trace(bench, id_)
            assert not await bench.store.hurry(id_), place
            assert await trace(bench, id_) == before, place

    async def test_an_unknown_task_cannot_be_hurried(self, bench: Bench) -> None:
        assert not await bench.store.hurry(5)
