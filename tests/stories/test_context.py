"""What a handler is given, and what it can say and start."""

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from taskyard import Context, TaskFailed, Taskyard
from taskyard.engine.events import task_events
from taskyard.engine.trigger import act
from taskyard.errors import NotFound
from taskyard.security.caller import LOCAL


async def test_a_task_completes_with_warnings_for_the_items_that_failed(yard: Taskyard) -> None:
    @yard.task
    async def load(ctx: Context, rows: list[int]) -> int:
        loaded = 0
        for row in rows:
            try:
                loaded += 10 // row
            except ZeroDivisionError as error:
                ctx.failed_item({"row": row}, error)
        ctx.failed_item(object(), "by hand")
        return loaded

    async with yard.worker():
        run = await load.start(rows=[5, 0, 2])
        assert await run.result() == 7
    division, by_hand = run.task.warnings
    assert division == {"item": {"row": 0}, "error": "integer division or modulo by zero"}
    assert by_hand["error"] == "by hand"
    assert by_hand["item"].startswith("<object object")


@pytest.mark.parametrize("item", ["half \ud800", "nul \0", 2**80, float("nan"), {1: 2}, {"deep": [object()]}])
async def test_a_failed_item_of_any_kind_is_told(yard: Taskyard, item: Any) -> None:
    @yard.task
    async def load(ctx: Context) -> str:
        ctx.failed_item(item, ValueError("half \ud800"))
        return "loaded"

    async with yard.worker():
        run = await load.start()
        assert await run.result() == "loaded"
        assert len(run.task.warnings) == 1


async def test_warnings_of_an_attempt_that_failed_are_not_the_tasks(yard: Taskyard) -> None:
    @yard.task(retry={"maxRetries": 1, "initialDelay": 0})
    async def load(ctx: Context) -> None:
        ctx.failed_item("x", "odd")
        if ctx.attempt == 1:
            raise ValueError("no")

    async with yard.worker():
        run = await load.start()
        await run.result()
        assert run.task.warnings == [{"item": "x", "error": "odd"}]


async def test_the_facts_of_the_request_reach_the_handler(yard: Taskyard) -> None:
    @yard.task
    async def look(ctx: Context) -> dict[str, Any]:
        return {
            "id": ctx.id, "task": ctx.task.id, "cause": [ctx.cause_type, ctx.cause], "correlation": ctx.correlation_id,
            "client": ctx.client, "metadata": dict(ctx.metadata), "workflow": ctx.workflow, "attempt": ctx.attempt,
        }  # fmt: skip

    context = {"workflowDefinitionId": "wd", "variables": {"a": 1}, "importance": "HIGH"}
    asked = look.options(
        workflow_context=context, workflow_id="w", step_id="s", correlation_id="c", cause=("event", "e"),
        client={"user": "ada"}, metadata={"m": 1},
    )  # fmt: skip
    async with yard.worker():
        run = await asked.start()
        assert await run.result() == {
            "id": run.id, "task": run.id, "cause": ["event", "e"], "correlation": "c", "client": {"user": "ada"},
            "metadata": {"m": 1}, "workflow": {**context, "workflowId": "w", "stepId": "s"}, "attempt": 1,
        }  # fmt: skip
        assert run.task.workflow_context == context
        assert run.task.priority == "HIGH"
        bare = await look.run()
        assert (bare["workflow"], bare["client"], bare["metadata"], bare["cause"]) == (None, None, {}, [None, None])


async def test_a_trigger_starts_what_declared_it(yard: Taskyard) -> None:
    @yard.task(trigger="orderPlaced", service="shop")
    async def pack(order: int) -> str:
        return f"packed {order}"

    @yard.task(trigger="orderPlaced", service="books")
    async def bill(order: int) -> str:
        return f"billed {order}"

    @yard.task(trigger=True)
    async def sweep() -> str:
        return "swept"

    async with yard.worker():
        runs = await yard.trigger("orderPlaced", {"order": 7})
        assert sorted([await run.result() for run in runs]) == ["billed 7", "packed 7"]
        assert {run.cause for run in runs} == {("trigger", "orderPlaced")}
        (swept,) = await yard.trigger("sweep")
        assert await swept.result() == "swept"
        (event,) = await yard.trigger("sweep", cause=("event", "e"))
        assert event.cause == ("event", "e")
        with pytest.raises(NotFound, match="'nothingSuch'"):
            await yard.trigger("nothingSuch")


