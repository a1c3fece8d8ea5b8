"""Finding tasks again: by cause, hash, state, start, and everything else a list can be asked for."""

from datetime import datetime
from typing import Any

from taskyard import TaskFailed, Taskyard
from taskyard.contracts.records import Filter
from taskyard.domain.lifecycle import State
from taskyard.domain.queue import TaskType
from taskyard.engine.query import list_tasks

SECOND = 1_000_000


async def found(yard: Taskyard, *, by_start: bool = False, **wanted: Any) -> list[str]:
    page = await list_tasks(yard.engine, Filter(**wanted), 100, None, by_start=by_start)
    return [task.task_id for task in page.items]


async def job(fail: bool = False) -> None:
    if fail:
        raise ValueError("no")


def us(moment: datetime | None) -> int:
    assert moment is not None
    return round(moment.timestamp() * 1_000_000)


async def test_tasks_are_found_by_cause_hash_state_and_more(yard: Taskyard) -> None:
    handle = yard.register("job", job, retry=0)
    async with yard.worker(concurrency=1):
        caused = await handle.options(cause=("event", "e1"), expire=60, correlation_id="c-1").start()
        other = await handle.options(cause=("event", "e2"), workflow_id="w", tags=["a", "b"]).start()
        failed = await handle.start(fail=True)
        later = await handle.options(delay=600).start()
        for run in (caused, other, failed):
            try:
                await run.result()
            except TaskFailed:
                continue
        assert await found(yard) == [later.id, failed.id, other.id, caused.id]
        assert await found(yard, cause_type="event") == [other.id, caused.id]
        assert await found(yard, cause_type="event", cause="e1") == [caused.id]
        assert caused.task.hash is not None
        assert await found(yard, hash=bytes.fromhex(caused.task.hash)) == [other.id, caused.id]
        assert await found(yard, status=frozenset({State.FAILED})) == [failed.id]
        assert await found(yard, status=frozenset({State.PENDING, State.FAILED})) == [later.id, failed.id]
        assert await found(yard, status=frozenset({State.COMPLETED})) == [other.id, caused.id]
        assert await found(yard, correlation_id="c-1") == [caused.id]
        assert await found(yard, correlation_prefix="c-") == [caused.id]
        assert await found(yard, workflow_id="w", tag="b") == [other.id]
        assert await found(yard, task_types=frozenset({TaskType.MANUAL})) == []
        begin, end = us(caused.task.created_at), us(later.task.created_at) + SECOND
        assert len(await found(yard, created_after=begin, created_before=end)) == 4
        assert await found(yard, created_after=end) == await found(yard, created_before=begin - SECOND) == []


async def test_tasks_are_listed_in_the_order_of_starting_too(yard: Taskyard) -> None:
    handle = yard.register("job", job)
    async with yard:
        low = await handle.options(priority="LOW").start()
        medium = await handle.start()
        high = await handle.options(priority="HIGH").start()
        waiting = await handle.options(delay=600).start()
        async with yard.worker(concurrency=1):
            for run in (low, medium, high):
                await run.result()
        assert await found(yard, by_start=True) == [low.id, medium.id, high.id]
        assert await found(yard) == [waiting.id, high.id, medium.id, low.id]
        begin = us(high.task.start_time)
        assert len(await found(yard, by_start=True, started_after=begin - SECOND)) == 3
        assert await found(yard, by_start=True, started_before=begin - SECOND) == []


async def test_a_page_goes_on_where_the_last_one_ended(yard: Taskyard) -> None:
    handle = yard.register("job", job)
    async with yard:
        runs = await handle.start_many([{}] * 25)
        seen: list[str] = []
        after = None
        while True:
            page = await list_tasks(yard.engine, Filter(), 10, after)
            seen += [task.task_id for task in page.items]
            if page.next is None:
                break
            after = page.next
    assert seen == [run.id for run in reversed(runs)]
