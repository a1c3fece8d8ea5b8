"""Dead letters: requeued, repaired or given up, and who did it."""

from typing import Any

import pytest

from taskyard import Context, Run, TaskFailed, Taskyard
from taskyard.engine.query import list_attempts, list_dead
from taskyard.errors import IllegalTransition, ValidationFailed
from tests.stories.tools import discard, events_of, keys_of, requeue, retry
from tests.support import eventually


class Shop:
    """Sells nothing until it opens."""

    def __init__(self, yard: Taskyard) -> None:
        self.open = False
        self.sell = yard.register("sell", self._sell, retry={"maxRetries": 1, "initialDelay": 0})

    async def _sell(self, ctx: Context, article: str = "pen") -> str:
        if not self.open:
            raise RuntimeError("closed")
        return f"{article} at attempt {ctx.attempt}"

    async def failed(self, **input: Any) -> Run[Any]:
        run = await self.sell.start(**input)
        with pytest.raises(TaskFailed):
            await run.result()
        return run


async def dead(yard: Taskyard) -> list[str]:
    return [task.task_id for task in (await list_dead(yard.engine, 100, None)).items]


async def test_what_has_failed_lies_in_the_dead_letters(yard: Taskyard) -> None:
    shop = Shop(yard)
    async with yard.worker():
        one, two = await shop.failed(), await shop.failed()
        assert await dead(yard) == [two.id, one.id]
        assert one.task.dead_lettered_at is not None
        assert keys_of(await events_of(yard, one))[-2:] == ["failed", "deadlettered"]


async def test_a_requeue_runs_it_again_with_fresh_budgets_and_keeps_its_history(yard: Taskyard) -> None:
    shop = Shop(yard)
    async with yard.worker():
        run = await shop.failed()
        assert run.task.retry_count == 1
        shop.open = True
        assert await requeue(yard.engine, [int(run.id)], "ada", "it has opened") == [int(run.id)]
        await run.refresh()
        assert (run.task.retry_count, run.task.dead_lettered_at) == (0, None)
        assert await run.result() == "pen at attempt 3"
        assert await dead(yard) == []
        events = await events_of(yard, run)
        assert keys_of(events) == [
            "created", "started", "retry", "started", "failed", "deadlettered", "requeued", "started", "completed",
        ]  # fmt: skip
        noted = next(event.data for event in events if event.key == "task.requeued")
        assert (noted["by"], noted["reason"]) == ("ada", "it has opened")
        assert [attempt.fact.attempt for attempt in await list_attempts(yard.engine, int(run.id))] == [1, 2, 3]


async def test_a_requeued_task_may_fail_and_be_requeued_again(yard: Taskyard) -> None:
    shop = Shop(yard)
    async with yard.worker():
        run = await shop.failed()
        await requeue(yard.engine, [int(run.id)], "ada", "try")
        with pytest.raises(TaskFailed):
            await run.result()
        assert (run.task.attempt, await dead(yard)) == (4, [run.id])
        shop.open = True
        await retry(yard.engine, int(run.id), "ada")
        assert await run.result() == "pen at attempt 5"


async def test_a_requeue_may_change_the_input_which_is_checked_first(yard: Taskyard) -> None:
    shop = Shop(yard)
    async with yard.worker():
        one, two = await shop.failed(), await shop.failed()
        ids = [int(one.id), int(two.id)]
        shop.open = True
        with pytest.raises(ValidationFailed) as refused:
            await requeue(yard.engine, ids, "ada", "repair", {"article": 7})
        assert refused.value.details[0]["path"] == "/input/article"
        assert len(await dead(yard)) == 2
        assert sorted(await requeue(yard.engine, ids, "ada", "repair", {"article": "ink"})) == ids
        assert await one.result() == "ink at attempt 3"
        assert one.task.input == {"article": "ink"}


async def test_discarding_gives_it_up_for_good_and_is_audited(yard: Taskyard) -> None:
    shop = Shop(yard)
    async with yard.worker():
        run = await shop.failed()
        assert await discard(yard.engine, [int(run.id)], "ada", "nobody wants it") == [int(run.id)]
        assert await dead(yard) == []
        assert (await run.refresh()).status == "FAILED"
        noted = (await events_of(yard, run))[-1].data
        assert (noted["by"], noted["reason"], noted["discarded"]) == ("ada", "nobody wants it", True)
        assert await discard(yard.engine, [int(run.id)], "ada", "again") == []
        assert await requeue(yard.engine, [int(run.id)], "ada", "after all") == []


async def test_only_what_is_dead_is_requeued(yard: Taskyard) -> None:
    shop = Shop(yard)
    shop.open = True
    async with yard.worker():
        done = await shop.sell.start()
        await done.result()
        assert await requeue(yard.engine, [int(done.id), 12], "ada", "why not") == []
        with pytest.raises(IllegalTransition):
            await retry(yard.engine, int(done.id), "ada")
        assert await done.result() == "pen at attempt 1"


async def test_many_are_requeued_at_a_chosen_pace(yard: Taskyard) -> None:
    shop = Shop(yard)
    async with yard.worker(concurrency=10):
        runs = await shop.sell.start_many([{}] * 30)
        await eventually(lambda: _all_dead(yard, 30))
        shop.open = True
        moved = await requeue(yard.engine, [int(run.id) for run in runs], "ada", "open", None, 100.0)
        assert len(moved) == 30
        assert {await run.result() for run in runs} == {"pen at attempt 3"}


async def _all_dead(yard: Taskyard, count: int) -> bool:
    return len(await dead(yard)) == count


async def test_a_retrying_task_can_be_run_now(yard: Taskyard) -> None:
    shop = Shop(yard)
    patient = {"retryPolicy": {"maxRetries": 1, "initialDelay": 600, "jitter": 0}}
    async with yard.worker():
        run = await shop.sell.options(execution_config=patient).start()
        await eventually(lambda: _retrying(run))
        shop.open = True
        await retry(yard.engine, int(run.id), "ada")
        assert await run.result() == "pen at attempt 2"


async def _retrying(run: Run[Any]) -> bool:
    return (await run.refresh()).status == "RETRYING"
