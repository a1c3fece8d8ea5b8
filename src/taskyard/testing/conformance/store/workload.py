# ruff: noqa: D102, S101 - the tests' names are the promises
"""How people's work goes."""

from __future__ import annotations

from taskyard.contracts.people import Load, Workload, WorkTime
from taskyard.contracts.records import Opened, Settlement
from taskyard.domain.lifecycle import EventType, Outcome
from taskyard.testing.conformance.store.bench import SECOND, Bench
from taskyard.testing.conformance.store.fixtures import Suite


async def become(bench: Bench, task_id: int, opened: Opened) -> None:
    """Let an open task be held like this from now on."""
    assert await bench.store.change_open(task_id, opened, EventType.CLAIMED, {}, None)


async def end(bench: Bench, task_id: int, by: str | None = "ann") -> None:
    """Let somebody end an open task."""
    assert await bench.store.settle_open(task_id, Settlement(0, task_id, 0, Outcome.COMPLETED, by=by), None)


class TestWork(Suite):
    """`work_times`, `workloads` and `busiest`."""

    async def test_a_tasks_times_are_kept_with_its_end(self, bench: Bench) -> None:
        begun = bench.clock.now()
        due = begun + 60 * SECOND
        task_id = await bench.opened(opened=Opened("GROUP", "ops", due_at=due))
        bench.clock.move(10)
        await become(bench, task_id, Opened("GROUP", "ops", "ann", due_at=due))
        bench.clock.move(5)
        await become(bench, task_id, Opened("GROUP", "ops", "ann", due_at=due, urgency=4))
        bench.clock.move(5)
        await end(bench, task_id)
        ended = begun + 20 * SECOND
        assert await bench.store.work_times(begun, 10, None) == [
            WorkTime(task_id, "report", "ops", begun, begun + 10 * SECOND, due, ended)
        ]
        assert await bench.store.work_times(ended + 1, 10, None) == []

    async def test_they_are_told_in_pieces(self, bench: Bench) -> None:
        ids = [await bench.opened(opened=Opened("GROUP", "ops")) for _ in range(5)]
        for task_id in ids:
            await end(bench, task_id)
        told: list[WorkTime] = []
        while rows := await bench.store.work_times(0, 2, told[-1] if told else None):
            told += rows
        assert sorted(each.task_id for each in told) == sorted(ids)

    async def test_what_is_given_back_is_not_claimed(self, bench: Bench) -> None:
        task_id = await bench.opened(opened=Opened("GROUP", "ops"))
        await become(bench, task_id, Opened("GROUP", "ops", "bob"))
        bench.clock.move(10)
        await become(bench, task_id, Opened("GROUP", "ops"))
        await become(bench, task_id, Opened("USER", "ann"))
        await end(bench, task_id)
        (time,) = await bench.store.work_times(0, 10, None)
        assert (time.group, time.claimed_at) == (None, None)

    async def test_what_nobody_has_ended_is_nobodys_work(self, bench: Bench) -> None:
        await end(bench, await bench.opened(), None)
        assert await bench.store.work_times(0, 10, None) == []

    async def test_what_is_open_is_counted_by_definition_and_group(self, bench: Bench) -> None:
        begun = bench.clock.now()
        for opened in (
            Opened("GROUP", "ops", due_at=begun - 1), Opened("GROUP", "ops", "ann"), Opened("GROUP", "hr"),
            Opened("USER", "ann", due_at=begun + 1), Opened("USER", "bob"), Opened(),
        ):  # fmt: skip
            await bench.opened(opened=opened)
            bench.clock.move(1)
        await bench.opened(Outcome.WAITING, Opened(correlation_id="c"))
        assert await bench.store.workloads(begun) == [
            Workload("report", None, 3, 0, 0, begun + 3 * SECOND),
            Workload("report", "hr", 1, 1, 0, begun + 2 * SECOND),
            Workload("report", "ops", 2, 1, 1, begun),
        ]
        assert await bench.store.busiest(begun + 2, 9) == [Load("ann", 2, 1), Load("bob", 1, 0)]
        assert await bench.store.busiest(begun + 2, 1) == [Load("ann", 2, 1)]
