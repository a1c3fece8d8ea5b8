# ruff: noqa: D102, S101 - the tests' names are the promises
"""What a worker does with its leases: extend them, learn of their end, report from under them."""

from __future__ import annotations

import pytest

from taskyard.contracts.records import Emitted, Opened, ProgressReport
from taskyard.domain import sequence
from taskyard.domain.facts import Line, Note, Progress
from taskyard.domain.lifecycle import EventType, Outcome
from taskyard.engine.engine import Engine
from taskyard.engine.recover import recover
from taskyard.testing.conformance.store.bench import SECOND, Bench
from taskyard.testing.conformance.store.fixtures import Suite
from taskyard.testing.conformance.store.liveness import lost_ids


class TestExtend(Suite):
    """`extend`."""

    async def test_the_lease_ends_that_much_from_now(self, bench: Bench) -> None:
        await bench.put_one()
        held = await bench.take_one(visibility=10)
        bench.clock.move(8)
        assert await bench.store.extend(held.claim_id, *held.pair, 30 * SECOND)
        assert (await bench.place(held.task_id)).expires_at == bench.clock.now() + 30 * SECOND
        bench.clock.move(29)
        assert await lost_ids(bench) == []
        bench.clock.move(1)
        assert await lost_ids(bench) == [held.task_id]

    async def test_asking_leaves_the_end_as_it_is(self, bench: Bench) -> None:
        await bench.put_one()
        held = await bench.take_one(visibility=10)
        before = await bench.place(held.task_id)
        bench.clock.move(8)
        assert await bench.store.extend(held.claim_id, *held.pair, None)
        assert await bench.place(held.task_id) == before

    async def test_one_task_of_a_claim_is_extended_alone(self, bench: Bench) -> None:
        await bench.put(2)
        one, two = await bench.take(2, visibility=10)
        await bench.store.extend(one.claim_id, *one.pair, 30 * SECOND)
        bench.clock.move(10)
        assert await lost_ids(bench) == [two.task_id]

    async def test_a_lease_without_visibility_can_be_asked_for(self, bench: Bench) -> None:
        held = await bench.running()
        assert await bench.store.extend(held.claim_id, *held.pair, None)
        await bench.settle(held)
        assert not await bench.store.extend(held.claim_id, *held.pair, None)

    @pytest.mark.parametrize("visibility_us", [None, 30 * SECOND])
    @pytest.mark.parametrize("end", ["settled", "canceled", "recovered"])
    async def test_a_lease_that_is_gone_stays_gone(self, bench: Bench, end: str, visibility_us: int | None) -> None:
        await bench.put_one()
        held = await bench.take_one(visibility=10)
        if end == "settled":
            await bench.settle(held, Outcome.RELEASED)
        elif end == "canceled":
            await bench.store.cancel(held.task_id, None, None, None)
        else:
            bench.clock.move(10)
            await recover(Engine(bench.store))
        assert not await bench.store.extend(held.claim_id, *held.pair, visibility_us)

    async def test_a_lease_must_be_named_exactly(self, bench: Bench) -> None:
        await bench.put_one()
        held = await bench.take_one(visibility=10)
        assert not await bench.store.extend(held.claim_id + 1, *held.pair, SECOND)
        assert not await bench.store.extend(held.claim_id, held.task_id, 2, SECOND)
        assert not await bench.store.extend(held.claim_id, held.task_id + 1, 1, SECOND)


class TestRevoked(Suite):
    """`revoked`."""

    async def test_canceled_tasks_are_told_to_who_holds_them(self, bench: Bench) -> None:
        await bench.put(2)
        one, two = await bench.take(2)
        other = await bench.register()
        assert await bench.store.revoked(bench.worker_id) == []
        await bench.store.cancel(two.task_id, None, None, None)
        assert await bench.store.revoked(bench.worker_id) == [two.pair]
        assert await bench.store.revoked(other) == []
        await bench.store.cancel(one.task_id, None, None, None)
        assert set(await bench.store.revoked(bench.worker_id)) == {one.pair, two.pair}

    async def test_they_are_no_longer_told_once_settled(self, bench: Bench) -> None:
        held = await bench.running()
        await bench.store.cancel(held.task_id, None, None, None)
        await bench.settle(held)
        assert await bench.store.revoked(bench.worker_id) == []


