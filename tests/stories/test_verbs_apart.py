"""What handlers in threads and processes ask of Taskyard: subtasks, triggers, events, as coroutines do on the loop."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taskyard import BlockingContext, Context, TaskFailed, TaskHandle, Taskyard
from taskyard.executors.function import executor
from taskyard.executors.function.handler import Isolation
from tests.stories import shop
from tests.stories.tools import count_tasks, events_of
from tests.support import eventually

Handler = Callable[..., Any]

everywhere = pytest.mark.parametrize(
    ("handler", "isolation"),
    [(shop.order, "thread"), (shop.order, "process"), (shop.order_all_at_once, "process")],
    ids=["thread", "process", "process-async"],
)
blocking = pytest.mark.parametrize("isolation", ["thread", "process"])


@pytest.fixture
def pay(yard: Taskyard) -> TaskHandle[..., Any]:
    return yard.register("pay", shop.pay.function)


@everywhere
async def test_a_subtask_gives_its_typed_result_and_its_progress(
    yard: Taskyard, pay: TaskHandle[..., Any], handler: Handler, isolation: Isolation
) -> None:
    order = yard.register("order", handler, isolation=isolation)
    async with yard.worker():
        run = await order.start(amounts=[2, 3, 4])
        assert await run.result() == 9
        assert run.progress == {"current": 10, "total": 10, "action": "ordering", "percent": 100}
        assert await count_tasks(yard, parent_id=int(run.id), cause_type="task_Task", cause=run.id) == 3


@everywhere
async def test_with_one_slot_a_waiting_parent_holds_none(
    yard: Taskyard, pay: TaskHandle[..., Any], handler: Handler, isolation: Isolation
) -> None:
    order = yard.register("order", handler, isolation=isolation)
    run_it = yard.register("run_it", shop.run_it, isolation=isolation)
    async with yard.worker(concurrency=1):
        asked = [{"key": "order", "input": {"amounts": [number]}} for number in (1, 2)]
        assert await run_it.run_many(asked) == [1, 2]
        assert await order.run(amounts=[7]) == 7


async def test_parents_hold_no_more_threads_than_there_is_room_for(
    yard: Taskyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many more parents than threads: those that wait leave room for the children, which are threads too."""
    monkeypatch.setattr(executor, "_SPARE", 1)

    @yard.task
    def leaf(number: int) -> int:
        return number

    @yard.task
    def middle(ctx: BlockingContext, number: int) -> int:
        return int(ctx.run(leaf, {"number": number}))

    @yard.task
    def root(ctx: BlockingContext, number: int) -> int:
        return int(ctx.run(middle, {"number": number}))

    async with yard.worker(concurrency=1):
        assert await root.run_many([{"number": number} for number in range(12)]) == list(range(12))


@pytest.mark.parametrize(
    ("handler", "isolation"),
    [(shop.ring, "thread"), (shop.ring, "process"), (shop.ring_without_blocking, "process")],
    ids=["thread", "process", "process-async"],
)
async def test_triggers_and_events_reach_everybody(yard: Taskyard, handler: Handler, isolation: Isolation) -> None:
    heard: list[Any] = []

    @yard.on("ringing")
    def listen(told: Any) -> None:
        heard.append(told)

    @yard.task(trigger="bell", service="shop")
    async def in_shop() -> None: ...

    @yard.task(trigger="bell", service="books")
    async def in_books() -> None: ...

    ring = yard.register("ring", handler, isolation=isolation, retry=0)
    async with yard.worker():
        run = await ring.start()
        assert await run.result() == [2, 1, 2]
        assert heard == [{"name": "ringing", "data": {"bell": "bell"}, "taskId": run.id}]
        assert [event.data["name"] for event in await events_of(yard, run) if event.key == "task.emitted"] == [
            "ringing"
        ]
        assert await count_tasks(yard, cause_type="task_Task", cause=run.id) == 5
        with pytest.raises(TaskFailed, match="declares the trigger 'nothing'") as failed:
            await ring.run(bell="nothing")
        assert failed.value.code == "NOT_FOUND"


@blocking
async def test_a_subtask_that_fails_fails_its_parent_without_a_retry(yard: Taskyard, isolation: Isolation) -> None:
    @yard.task
    async def child() -> None:
        raise TaskFailed("no", code="BROKEN", retryable=False)

    parent = yard.register("parent", shop.run_it, isolation=isolation)
    async with yard.worker():
        run = await parent.start(key="child")
        with pytest.raises(TaskFailed) as failed:
            await run.result()
        child_run = await yard.get(failed.value.details["taskId"])
    assert (failed.value.code, run.task.attempt, child_run.status) == ("BROKEN", 1, "FAILED")


@blocking
async def test_an_input_that_does_not_fit_is_refused(
    yard: Taskyard, pay: TaskHandle[..., Any], isolation: Isolation
) -> None:
    wrong = yard.register("wrong", shop.run_it, isolation=isolation)
    no_json = yard.register("no_json", shop.run_what_is_no_json, isolation=isolation)
    async with yard.worker():
        for run in [await wrong.start(key="pay", input={"amount": "one"}), await no_json.start()]:
            with pytest.raises(TaskFailed, match="amount") as failed:
                await run.result()
            assert (failed.value.code, run.task.attempt) == ("VALIDATION_ERROR", 1)


waiting = pytest.mark.parametrize(
    ("handler", "isolation", "told"),
    [
        (shop.wait_for_it, "thread", "{}"),
        (shop.wait_for_it, "process", "{}"),
        (shop.wait_for_it_without_blocking, "process", "cancelled"),
    ],
    ids=["thread", "process", "process-async"],
)


@waiting
@pytest.mark.parametrize("why", ["canceled", "timeout"])
async def test_a_parent_that_has_to_stop_waits_no_longer(
    yard: Taskyard, tmp_path: Path, handler: Handler, isolation: Isolation, told: str, why: str
) -> None:
    began = asyncio.Event()

    @yard.task
    async def forever() -> None:
        began.set()
        await asyncio.Event().wait()

    @yard.task
    async def after() -> str:
        return "fine"

    warm = yard.register("warm", shop.echo, isolation=isolation)
    wait = yard.register("wait", handler, isolation=isolation, timeout=2 if why == "timeout" else None, retry=0)
    async with yard.worker(concurrency=2):
        assert await warm.run(text="once") == "once"
        run = await wait.start(key="forever", told=str(tmp_path / "told"))
        await began.wait()
        if why == "canceled":
            await run.cancel()
        with pytest.raises(TaskFailed) as failed:
            await run.result()
        await eventually((tmp_path / "told").exists)
        assert failed.value.code == ("TIMEOUT" if why == "timeout" else "CANCELED")
        assert await eventually((tmp_path / "told").read_text) == told.format(why)
        assert await after.run_many([{}] * 3) == ["fine"] * 3


async def test_a_context_belongs_to_where_the_handler_runs(yard: Taskyard) -> None:
    @yard.task
    async def inline(ctx: Context) -> str:
        return type(ctx).__name__

    @yard.task
    def thread(ctx: BlockingContext) -> str:
        return type(ctx).__name__

    async with yard.worker():
        assert [await inline.run(), await thread.run()] == ["Context", "BlockingContext"]
