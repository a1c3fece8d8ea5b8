"""Subtasks: typed, remembered under their parent, their progress added up, and no slot held meanwhile."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from pydantic import BaseModel

from taskyard import Context, Run, TaskFailed, Taskyard
from tests.stories.tools import count_tasks, lose, retry
from tests.support import eventually

AT_ONCE = {"maxRetries": 3, "initialDelay": 0, "jitter": 0}


class Receipt(BaseModel):
    total: int


async def test_a_subtask_gives_its_typed_result_and_knows_its_parent(yard: Taskyard) -> None:
    @yard.task
    async def pay(amount: int) -> Receipt:
        return Receipt(total=amount)

    @yard.task
    async def order(ctx: Context) -> list[Any]:
        receipt = await ctx.run(pay, {"amount": 5})
        by_key = await ctx.task.run("pay", {"amount": 6})
        return [isinstance(receipt, Receipt), receipt.total, by_key]

    async with yard.worker():
        run = await order.start()
        assert await run.result() == [True, 5, {"total": 6}]
        assert await count_tasks(yard, parent_id=int(run.id), cause_type="task_Task", cause=run.id) == 2


async def test_with_one_slot_a_waiting_parent_holds_none(yard: Taskyard) -> None:
    @yard.task
    async def leaf(number: int) -> int:
        return number

    @yard.task
    async def middle(ctx: Context, number: int) -> int:
        return int(await ctx.run(leaf, {"number": number})) + 10

    @yard.task
    async def root(ctx: Context, number: int) -> int:
        return int(await ctx.run(middle, {"number": number})) + 100

    async with yard.worker(concurrency=1):
        assert await root.run_many([{"number": n} for n in range(5)]) == [n + 110 for n in range(5)]


async def test_a_task_that_must_run_alone_does_not_wait_for_parents_that_wait(yard: Taskyard) -> None:
    begun, lost, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @yard.task
    async def leaf(number: int) -> None: ...

    @yard.task
    async def root(ctx: Context) -> None:
        begun.set()
        await lost.wait()
        number = 0
        while not ended.is_set():
            await ctx.run(leaf, {"number": (number := number + 1)})

    @yard.task
    async def unlucky() -> None: ...

    async with yard.worker(concurrency=1):
        parent = await root.start()
        await begun.wait()
        alone = await unlucky.start()
        await lose(yard, int(alone.id))
        lost.set()
        await alone.result()
        ended.set()
        await parent.result()


async def test_children_side_by_side_take_no_more_slots_than_there_are(yard: Taskyard) -> None:
    now, most = Counter[str](), Counter[str]()

    @yard.task
    async def leaf(number: int) -> int:
        now["leaf"] += 1
        most["leaf"] = max(most["leaf"], now["leaf"])
        await asyncio.sleep(0.02)
        now["leaf"] -= 1
        return number

    @yard.task
    async def root(ctx: Context, count: int) -> int:
        return sum(await asyncio.gather(*(ctx.run(leaf, {"number": n}) for n in range(count))))

    async with yard.worker(concurrency=2):
        assert await root.run(count=20) == 190
    assert most["leaf"] <= 2


async def test_a_subtask_runs_once_though_its_parent_is_tried_again(yard: Taskyard) -> None:
    ran: list[str] = []

    @yard.task
    async def step(name: str) -> str:
        ran.append(name)
        return name.upper()

    @yard.task(retry=AT_ONCE)
    async def parent(ctx: Context) -> list[str]:
        done = [await ctx.run(step, {"name": "a"})]
        if ctx.attempt == 1:
            raise ConnectionError("between the steps")
        done.append(await ctx.run(step, {"name": "b"}))
        if ctx.attempt == 2:
            raise ConnectionError("after them")
        return [*done, await ctx.run(step, {"name": "a"})]

    async with yard.worker():
        run = await parent.start()
        assert await run.result() == ["A", "B", "A"]
        assert run.task.attempt == 3
        assert await count_tasks(yard, parent_id=int(run.id)) == 2
        again = await parent.start()
        await again.result()
    assert ran == ["a", "b"] * 2


async def test_a_subtask_that_fails_fails_its_parent_without_a_retry(yard: Taskyard) -> None:
    broken = True

    @yard.task(retry=AT_ONCE | {"maxRetries": 1})
    async def child() -> str:
        if broken:
            raise TaskFailed("no", code="BROKEN")
        return "mended"

    @yard.task(retry=AT_ONCE)
    async def parent(ctx: Context) -> str:
        return str(await ctx.run(child))

    async with yard.worker():
        run = await parent.start()
        with pytest.raises(TaskFailed) as failed:
            await run.result()
        assert failed.value.code == "BROKEN"
        assert run.task.attempt == 1
        child_run = await yard.get(failed.value.details["taskId"])
        assert (child_run.status, child_run.task.attempt) == ("FAILED", 2)
        broken = False
        await retry(yard.engine, int(run.id), "ada")
        assert await run.result() == "mended"


async def test_a_parent_may_go_on_without_a_failed_subtask(yard: Taskyard) -> None:
    @yard.task(retry=0)
    async def child() -> str:
        raise ValueError("no")

    @yard.task
    async def parent(ctx: Context) -> str:
        try:
            return str(await ctx.run(child))
        except TaskFailed as error:
            return f"without: {error.code}"

    async with yard.worker():
        assert await parent.run() == "without: EXECUTION_ERROR"


async def test_a_wrong_input_of_a_subtask_is_refused(yard: Taskyard) -> None:
    @yard.task
    async def child(number: int) -> int:
        return number

    @yard.task
    async def parent(ctx: Context) -> int:
        return int(await ctx.run(child, {"number": "one"}))

    async with yard.worker():
        run = await parent.start()
        with pytest.raises(TaskFailed) as failed:
            await run.result()
        assert failed.value.code == "VALIDATION_ERROR"
        assert failed.value.details[0]["path"] == "/input/number"
        assert await count_tasks(yard, parent_id=int(run.id)) == 0


async def test_progress_is_added_up(yard: Taskyard) -> None:
    half, go_on = asyncio.Event(), asyncio.Event()

    @yard.task
    async def child(ctx: Context, number: int) -> None:
        ctx.progress(5, 10)
        half.set()
        await go_on.wait()
        ctx.progress(10, 10)

    @yard.task
    async def parent(ctx: Context) -> None:
        ctx.progress(2, 5, "adding")
        await asyncio.gather(*(ctx.run(child, {"number": n}) for n in range(3)))
        ctx.progress(5, 5, "added")

    async with yard.worker(concurrency=3):
        run = await parent.start()
        await eventually(lambda: _current(run, 17))
        assert run.progress == {"current": 17, "total": 35, "action": "adding", "percent": 48.57}
        go_on.set()
        await run.result()
        assert run.progress == {"current": 35, "total": 35, "action": "added", "percent": 100}


async def _current(run: Run[Any], current: float) -> bool:
    progress = (await run.refresh()).progress
    return progress is not None and progress["current"] == current


async def test_a_remembered_subtask_counts_into_the_progress_of_a_retry(yard: Taskyard) -> None:
    @yard.task
    async def child(ctx: Context) -> None:
        ctx.progress(10, 10)

    @yard.task(retry=AT_ONCE)
    async def parent(ctx: Context) -> None:
        await ctx.run(child)
        if ctx.attempt == 1:
            raise ConnectionError("no")

    async with yard.worker():
        run = await parent.start()
        await run.result()
        assert run.progress == {"current": 10, "total": 10, "action": None, "percent": 100}


async def test_deep_and_wide_trees_finish(yard: Taskyard) -> None:
    @yard.task
    async def tree(ctx: Context, depth: int, path: str = "") -> int:
        if depth == 0:
            return 1
        children = (ctx.run("tree", {"depth": depth - 1, "path": f"{path}{n}"}) for n in range(3))
        return 1 + sum(await asyncio.gather(*children))

    async with yard.worker(concurrency=2):
        assert await tree.run(depth=3) == 40
