"""What has failed for good goes to a person, and comes back."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from taskyard import Context, Run, TaskFailed, Taskyard
from taskyard.contracts.inbox import InboxFilter
from taskyard.contracts.records import Opened, Settlement, WorkerInfo
from taskyard.domain.lifecycle import Outcome, State
from taskyard.domain.outcome import TaskError
from taskyard.domain.people.assignment import Person
from taskyard.domain.task import Task
from taskyard.engine.answers import answer_waiting, end_waiting
from taskyard.engine.people import ending
from taskyard.engine.people.repair import rerun
from taskyard.engine.people.timekeeping import keep_time
from taskyard.engine.query import get_task, know_one, list_dead
from taskyard.errors import Conflict, IllegalTransition, ValidationFailed
from taskyard.security.caller import Caller
from taskyard.testing.clock import ManualClock
from tests.stories.tools import events_of, keys_of, lose
from tests.support import eventually, keep_all_time

ANN = Caller("ann", frozenset({"tasks:manual"}))
REPAIR: dict[str, Any] = {"assignment": {"type": "USER", "id": "ann"}}


async def read(page: int) -> int:
    """Fails for pages there are not."""
    if page < 0:
        raise ValueError("there is no such page")
    return page


async def handed_over(yard: Taskyard, run: Run[Any]) -> Task:
    """The task once it is a person's."""

    async def is_assigned() -> bool:
        return (await get_task(yard.engine, int(run.id))).status is State.ASSIGNED

    await eventually(is_assigned)
    return await get_task(yard.engine, int(run.id))


async def test_who_waits_for_the_result_gets_that_of_the_repaired_task(yard: Taskyard) -> None:
    reading = yard.register("read", read, retry={"maxRetries": 1, "initialDelay": 0}, repair=REPAIR)
    async with yard.worker():
        run = await reading.start(page=-1)
        waiting = asyncio.create_task(run.result())
        task = await handed_over(yard, run)
        assert (task.attempt, task.retry_count) == (2, 1)
        assert task.error is not None
        assert task.error["message"].endswith("there is no such page")
        assert (await list_dead(yard.engine, 10, None)).items == []
        assert not waiting.done()
        with pytest.raises(ValidationFailed) as refused:
            await rerun(yard.engine, ANN, int(run.id), {"page": "seven"})
        assert [each["path"] for each in refused.value.details] == ["/input/page"]
        await rerun(yard.engine, ANN, int(run.id), {"page": 7}, "a typing error")
        assert await waiting == 7
        keys = keys_of(await events_of(yard, run))
        assert keys == ["created", "started", "retry", "started", "assigned", "requeued", "started", "completed"]


async def test_it_may_fail_again_and_be_repaired_again(yard: Taskyard) -> None:
    reading = yard.register("read", read, retry=0, repair=REPAIR)
    async with yard.worker():
        run = await reading.start(page=-1)
        for page in (-2, -3):
            await handed_over(yard, run)
            await rerun(yard.engine, ANN, int(run.id), {"page": page})
        task = await handed_over(yard, run)
        assert task.input == {"page": -3}
        await ending.complete(yard.engine, ANN, int(run.id), 5)
        assert await run.result() == 5


async def test_a_parent_waits_through_the_repair_of_its_child(yard: Taskyard) -> None:
    yard.register("read", read, retry=0, repair=REPAIR)

    @yard.task
    async def parent(ctx: Context) -> int:
        return int(await ctx.run("read", {"page": -1})) + 1

    async with yard.worker():
        run = await parent.start()
        child_id = await _the_open(yard)
        assert child_id != int(run.id)
        await rerun(yard.engine, ANN, child_id, {"page": 3})
        assert await run.result() == 4


async def test_who_gives_up_tells_of_what_it_failed(yard: Taskyard) -> None:
    reading = yard.register("read", read, retry=0, repair=REPAIR)
    async with yard.worker():
        run = await reading.start(page=-1)
        await handed_over(yard, run)
        await ending.reject(yard.engine, ANN, int(run.id), TaskError("REJECTED", "no page will do"))
        with pytest.raises(TaskFailed, match="there is no such page"):
            await run.result()
        assert len((await list_dead(yard.engine, 10, None)).items) == 1


async def test_a_fallback_goes_before_a_repair(yard: Taskyard) -> None:
    reading = yard.register("read", read, retry=0, fallback=0, repair=REPAIR)
    async with yard.worker():
        assert await (await reading.start(page=-1)).result() == 0


