# ruff: noqa: D102, S101 - the tests' names are the promises
"""Schedules: a schedule moves on and starts its tasks in one write, which counts for one writer only."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from taskyard.contracts.records import Filter, ScheduledEntry, ScheduleRow, ScheduleWrite, SlotKey
from taskyard.contracts.store import Store
from taskyard.domain.due import Progress
from taskyard.domain.facts import PlaceKind
from taskyard.domain.schedule import Schedule
from taskyard.testing.conformance.store.bench import SECOND, Bench
from taskyard.testing.conformance.store.fixtures import OpenStore, Suite

FAR = 1 << 62
BEGINNING = (-1, "")


def row(name: str = "nightly", due_at: int | None = 5, revision: int = 0, **progress: Any) -> ScheduleRow:
    """A schedule as it is to be stored."""
    schedule = Schedule(schedule_id=name, task_definition_id="report", interval=60.0, input={"\u00e4": [1, None]})
    return ScheduleRow(schedule, Progress(**{"decided": 1, **progress}), due_at, revision)


async def stored(store: Store, name: str = "nightly", due_at: int | None = 5) -> ScheduleRow:
    """A schedule that is stored."""
    await store.write_schedules([ScheduleWrite(row(name, due_at))])
    found = await store.schedule(name)
    assert found is not None
    return found


async def scheduled(bench: Bench, *keys: bytes | None, **fields: Any) -> tuple[ScheduledEntry, ...]:
    """Tasks of a schedule, not yet stored."""
    entries = await bench.entries(len(keys), **fields)
    return tuple(ScheduledEntry(entry, key) for entry, key in zip(entries, keys, strict=True))


async def task_ids(store: Store) -> list[int]:
    """All tasks there are, oldest first."""
    return sorted((await store.find(Filter(), 1000, None)).ids)


class TestSchedules(Suite):
    """`write_schedules`, `schedule`, `schedules`, `due_schedules` and `remove_schedule`."""

    async def test_a_schedule_comes_back_as_it_was(self, store: Store) -> None:
        error = {"at": 4, "code": "NOT_FOUND", "message": "gone"}
        full = row(buffered=2, running=(3, 4), last_at=5, last_task=4, error=error)
        assert await store.write_schedules([ScheduleWrite(full)]) == {"nightly": []}
        assert await store.schedule("nightly") == full._replace(revision=1)
        assert await store.schedule("daily") is None

    async def test_they_are_listed_by_id(self, store: Store) -> None:
        for name in ("b", "C", "a", "a-1"):
            await stored(store, name)
        assert [each.id for each in await store.schedules(3, "")] == ["C", "a", "a-1"]
        assert [each.id for each in await store.schedules(3, "a-1")] == ["b"]

    async def test_those_due_are_told_soonest_first(self, store: Store) -> None:
        for name, due_at in {"d": 30, "c": 10, "b": 20, "a": 20, "never": None}.items():
            await stored(store, name, due_at)
        assert [each.id for each in await store.due_schedules(20, 10, BEGINNING)] == ["c", "a", "b"]
        assert [each.id for each in await store.due_schedules(20, 1, BEGINNING)] == ["c"]
        assert [each.id for each in await store.due_schedules(FAR, 10, (20, "a"))] == ["b", "d"]
        assert await store.due_schedules(9, 10, BEGINNING) == []

    async def test_a_removed_one_is_gone(self, store: Store) -> None:
        old = await stored(store)
        assert await store.remove_schedule("nightly")
        assert not await store.remove_schedule("nightly")
        assert await store.schedule("nightly") is None
        assert await store.write_schedules([ScheduleWrite(old)]) == {}
        assert await store.schedule("nightly") is None

    async def test_it_moves_on_and_starts_tasks_in_one_write(self, bench: Bench) -> None:
        old = await stored(bench.store)
        tasks = await scheduled(bench, b"one", b"two", None, cause_type="schedule", cause="nightly")
        ids = [each.entry.id for each in tasks]
        moved = old._replace(progress=Progress(decided=9), due_at=None)
        assert await bench.store.write_schedules([ScheduleWrite(moved, tasks)]) == {"nightly": ids}
        assert await bench.store.schedule("nightly") == moved._replace(revision=2)
        assert [held.task_id for held in await bench.take(5)] == ids
        assert (await bench.facts(ids[0])).body.cause == "nightly"
        assert [len(await bench.events(id_)) for id_ in ids] == [2, 2, 2]

    async def test_only_the_first_writer_counts(self, bench: Bench) -> None:
        old = await stored(bench.store)
        first, second = await scheduled(bench, None), await scheduled(bench, None)
        assert await bench.store.write_schedules([ScheduleWrite(old, first)]) == {"nightly": [first[0].entry.id]}
        assert await bench.store.write_schedules([ScheduleWrite(old, second)]) == {}
        assert await bench.store.write_schedules([ScheduleWrite(row(), second)]) == {}
        assert await task_ids(bench.store) == [first[0].entry.id]

    async def test_one_that_was_changed_meanwhile_does_not_hold_up_the_others(self, bench: Bench) -> None:
        rows = [await stored(bench.store, name) for name in "abc"]
        await bench.store.write_schedules([ScheduleWrite(rows[1])])
        writes = [ScheduleWrite(each, await scheduled(bench, None)) for each in rows]
        written = await bench.store.write_schedules(writes)
        assert written.keys() == {"a", "c"}
        assert await task_ids(bench.store) == sorted(id_ for ids in written.values() for id_ in ids)

    async def test_a_key_has_one_task_for_as_long_as_that_is_kept(self, bench: Bench) -> None:
        old = await stored(bench.store)
        (first,) = await scheduled(bench, b"tick")
        await bench.store.write_schedules([ScheduleWrite(old, (first,))])
        old = old._replace(revision=2)
        again = await scheduled(bench, b"tick", b"tock")
        written = await bench.store.write_schedules([ScheduleWrite(old, again)])
        assert written == {"nightly": [again[1].entry.id]}
        for held in await bench.take(5):
            await bench.settle(held)
        bench.clock.move(10)
        await bench.store.prune(bench.clock.now())
        (after,) = await scheduled(bench, b"tick")
        written = await bench.store.write_schedules([ScheduleWrite(old._replace(revision=3), (after,))])
        assert written == {"nightly": [after.entry.id]}

    async def test_when_a_task_cannot_be_stored_nothing_has_moved(self, bench: Bench) -> None:
        old = await stored(bench.store)
        (taken,) = await bench.put(1)
        tasks = tuple(each._replace(entry=each.entry._replace(id=taken)) for each in await scheduled(bench, b"tick"))
        with pytest.raises(Exception):  # noqa: B017, PT011 - each database has its own
            await bench.store.write_schedules([ScheduleWrite(old._replace(due_at=99), tasks)])
        assert await bench.store.schedule("nightly") == old
        good = await scheduled(bench, b"tick")
        assert await bench.store.write_schedules([ScheduleWrite(old, good)]) == {"nightly": [good[0].entry.id]}

    async def test_limits_hold_for_scheduled_tasks(self, bench: Bench) -> None:
        old = await stored(bench.store)
        tasks = await scheduled(bench, None, None, slots=(SlotKey("one", 1),))
        await bench.store.write_schedules([ScheduleWrite(old, tasks)])
        await bench.store.tidy()
        assert len(await bench.take(5)) == 1
        assert (await bench.place(tasks[1].entry.id)).kind is PlaceKind.PARKED

    async def test_delayed_ones_wait(self, bench: Bench) -> None:
        old = await stored(bench.store)
        tasks = await scheduled(bench, None, run_at=bench.clock.now() + SECOND)
        await bench.store.write_schedules([ScheduleWrite(old, tasks)])
        assert (await bench.place(tasks[0].entry.id)).kind is PlaceKind.DELAYED


class TestScheduleWriters(Suite):
    """Several stores that write the same schedules at once."""

    async def test_every_revision_is_written_by_one_of_them(self, bench: Bench, open_store: OpenStore) -> None:
        stores = [bench.store, await open_store(), await open_store()]
        rows = [await stored(bench.store, f"s{number}") for number in range(20)]
        for revision in range(1, 6):
            current = [each._replace(revision=revision) for each in rows]
            batches = [
                [ScheduleWrite(each, await scheduled(bench, None)) for each in (current[n:] + current[:n])]
                for n in (0, 7, 13)
            ]
            answers = await asyncio.gather(
                *(store.write_schedules(batch) for store, batch in zip(stores, batches, strict=True))
            )
            names = [name for answer in answers for name in answer]
            assert sorted(names) == sorted(each.id for each in rows)
        assert len(await task_ids(bench.store)) == 100

    async def test_a_new_one_is_made_once(self, store: Store, open_store: OpenStore) -> None:
        other = await open_store()
        answers = await asyncio.gather(
            *(each.write_schedules([ScheduleWrite(row("new"))]) for each in (store, other) for _ in range(5))
        )
        assert sum(map(len, answers)) == 1
