# ruff: noqa: D102, S101 - the tests' names are the promises
"""What is known about tasks: facts, stories and figures."""

from __future__ import annotations

from taskyard.contracts.records import Opened, ProgressReport, Story
from taskyard.domain import sequence
from taskyard.domain.definition import Definition
from taskyard.domain.facts import Line, PlaceKind
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.testing.conformance.store.bench import SECOND, Bench
from taskyard.testing.conformance.store.fixtures import Suite
from taskyard.testing.conformance.store.moves import ENDS, PLACES, one_of_each

_OPENED = Opened("USER", "ada")


class TestFacts(Suite):
    """`facts`, `bodies`, `running`, `attempts`, `attempt_facts`, `notes` and `story`."""

    async def test_facts_come_in_the_order_asked_for_without_the_unknown(self, bench: Bench) -> None:
        ids = await bench.put(3)
        wanted = [ids[2], 5, ids[0], 2**62, ids[1]]
        assert [facts.body.id for facts in await bench.store.facts(wanted)] == [ids[2], ids[0], ids[1]]
        assert await bench.store.facts([]) == []

    async def test_bodies_come_by_id_without_the_unknown(self, bench: Bench) -> None:
        ids = await bench.put(3)
        wanted = [ids[2], 5, ids[0], 2**62, ids[1]]
        assert await bench.store.bodies(wanted) == [facts.body for facts in await bench.store.facts(sorted(ids))]
        assert await bench.store.bodies([]) == []

    async def test_a_task_is_running_only_under_a_lease(self, bench: Bench) -> None:
        ids = await one_of_each(bench, ENDS | PLACES)
        ((id_, place),) = await bench.store.running([*ids.values(), 5])
        assert (id_, place) == (ids["running"], await bench.place(ids["running"]))
        assert place.kind is PlaceKind.RUNNING

    async def test_attempts_are_told_oldest_first(self, bench: Bench) -> None:
        held = await bench.running()
        assert await bench.store.attempts(held.task_id) == []
        for outcome in (Outcome.RELEASED, Outcome.LOST, Outcome.COMPLETED):
            await bench.settle(held, outcome)
            if outcome is not Outcome.COMPLETED:
                held = await bench.take_one()
        attempts = await bench.store.attempts(held.task_id)
        assert [(a.attempt, a.outcome) for a in attempts] == [
            (1, Outcome.RELEASED), (2, Outcome.LOST), (3, Outcome.COMPLETED),
        ]  # fmt: skip
        pairs = [(held.task_id, 3), (held.task_id, 1), (held.task_id, 9), (5, 1)]
        found = await bench.store.attempt_facts(pairs)
        assert sorted(found) == sorted([attempts[0], attempts[2]])
        assert await bench.store.attempt_facts([]) == []

    async def test_a_running_attempt_has_not_ended(self, bench: Bench) -> None:
        held = await bench.running()
        assert await bench.store.attempt_facts([held.pair]) == []

    async def test_notes_of_several_tasks_are_told_oldest_first(self, bench: Bench) -> None:
        ids = [await bench.ended(Outcome.FAILED) for _ in range(2)]
        for round_ in range(2):
            await bench.store.requeue(ids, "ada", str(round_), None)
            for held in await bench.take(2):
                await bench.settle(held, Outcome.FAILED)
        notes = await bench.store.notes(ids)
        for id_ in ids:
            assert [note.body["reason"] for note in notes if note.task_id == id_] == ["0", "1"]
        assert await bench.store.notes([5]) == []

    async def test_who_reports_is_under_lease(self, bench: Bench) -> None:
        silent, first = [await bench.running() for _ in range(2)]
        second = await bench.running()
        reports = [ProgressReport(held.task_id, sequence.line(1, 3), 1, 1, None, None) for held in (first, second)]
        await bench.store.record([], reports)
        assert await bench.store.reporting() == [(held.task_id, sequence.line(1, 3)) for held in (first, second)]
        await bench.settle(first)
        assert await bench.store.reporting() == [(second.task_id, sequence.line(1, 3))]
        assert silent.task_id not in dict(await bench.store.reporting())

    async def test_a_story_tells_everything_at_once(self, bench: Bench) -> None:
        id_ = await bench.ended(Outcome.FAILED)
        await bench.store.requeue([id_], "ada", "again", None)
        await bench.take_one()
        lines = [Line(id_, sequence.line(2, n), bench.clock.now(), "info", str(n)) for n in range(5)]
        await bench.store.record(lines, [ProgressReport(id_, sequence.line(2, 9), 1, 1.0, 2.0, "x")])
        facts, attempts, notes = (
            await bench.facts(id_), await bench.store.attempts(id_), await bench.store.notes([id_])
        )  # fmt: skip
        assert facts.progress is not None
        assert len(attempts) == len(notes) == 1
        assert await bench.store.story(id_, 0, 10) == Story(facts, attempts, notes, lines)
        assert await bench.store.story(id_, lines[1].sequence, 2) == Story(facts, attempts, notes, lines[2:4])
        assert await bench.store.story(id_, lines[-1].sequence, 2) == Story(facts, attempts, notes, [])

    async def test_an_unknown_task_has_no_story(self, bench: Bench) -> None:
        assert await bench.store.story(5, 0, 10) is None