class TestRecord(Suite):
    """`record`: what running tasks say of themselves."""

    async def test_lines_are_kept_once(self, bench: Bench) -> None:
        held = await bench.running()
        lines = [Line(held.task_id, sequence.line(1, n), bench.clock.now(), "info", f"l\u00efne {n}") for n in range(5)]
        await bench.store.record(lines[:3], [])
        await bench.store.record(lines[2:], [])
        assert await bench.store.lines(held.task_id, 0, 100) == lines

    async def test_lines_are_read_on_from_a_sequence(self, bench: Bench) -> None:
        held = await bench.running()
        lines = [Line(held.task_id, sequence.line(1, n), bench.clock.now(), "info", str(n)) for n in range(5)]
        await bench.store.record(lines[::-1], [])
        assert await bench.store.lines(held.task_id, 0, 2) == lines[:2]
        assert await bench.store.lines(held.task_id, lines[1].sequence, 2) == lines[2:4]
        assert await bench.store.lines(held.task_id, lines[-1].sequence, 2) == []
        assert await bench.store.lines(5, 0, 10) == []

    async def test_the_furthest_progress_counts(self, bench: Bench) -> None:
        held = await bench.running()
        assert (await bench.facts(held.task_id)).progress is None
        reports = [
            ProgressReport(held.task_id, sequence.line(1, n), bench.clock.now(), n / 2, 10.0 if n else None, None)
            for n in range(4)
        ]
        for report in (reports[0], reports[2], reports[1]):
            await bench.store.record([], [report])
        assert (await bench.facts(held.task_id)).progress == Progress(*reports[2][1:])
        await bench.store.record([], [reports[3]._replace(action="bärs"), reports[1]])
        assert (await bench.facts(held.task_id)).progress == Progress(*reports[3]._replace(action="bärs")[1:])

    async def test_progress_says_nothing_about_the_place(self, bench: Bench) -> None:
        held = await bench.running()
        before = (await bench.facts(held.task_id)).place
        await bench.store.record([], [ProgressReport(held.task_id, sequence.line(1, 0), 1, 1.0, None, "x")])
        assert (await bench.facts(held.task_id)).place == before

    async def test_what_is_emitted_becomes_a_note_and_an_event_once_and_in_order(self, bench: Bench) -> None:
        held = await bench.running()
        bodies = [{"name": f"f\u00fcr {n}", "data": [n, None, {"a\u0000": "\U0001f600"}]} for n in range(5)]
        told = [Emitted(held.task_id, sequence.line(1, n), body) for n, body in enumerate(bodies)]
        at = bench.clock.move(2)
        await bench.store.record([], [], told[:3])
        await bench.store.record([Line(held.task_id, sequence.line(1, 5), 1, "info", "x")], [], told[2:])
        await bench.settle(held)
        notes = [Note(held.task_id, one.sequence, at, EventType.EMITTED, one.body) for one in told]
        assert await bench.store.notes([held.task_id]) == notes
        assert await bench.events(held.task_id) == [
            (EventType.CREATED, sequence.queued(1)), (EventType.STARTED, sequence.started(1)),
            *((EventType.EMITTED, one.sequence) for one in told), (EventType.COMPLETED, sequence.settled(1)),
        ]  # fmt: skip

    async def test_several_tasks_emit_at_once(self, bench: Bench) -> None:
        await bench.put(3)
        held = await bench.take(3)
        told = [Emitted(one.task_id, sequence.line(1, n), {"name": str(n)}) for n in range(2) for one in held]
        await bench.store.record([], [], told)
        for one in held:
            assert await bench.event_types(one.task_id) == [
                EventType.CREATED, EventType.STARTED, EventType.EMITTED, EventType.EMITTED,
            ]  # fmt: skip
            assert [note.body for note in await bench.store.notes([one.task_id])] == [{"name": "0"}, {"name": "1"}]

    @pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.CANCELED, Outcome.LOST, Outcome.ASSIGNED])
    async def test_an_attempt_that_has_ended_emits_no_more(self, bench: Bench, outcome: Outcome) -> None:
        held = await bench.running()
        if outcome is Outcome.CANCELED:
            await bench.store.cancel(held.task_id, None, None, None)
        else:
            await bench.settle(held, outcome, opened=Opened("USER", "ada"))
        before = await bench.events(held.task_id)
        await bench.store.record([], [], [Emitted(held.task_id, sequence.line(1, 0), {"name": "late"})])
        assert await bench.store.notes([held.task_id]) == []
        assert await bench.events(held.task_id) == before

    async def test_the_next_attempt_emits_again(self, bench: Bench) -> None:
        await bench.settle(await bench.running(), Outcome.RELEASED)
        held = await bench.take_one()
        await bench.store.record([], [], [Emitted(held.task_id, sequence.line(n, 0), {"name": str(n)}) for n in (1, 2)])
        assert [note.body for note in await bench.store.notes([held.task_id])] == [{"name": "2"}]