async def test_a_task_that_ends_its_workers_is_handed_over_too(yard: Taskyard) -> None:
    reading = yard.register("read", read, repair=REPAIR)
    async with yard:
        run = await reading.start(page=1)
        for _ in range(5):
            await lose(yard, int(run.id))
        task = await get_task(yard.engine, int(run.id))
        assert (task.status, task.error and task.error["code"]) == (State.ASSIGNED, "WORKER_LOST")
        await rerun(yard.engine, ANN, int(run.id))
        async with yard.worker():
            assert await run.result() == 1


async def test_what_nobody_repairs_in_time_ends_as_declared(yard_by_hand: Taskyard, clock: ManualClock) -> None:
    late = REPAIR | {"due": {"after": 3600}, "onTimeout": {"outcome": "FAILED"}}
    reading = yard_by_hand.register("read", read, retry=0, repair=late)
    async with yard_by_hand.worker():
        run = await reading.start(page=-1)
        await handed_over(yard_by_hand, run)
        clock.move(3601)
        await keep_all_time(yard_by_hand.engine)
        assert (await get_task(yard_by_hand.engine, int(run.id))).status is State.FAILED


async def waiting(yard: Taskyard, key: str) -> int:
    """A task whose answer from another system is late."""
    task_id = int((await yard.start(key, {"page": 1})).id)
    store = yard.engine.store
    worker_id = await store.register(WorkerInfo("by-hand", "localhost", 0, "0", (), 1, supervised=True))
    lease = await store.claim(worker_id, list(await yard.engine.catalog.all_lanes()), 1)
    assert lease is not None
    late = Settlement(lease.id, task_id, 1, Outcome.WAITING, opened=Opened(wake_at=1))
    assert await store.settle(worker_id, [late], [lease.id])
    return task_id


async def test_one_task_that_cannot_be_handed_over_keeps_no_others_time(
    yard_by_hand: Taskyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard, rule = yard_by_hand, {"assignment": {"rule": "leastLoaded", "group": "ops"}}
    yard.register("first", read, retry=0, repair=rule)
    yard.register("second", read, retry=0)

    async def members(group: str) -> list[Person]:
        raise RuntimeError(f"nobody knows who is in {group}")

    async with yard:
        monkeypatch.setattr(yard.engine, "directory", SimpleNamespace(members=members))
        kept, ended = await waiting(yard, "first"), await waiting(yard, "second")
        assert await keep_time(yard.engine) == 1
        assert (await get_task(yard.engine, ended)).status is State.FAILED
        assert (await get_task(yard.engine, kept)).status is State.WAITING


async def test_what_went_to_repair_meanwhile_is_not_ended_with_a_timeout(yard_by_hand: Taskyard) -> None:
    yard = yard_by_hand
    yard.register("read", read, retry=0, repair=REPAIR)
    async with yard:
        task_id = await waiting(yard, "read")
        seen = await know_one(yard.engine, task_id)
        assert await answer_waiting(yard.engine, task_id, None, TaskError("REFUSED", "no"))
        with pytest.raises(Conflict):
            await end_waiting(yard.engine, seen, TaskError("TIMEOUT", "too late"))
        task = await get_task(yard.engine, task_id)
        assert (task.status, task.error and task.error["code"]) == (State.ASSIGNED, "REFUSED")


async def test_of_two_who_repair_one_does(yard: Taskyard) -> None:
    reading = yard.register("read", read, retry=0, repair=REPAIR)
    async with yard.worker():
        run = await reading.start(page=-1)
        await handed_over(yard, run)
        told = await asyncio.gather(
            *(rerun(yard.engine, ANN, int(run.id), {"page": page}) for page in (1, 2, 3)), return_exceptions=True
        )
        assert sum(isinstance(one, Task) for one in told) == 1
        assert all(isinstance(one, Task | Conflict | IllegalTransition) for one in told)
        assert await run.result() in (1, 2, 3)


async def _the_open(yard: Taskyard) -> int:
    """The one task that is a person's, once there is one."""
    found: list[int] = []

    async def is_there() -> bool:
        found[:] = [row.task_id for row in await yard.engine.store.inbox(InboxFilter("ann"), 5, None)]
        return bool(found)

    await eventually(is_there)
    return found[0]