class TestLatest(Suite):
    """`latest`."""

    async def latest(self, bench: Bench, id_: int) -> int:
        """The number by which followers tell that something has changed."""
        ((found, number),) = await bench.store.latest([id_])
        assert found == id_
        return number

    async def test_it_grows_with_every_move(self, bench: Bench) -> None:
        id_ = await bench.put_one()
        seen = [await self.latest(bench, id_)]

        async def look() -> None:
            seen.append(await self.latest(bench, id_))

        held = await bench.take_one()
        await look()
        await bench.settle(held, Outcome.RETRY, delay_us=0)
        await look()
        await bench.store.promote(1)
        await look()
        held = await bench.take_one()
        await look()
        await bench.settle(held, Outcome.FAILED)
        await look()
        await bench.store.requeue([id_], "ada", "again", None)
        await look()
        held = await bench.take_one()
        await look()
        await bench.settle(held, Outcome.LOST)
        await look()
        await bench.store.cancel(id_, None, None, None)
        await look()
        assert seen == sorted(set(seen))

    async def test_it_grows_with_every_line_and_report(self, bench: Bench) -> None:
        held = await bench.running()
        seen = [await self.latest(bench, held.task_id)]
        for number in range(3):
            said = sequence.line(1, 2 * number)
            await bench.store.record([Line(held.task_id, said, 1, "info", "x")], [])
            seen.append(await self.latest(bench, held.task_id))
            await bench.store.record([], [ProgressReport(held.task_id, said + 1, 1, number, None, None)])
            seen.append(await self.latest(bench, held.task_id))
        await bench.settle(held)
        seen.append(await self.latest(bench, held.task_id))
        assert seen == sorted(set(seen))

    async def test_it_grows_when_a_running_task_is_canceled_and_stays_when_it_is_let_go(self, bench: Bench) -> None:
        held = await bench.running()
        running = await self.latest(bench, held.task_id)
        await bench.store.cancel(held.task_id, None, None, None)
        canceled = await self.latest(bench, held.task_id)
        assert canceled > running
        await bench.settle(held)
        assert await self.latest(bench, held.task_id) == canceled

    async def test_it_grows_with_every_change_of_an_open_task(self, bench: Bench) -> None:
        held = await bench.running()
        seen = [await self.latest(bench, held.task_id)]
        await bench.settle(held, Outcome.ASSIGNED, opened=_OPENED)
        seen.append(await self.latest(bench, held.task_id))
        for _ in range(3):
            await bench.store.change_open(held.task_id, _OPENED, EventType.CLAIMED, {}, None)
            seen.append(await self.latest(bench, held.task_id))
        await bench.store.settle_open(held.task_id, held.settlement(Outcome.COMPLETED), None)
        seen.append(await self.latest(bench, held.task_id))
        assert seen == sorted(set(seen))

    async def test_it_stays_while_nothing_happens(self, bench: Bench) -> None:
        held = await bench.running()
        before = await self.latest(bench, held.task_id)
        bench.clock.move(5)
        await bench.store.beat(bench.worker_id, [held.task_id], {})
        await bench.store.tidy()
        assert await self.latest(bench, held.task_id) == before


class TestCounts(Suite):
    """`counts` and `run_times`."""

    async def test_a_task_counts_in_its_state(self, bench: Bench) -> None:
        await one_of_each(bench, ENDS | PLACES)
        counts = {state: count for kind_id, state, count in await bench.store.counts(0) if kind_id == bench.kind.id}
        assert counts == {
            State.PENDING: 4, State.RUNNING: 1, State.RETRYING: 1, State.ASSIGNED: 1, State.WAITING: 1,
            State.COMPLETED: 2, State.FAILED: 2, State.CANCELED: 1,
        }  # fmt: skip

    async def test_kinds_are_counted_apart(self, bench: Bench) -> None:
        (other,) = await bench.store.save_kinds([Definition(key="other")])
        await bench.put(2)
        await bench.put(3, kind_id=other.id)
        counts = sorted(await bench.store.counts(0))
        assert counts == sorted([(bench.kind.id, State.PENDING, 2), (other.id, State.PENDING, 3)])

    async def test_older_tasks_do_not_count(self, bench: Bench) -> None:
        await bench.put(1)
        since = bench.clock.move(1)
        await bench.put(2)
        assert await bench.store.counts(since) == [(bench.kind.id, State.PENDING, 2)]
        assert await bench.store.counts(since + SECOND) == []

    async def test_a_requeued_task_counts_as_what_it_is_now(self, bench: Bench) -> None:
        id_ = await bench.ended(Outcome.FAILED)
        await bench.store.requeue([id_], "ada", "again", None)
        assert await bench.store.counts(0) == [(bench.kind.id, State.PENDING, 1)]
        await bench.take_one()
        assert await bench.store.counts(0) == [(bench.kind.id, State.RUNNING, 1)]

    async def test_run_times_are_those_of_completed_attempts(self, bench: Bench) -> None:
        await bench.settle(await bench.running(), Outcome.COMPLETED, run_ms=10)
        since = bench.clock.move(60)
        for outcome, run_ms in ((Outcome.COMPLETED, 20), (Outcome.FAILED, 30), (Outcome.COMPLETED, 40)):
            await bench.settle(await bench.running(), outcome, run_ms=run_ms)
        assert sorted(await bench.store.run_times(since)) == [(bench.kind.id, 20), (bench.kind.id, 40)]
        assert len(await bench.store.run_times(0)) == 3
