# ruff: noqa: D102, S101 - the tests' names are the promises
"""Several stores on one database: nothing is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from taskyard.contracts.records import Found, SlotKey, Topic, Unique
from taskyard.contracts.store import Store
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.engine.engine import Engine
from taskyard.engine.recover import recover
from taskyard.errors import ConfigurationError
from taskyard.testing.clock import ManualClock
from taskyard.testing.conformance.processes import Address, migrate_at_once
from taskyard.testing.conformance.store.bench import SECOND, Bench, Database, Held
from taskyard.testing.conformance.store.fixtures import OpenStore, Suite
from taskyard.testing.conformance.store.lifetime import wakes
from taskyard.testing.conformance.store.settling import trace


async def crew(bench: Bench, open_store: OpenStore, size: int = 4) -> list[Bench]:
    """Benches on stores of their own, each with a worker of its own."""
    return [await Bench.on(await open_store(), bench.clock, f"worker {n}") for n in range(size)]


async def work_off(bench: Bench, limit: int = 5) -> list[Held]:
    """Claim and complete until there is nothing."""
    done: list[Held] = []
    while held := await bench.take(limit):
        settlements = [one.settlement(Outcome.COMPLETED) for one in held]
        moved = await bench.store.settle(bench.worker_id, settlements, [held[0].claim_id])
        assert moved == {one.pair for one in held}
        done += held
    return done


class TestClaimers(Suite):
    """Many claimers at once."""

    async def test_each_task_goes_to_one_claimer_and_none_is_lost(self, bench: Bench, open_store: OpenStore) -> None:
        ids = await bench.put(200)
        workers = await crew(bench, open_store)
        done = await asyncio.gather(*(work_off(worker, n + 3) for n, worker in enumerate(workers)))
        assert sorted(held.task_id for some in done for held in some) == ids
        assert [state for _, state, _ in await bench.store.counts(0)] == [State.COMPLETED]

    async def test_tasks_that_come_while_claiming_are_not_lost(self, bench: Bench, open_store: OpenStore) -> None:
        workers = await crew(bench, open_store)
        ids: list[int] = []
        coming = True

        async def submit() -> None:
            for _ in range(20):
                ids.extend(await bench.put(5))

        async def work(worker: Bench) -> list[Held]:
            done: list[Held] = []
            while coming:
                done += await work_off(worker)
            return done + await work_off(worker)

        working = [asyncio.create_task(work(worker)) for worker in workers]
        await submit()
        coming = False
        done = [held.task_id for some in await asyncio.gather(*working) for held in some]
        assert sorted(done) == ids

    async def test_a_limit_holds_over_all_of_them(self, bench: Bench, open_store: OpenStore) -> None:
        ids = await bench.put(20, slots=(SlotKey("three", 3),))
        workers = await crew(bench, open_store)
        running: Counter[int] = Counter()
        done: list[int] = []

        async def work(worker: Bench) -> None:
            while len(done) < len(ids):
                for held in await worker.take(2):
                    running[held.task_id] += 1
                    assert running.total() <= 3
                    await asyncio.sleep(0)
                    running[held.task_id] -= 1
                    done.append(held.task_id)
                    assert await worker.settle(held)
                await asyncio.sleep(0)

        await asyncio.gather(*map(work, workers))
        assert sorted(done) == ids

    async def test_claim_and_cancel_at_once_leave_a_task_in_one_place(
        self, bench: Bench, open_store: OpenStore
    ) -> None:
        ids = await bench.put(40)
        workers = await crew(bench, open_store, 3)
        done, canceled, _ = await asyncio.gather(
            work_off(workers[0], 2),
            asyncio.gather(*(workers[1].store.cancel(id_, "ada", None, None) for id_ in ids[::2])),
            asyncio.gather(*(workers[2].store.cancel(id_, "bob", None, None) for id_ in ids[1::4])),
            return_exceptions=True,
        )
        del canceled
        if isinstance(done, AssertionError):  # a task was canceled while it ran: its completion was stale
            await work_off(workers[0])
        await self._each_has_ended_once(bench, ids)

    async def _each_has_ended_once(self, bench: Bench, ids: Sequence[int]) -> None:
        for id_ in ids:
            state = await bench.state(id_)
            assert state in (State.COMPLETED, State.CANCELED)
            ends = [type_ for type_ in await bench.event_types(id_) if type_ is not EventType.STARTED][1:]
            assert ends == [EventType.COMPLETED if state is State.COMPLETED else EventType.CANCELED]
            assert len(await bench.store.attempts(id_)) == 1

    async def test_one_of_many_recoveries_moves_a_lost_task(self, bench: Bench, open_store: OpenStore) -> None:
        ids = await bench.put(20)
        await bench.take(20)
        await bench.store.bury(bench.worker_id, None)
        others = await crew(bench, open_store)
        moved = await asyncio.gather(*(recover(Engine(other.store)) for other in others))
        assert sum(moved) == 20
        assert sorted(held.task_id for held in await others[0].take(50)) == ids

    async def test_one_of_many_promotions_moves_a_due_task(self, bench: Bench, open_store: OpenStore) -> None:
        ids = await bench.put(20, run_at=bench.clock.now() + SECOND)
        bench.clock.move(1)
        others = await crew(bench, open_store)
        assert sum(await asyncio.gather(*(other.store.promote(50) for other in others))) == 20
        assert sorted(held.task_id for held in await bench.take(50)) == ids

    async def test_one_of_many_requeues_moves_a_dead_letter(self, bench: Bench, open_store: OpenStore) -> None:
        id_ = await bench.ended(Outcome.FAILED)
        others = await crew(bench, open_store)
        moved = await asyncio.gather(*(other.store.requeue([id_], "ada", "again", None) for other in others))
        assert sorted(moved) == [[], [], [], [id_]]

    async def test_one_of_many_takes_a_unique_key(self, bench: Bench, open_store: OpenStore) -> None:
        others = await crew(bench, open_store)
        entries = [(await other.entries())[0] for other in others]
        key = Unique(b"key", None, None, False)
        answers = await asyncio.gather(
            *(other.store.enqueue_unique(entry, [key]) for other, entry in zip(others, entries, strict=True))
        )
        (stored,) = [entry.id for entry, answer in zip(entries, answers, strict=True) if answer is None]
        assert [answer for answer in answers if answer is not None] == [Found(stored, True)] * 3

    async def test_every_event_has_one_position_whoever_sequences(self, bench: Bench, open_store: OpenStore) -> None:
        others = await crew(bench, open_store)

        async def put_and_sequence(other: Bench) -> None:
            for _ in range(10):
                await other.put(2)
                await other.sequence()

        await asyncio.gather(*map(put_and_sequence, others))
        await bench.sequence()
        rows = await bench.store.feed(0, 1000)
        told = Counter(id_ for row in rows for id_ in row.task_ids)
        assert set(told.values()) == {1}
        assert len(told) == 80 == rows[-1].pos
        ends = [0, *(row.pos for row in rows)]
        assert [row.pos - len(row.task_ids) for row in rows] == ends[:-1]

    async def test_ids_of_all_stores_differ(self, bench: Bench, open_store: OpenStore) -> None:
        stores = [bench.store, await open_store(), await open_store()]
        ids = [id_ for store in stores for id_ in store.new_ids(2000)]
        assert len(set(ids)) == len(ids)

    async def test_one_leads(self, open_store: OpenStore) -> None:
        stores = [await open_store() for _ in range(4)]
        answers = await asyncio.gather(
            *(store.lead("upkeep", f"holder {n}", 10 * SECOND) for n, store in enumerate(stores))
        )
        assert sum(answers) == 1

    async def test_the_others_are_woken(self, bench: Bench, open_store: OpenStore) -> None:
        assert await wakes(await open_store(), Topic.READY, bench.put)


class TestCrash(Suite):
    """A store that is gone without a word, and comes back."""

    async def test_what_was_stored_is_there_for_the_next(self, bench: Bench, open_store: OpenStore) -> None:
        (one,) = await crew(bench, open_store, 1)
        ids = await one.put(3)
        held = await one.take_one()
        await one.settle(held)
        events = await bench.events(ids[0])
        assert [type_ for type_, _ in events] == [EventType.CREATED, EventType.STARTED, EventType.COMPLETED]
        assert [held.task_id for held in await bench.take(5)] == ids[1:]

    async def test_a_late_completion_after_a_crash_changes_nothing(self, bench: Bench, open_store: OpenStore) -> None:
        await bench.put(3)
        (gone,) = await crew(bench, open_store, 1)
        held = await gone.take(3)
        assert await gone.settle(held[0])
        await bench.pass_silently(bench.worker_id)
        assert await recover(Engine(bench.store)) == 2
        again = await bench.take(5)
        assert [one.task_id for one in again] == [one.task_id for one in held[1:]]
        before = [await trace(bench, one.task_id) for one in held]
        late = [one.settlement(Outcome.COMPLETED, result=b"late") for one in held]
        assert await gone.store.settle(gone.worker_id, late, [held[0].claim_id]) == set()
        assert [await trace(bench, one.task_id) for one in held] == before
        moved = await bench.store.settle(
            bench.worker_id, [one.settlement(Outcome.COMPLETED) for one in again], [again[0].claim_id]
        )
        assert moved == {one.pair for one in again}

    async def test_a_closed_database_keeps_everything(
        self, bench: Bench, database: Database, clock: ManualClock
    ) -> None:
        held = await bench.running()
        waiting = await bench.put_one()
        await bench.store.close()
        again = database(clock)
        await again.open()
        try:
            states = [(facts.body.id, facts.place) for facts in await again.facts([held.task_id, waiting])]
            assert [id_ for id_, place in states if place] == [held.task_id, waiting]
            assert await again.settle(bench.worker_id, [held.settlement(Outcome.COMPLETED)], [held.claim_id])
        finally:
            await again.close()


class TestMigrations(Suite):
    """`migrate`, on the fixture `bare_database`: one that was never migrated. The implementer gives it."""

    async def test_a_database_must_be_migrated_to_be_opened(self, bare_database: Address, clock: ManualClock) -> None:
        store = bare_database(clock)
        with pytest.raises(ConfigurationError):
            await store.open()
        await store.close()

    async def test_migrations_are_told_and_applied_once(self, bare_database: Address, clock: ManualClock) -> None:
        store = bare_database(clock)
        assert await store.migrate()
        assert await store.migrate() == []
        await store.open()
        assert await store.migrate() == []
        await self._works(store, clock)
        await store.close()

    async def test_eight_processes_at_once_apply_each_migration_once(
        self, bare_database: Address, clock: ManualClock
    ) -> None:
        told = await asyncio.to_thread(migrate_at_once, bare_database, 8)
        store = bare_database(clock)
        assert await store.migrate() == []
        assert len(told) == 8
        applied = [name for names in told for name in names]
        assert len(applied) == len(set(applied)) > 0
        await store.open()
        await self._works(store, clock)
        await store.close()

    async def _works(self, store: Store, clock: ManualClock) -> None:
        bench = await Bench.on(store, clock)
        assert await bench.state(await bench.ended()) is State.COMPLETED
