# ruff: noqa: D102, S101 - the tests' names are the promises
"""What outlives its claim, its worker and the room that was made for its time."""

from __future__ import annotations

import pytest

from taskyard.contracts.records import Filter, Opened, ProgressReport, Settlement, SlotKey, Unique, Upload
from taskyard.domain import sequence
from taskyard.domain.facts import Line
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.engine.engine import Engine
from taskyard.engine.recover import recover
from taskyard.testing.conformance.store.bench import HOUR, SECOND, Bench, Held
from taskyard.testing.conformance.store.fixtures import Suite

DAY = 86_400
RETENTION = 30 * DAY * SECOND


async def days_pass(bench: Bench, days: int) -> None:
    """Let days pass in which room was made and nothing was forgotten yet, then forget."""
    for _ in range(days):
        bench.clock.move(DAY)
        await bench.store.make_room(RETENTION)
    await bench.store.prune(bench.clock.now() - RETENTION)


async def settled(bench: Bench) -> Bench:
    """The bench at a time for which there is room."""
    await bench.store.make_room(RETENTION)
    bench.clock.move(2 * HOUR / SECOND)
    assert await bench.store.beat(bench.worker_id, [], {})
    return bench


async def answer(bench: Bench, held: Held) -> bool:
    """What the other system says in the end."""
    return await bench.store.settle_open(held.task_id, held.settlement(Outcome.COMPLETED, result=b'"yes"'), None)


