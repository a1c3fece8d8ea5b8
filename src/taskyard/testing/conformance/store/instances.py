# ruff: noqa: D102, S101 - the tests' names are the promises
"""Workflows under way: an instance moves on and starts its steps in one write, which counts for one writer only."""

from __future__ import annotations

import asyncio

from taskyard.contracts.instances import NEVER, Instance, InstanceWrite
from taskyard.contracts.records import Filter
from taskyard.contracts.store import Store
from taskyard.testing.conformance.store.bench import Bench
from taskyard.testing.conformance.store.fixtures import Suite

BEGINNING = (-1, 0)


async def stored(store: Store, task_id: int, due_at: int = 5, steps: tuple[int, ...] = ()) -> Instance:
    """An instance that is stored."""
    assert await store.write_instance(InstanceWrite(Instance(task_id, b"\x00\xff", due_at), steps=steps))
    found = await store.instance(task_id)
    assert found is not None
    return found


class TestInstances(Suite):
    """`write_instance`, `instance`, `due_instances`, `instances_of`, `wake_instances`, `remove_instance`."""

    async def test_an_instance_comes_back_as_it_was(self, store: Store) -> None:
        assert await stored(store, 7) == Instance(7, b"\x00\xff", 5, 1)
        assert await store.instance(8) is None

    async def test_it_moves_on_with_its_steps_once(self, bench: Bench) -> None:
        store = bench.store
        seen = await stored(store, 7)
        first, second = await bench.entries(2)
        write = InstanceWrite(seen._replace(state=b"on", due_at=9), [first], [first.id, 3])
        assert await store.write_instance(write)
        assert not await store.write_instance(write._replace(started=[second]))
        assert not await store.write_instance(write._replace(instance=seen._replace(revision=0), started=[second]))
        assert await store.instance(7) == Instance(7, b"on", 9, 2)
        assert (await store.find(Filter(), 10, None)).ids == [first.id]
        assert [held.task_id for held in await bench.take(5)] == [first.id]

    async def test_of_many_writers_one_counts(self, bench: Bench) -> None:
        seen = await stored(bench.store, 7)
        entries = await bench.entries(8)
        writes = [InstanceWrite(seen, [entry], [entry.id]) for entry in entries]
        written = await asyncio.gather(*(bench.store.write_instance(write) for write in writes))
        assert sum(written) == 1
        assert (await bench.store.find(Filter(), 10, None)).ids == [entries[written.index(True)].id]

    async def test_those_due_come_in_order_and_in_pages(self, store: Store) -> None:
        for task_id, due_at in ((4, 5), (3, 5), (2, 9), (1, 10)):
            await stored(store, task_id, due_at)
        due = await store.due_instances(9, 2, BEGINNING)
        assert [each.task_id for each in due] == [3, 4]
        assert [each.task_id for each in await store.due_instances(9, 2, (5, 4))] == [2]
        assert [each.task_id for each in await store.due_instances(None, 9, BEGINNING)] == [3, 4, 2, 1]
        assert await store.due_instances(4, 9, BEGINNING) == []

    async def test_they_are_found_by_themselves_and_by_their_open_steps(self, store: Store) -> None:
        seen = await stored(store, 7, steps=(11, 12))
        await stored(store, 8, steps=(13,))
        assert await store.instances_of([11, 12, 99]) == [7]
        assert await store.instances_of([13, 7]) == [7, 8]
        assert await store.write_instance(InstanceWrite(seen, steps=[12]))
        assert await store.instances_of([11]) == []
        assert await store.instances_of([]) == []

    async def test_those_that_are_woken_are_due_and_are_read_again(self, store: Store) -> None:
        seen = await stored(store, 7, NEVER, steps=(11,))
        await stored(store, 8, NEVER, steps=(12,))
        await store.wake_instances([11, 99])
        now = await store.now()
        assert [each.task_id for each in await store.due_instances(now, 9, BEGINNING)] == [7]
        assert not await store.write_instance(InstanceWrite(seen, steps=[11]))
        assert await store.instances_of([11]) == [7]

    async def test_what_is_removed_is_gone(self, store: Store) -> None:
        seen = await stored(store, 7, steps=(11,))
        assert await store.remove_instance(7, seen.revision)
        assert not await store.remove_instance(7, seen.revision)
        assert await store.instance(7) is None
        assert await store.instances_of([7, 11]) == []

    async def test_what_has_moved_on_meanwhile_is_not_removed(self, store: Store) -> None:
        seen = await stored(store, 7, steps=(11,))
        assert await store.write_instance(InstanceWrite(seen, steps=[12]))
        assert not await store.remove_instance(7, seen.revision)
        assert await store.instances_of([7, 12]) == [7]
        assert await store.remove_instance(7, seen.revision + 1)