async def test_a_handler_can_trigger_too_everywhere_or_in_one_service(yard: Taskyard) -> None:
    @yard.task(trigger="done", service="shop")
    async def in_shop() -> None: ...

    @yard.task(trigger="done", service="books")
    async def in_books() -> None: ...

    @yard.task
    async def ring(ctx: Context) -> list[list[str]]:
        everywhere = await ctx.trigger("done")
        return [everywhere, await ctx.trigger_service("books", "done"), await ctx.task.trigger("done")]

    async with yard.worker():
        run = await ring.start()
        everywhere, in_one, by_task = await run.result()
        assert (len(everywhere), len(in_one), len(by_task)) == (2, 1, 2)
        started = await yard.get(in_one[0])
        assert started.task.task_definition_id == "in_books"
        assert started.cause == ("task_Task", run.id)


async def test_an_action_is_a_command(yard: Taskyard) -> None:
    @yard.task(action="restock")
    async def order_more(article: str) -> str:
        return f"more {article}"

    async with yard.worker():
        task = await act(yard.engine, "restock", {"article": "pens"}, LOCAL, "c-1")
        run = await yard.get(task.task_id)
        assert await run.result() == "more pens"
        assert run.cause == ("command", "c-1")
        with pytest.raises(NotFound):
            await act(yard.engine, "order_more", {}, LOCAL, "c-2")


async def test_what_a_handler_emits_is_heard_in_its_process(yard: Taskyard) -> None:
    heard: list[Any] = []

    @yard.on("halfway")
    async def listen(told: Any) -> None:
        heard.append(told)

    @yard.task
    async def walk(ctx: Context) -> str:
        await ctx.emit("halfway", {"km": 5})
        return ctx.id

    async with yard.worker():
        id_ = await walk.run()
    assert heard == [{"name": "halfway", "data": {"km": 5}, "taskId": id_}]


async def test_what_a_handler_emits_is_kept(yard: Taskyard, another_yard: Callable[[], Taskyard]) -> None:
    kept: list[list[Any]] = []

    @yard.task
    async def walk(ctx: Context) -> None:
        for km in range(3):
            ctx.log.info("%d km", km)
            await ctx.emit("milestone", {"km": km, "when": date(2030, 1, km + 1)})
            kept.append(await emitted(yard, ctx.id))
        await asyncio.gather(*(ctx.emit("rest", number) for number in range(10)))

    async with yard.worker():
        run = await walk.start()
        await run.result()
    miles = [("milestone", {"km": km, "when": f"2030-01-0{km + 1}"}) for km in range(3)]
    assert kept == [miles[:1], miles[:2], miles]
    async with another_yard() as later:
        assert await emitted(later, run.id) == [*miles, *(("rest", number) for number in range(10))]


async def emitted(yard: Taskyard, task_id: str) -> list[tuple[str, Any]]:
    """What a task has emitted by now, as its trail tells."""
    trail = await task_events(yard.engine, int(task_id))
    return [(event.data["name"], event.data["data"]) for event in trail if event.key == "task.emitted"]


async def test_an_event_that_is_too_long_is_the_handlers_error(yard: Taskyard) -> None:
    @yard.task(retry=0)
    async def shout(ctx: Context) -> None:
        await ctx.emit("loud", "a" * 70_000)

    async with yard.worker():
        with pytest.raises(TaskFailed, match="65536 bytes"):
            await shout.run()


async def test_each_attempt_has_a_context_of_its_own(yard: Taskyard) -> None:
    together = asyncio.Barrier(3)

    @yard.task
    async def meet(ctx: Context, name: str) -> list[str]:
        await together.wait()
        return [ctx.id, name]

    async with yard.worker(concurrency=3):
        runs = await meet.start_many([{"name": name} for name in "abc"])
        assert [await run.result() for run in runs] == [[run.id, name] for run, name in zip(runs, "abc", strict=True)]