class TestOutliving(Suite):
    """`make_room` and `prune` over months."""

    @pytest.mark.parametrize("too_soon", [True, False])
    async def test_an_answer_completes_what_its_claim_its_worker_and_its_time_are_gone_of(
        self, bench: Bench, too_soon: bool
    ) -> None:
        await settled(bench)
        ids = await bench.put(3, tags=("t",))
        first, waiting, last = await bench.take(3)
        if too_soon:
            assert not await answer(bench, waiting)
        asked = waiting.settlement(Outcome.WAITING, opened=Opened(correlation_id="c"))
        assert await bench.store.settle(bench.worker_id, [asked], []) == {waiting.pair}
        other = await bench.register()
        await bench.pass_silently(other)
        assert await recover(Engine(bench.store)) == 2
        again = await bench.take(5, other)
        assert {held.task_id for held in again} == {first.task_id, last.task_id}
        for held in again:
            await bench.settle(held)
        await days_pass(bench, 60)
        assert [facts.body.id for facts in await bench.store.facts(ids)] == [waiting.task_id]
        assert await answer(bench, waiting)
        assert not await answer(bench, waiting)
        attempts = await bench.store.attempts(waiting.task_id)
        assert [(a.outcome, a.worker) for a in attempts] == [(Outcome.WAITING, "worker"), (Outcome.COMPLETED, None)]
        assert (await bench.event_types(waiting.task_id)).count(EventType.COMPLETED) == 1
        assert await bench.state(waiting.task_id) is State.COMPLETED
        assert (await bench.store.find(Filter(tag="t"), 5, None)).ids == [waiting.task_id]

    async def test_what_is_open_for_months_keeps_its_whole_history(self, bench: Bench) -> None:
        await settled(bench)
        key = Unique(b"key", None, None, forgiving=False)
        (entry,) = await bench.entries(tags=("t",), slots=(SlotKey("one", 1),))
        await bench.store.enqueue_unique(entry, [key])
        held = await bench.take_one()
        await bench.store.record(
            [Line(entry.id, sequence.line(1, 0), 1, "info", "x")],
            [ProgressReport(entry.id, sequence.line(1, 1), 1, 1.0, 2.0, "half")],
        )
        await bench.settle(held, Outcome.ASSIGNED, opened=Opened("USER", "ada"))
        await bench.store.change_open(entry.id, Opened("USER", "bob"), EventType.DELEGATED, {"by": "ada"}, None)
        before = await bench.store.story(entry.id, 0, 10)
        for _ in range(3):
            await days_pass(bench, 40)
            assert await bench.store.story(entry.id, 0, 10) == before
        (other,) = await bench.entries()
        found = await bench.store.enqueue_unique(other, [key])
        assert found is not None
        assert found.task_id == entry.id

    async def test_what_is_delayed_for_months_runs_in_the_end(self, bench: Bench) -> None:
        await settled(bench)
        id_ = await bench.put_one(run_at=bench.clock.now() + 100 * DAY * SECOND)
        await days_pass(bench, 60)
        await days_pass(bench, 60)
        assert await bench.store.promote(10) == 1
        held = await bench.take_one(await bench.register("later"))
        assert held.task_id == id_
        assert await bench.settle(held)

    async def test_subtasks_are_remembered_as_long_as_their_parent_is(self, bench: Bench) -> None:
        await settled(bench)
        parent = await bench.opened()
        memo = Unique(b"memo", None, None, forgiving=True)
        (child,) = await bench.entries(parent_id=parent)
        await bench.store.enqueue_unique(child, [memo])
        await bench.settle(await bench.take_one())
        await days_pass(bench, 60)
        (again,) = await bench.entries(parent_id=parent)
        found = await bench.store.enqueue_unique(again, [memo])
        assert found is not None
        assert found.task_id == child.id
        assert await bench.store.cancel(parent, None, None, None)
        await days_pass(bench, 20)
        assert len(await bench.store.facts([parent, child.id])) == 2
        await days_pass(bench, 60)
        assert await bench.store.facts([parent, child.id]) == []

    async def test_what_has_ended_is_forgotten_in_time(self, bench: Bench) -> None:
        await settled(bench)
        ids = [
            await bench.ended(), await bench.ended(Outcome.FAILED, tags=("t",)), await bench.ended(Outcome.CANCELED),
        ]  # fmt: skip
        await days_pass(bench, 29)
        assert len(await bench.store.facts(ids)) == 3
        await days_pass(bench, 8)
        assert await bench.store.facts(ids) == []
        assert (await bench.store.dead(5, None, None)).ids == []
        assert await bench.store.counts(0) == []

    async def test_a_dead_letter_called_back_late_is_kept(self, bench: Bench) -> None:
        await settled(bench)
        id_ = await bench.ended(Outcome.FAILED)
        bench.clock.move(40 * DAY)
        assert await bench.store.requeue([id_], "ada", "again", None) == [id_]
        await days_pass(bench, 1)
        assert await bench.state(id_) is State.PENDING
        assert [note.type for note in await bench.store.notes([id_])] == [EventType.REQUEUED]

    async def test_uploads_are_kept_while_they_are_needed(self, bench: Bench) -> None:
        await settled(bench)
        names = ("unused", "used", "needed", "attached", "drafted")
        for name in names:
            upload = Upload(f"upload-{name}", name, 1, "ab" * 32, bench.clock.now(), "ada")
            await bench.store.save_upload(upload, b"1")
        id_ = await bench.opened(input=b'{"file":"upload-needed"}')
        drafted = Opened("USER", "ada", sheet=b'{"draft":"upload-drafted"}')
        for type_, body in (
            (EventType.COMMENTED, {"attachment": {"uploadId": "upload-attached"}}),
            (EventType.DRAFTED, {}),
        ):
            assert await bench.store.change_open(id_, drafted, type_, body, None)
        bench.clock.move(20 * DAY)
        await bench.store.uploads(["upload-used"])
        await days_pass(bench, 15)
        kept = [name for name in names if await bench.store.upload(f"upload-{name}")]
        assert kept == ["used", "needed", "attached", "drafted"]
        await days_pass(bench, 20)
        kept = [name for name in names if await bench.store.upload(f"upload-{name}")]
        assert kept == ["needed", "attached", "drafted"]
        await bench.store.settle_open(id_, Settlement(0, 0, 0, Outcome.COMPLETED, by="ada"), None)
        await days_pass(bench, 20)
        kept = [name for name in names if await bench.store.upload(f"upload-{name}")]
        assert kept == ["needed", "attached"]  # as long as the task itself
        await days_pass(bench, 20)
        assert [name for name in names if await bench.store.upload(f"upload-{name}")] == []
