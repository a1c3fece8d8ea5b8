"""Handlers: coroutines, threads and processes; what they raise, leave undone and give back."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taskyard import Context, TaskFailed, Taskyard
from taskyard.executors.function.handler import Isolation
from tests.stories import handlers


async def failure(run: Any) -> TaskFailed:
    with pytest.raises(TaskFailed) as failed:
        await run.result()
    return failed.value


async def test_a_coroutine_runs_on_the_loop_and_a_function_in_a_thread_and_a_process_apart(yard: Taskyard) -> None:
    @yard.task
    async def inline() -> tuple[int, int]:
        return os.getpid(), threading.get_ident()

    @yard.task
    def thread() -> tuple[int, int]:
        return os.getpid(), threading.get_ident()

    process = yard.register("process", handlers.whoami, isolation="process")
    async with yard.worker():
        here = os.getpid(), threading.get_ident()
        assert await inline.run() == here
        own_process, own_thread = await thread.run()
        assert (own_process == here[0], own_thread == here[1]) == (True, False)
        assert await process.run() != here[0]


async def test_threads_run_side_by_side_with_the_loop(yard: Taskyard) -> None:
    meeting = threading.Barrier(3, timeout=10)

    @yard.task
    def meet() -> bool:
        meeting.wait()
        return True

    async with yard.worker(concurrency=3):
        assert await meet.run_many([{}] * 3) == [True] * 3


async def test_a_process_has_what_a_handler_needs(yard: Taskyard) -> None:
    run_tell = yard.register("tell", handlers.tell, isolation="process")
    async with yard.worker():
        run = await run_tell.options(cause=("event", "e"), workflow_id="w").start()
        told = await run.result()
        assert told["id"] == run.id
        assert (told["attempt"], told["cause"], told["workflow"]["workflowId"]) == (1, "e", "w")
        assert run.progress == {"current": 1, "total": 2, "action": "half", "percent": 50}
        assert run.task.warnings == [{"item": "x", "error": "odd"}]
        texts = [message["text"] async for message in run.follow() if message["type"] == "log"]
        assert texts == ["from afar"]


@pytest.mark.parametrize("isolation", ["inline", "thread", "process"])
async def test_what_a_handler_raises_is_the_error(yard: Taskyard, isolation: Isolation) -> None:
    async def fail() -> None:
        raise TaskFailed("no", code="BROKEN", details={"why": "because"}, retryable=False)

    run_fail = yard.register("fail", fail if isolation == "inline" else handlers.fail, isolation=isolation)
    async with yard.worker():
        run = await run_fail.start()
        failed = await failure(run)
    assert (failed.code, failed.details, failed.retryable) == ("BROKEN", {"why": "because"}, False)
    assert run.task.error is not None
    assert run.task.error["message"] == "no"
    assert "TaskFailed: no" in run.task.error["stackTrace"]


async def test_an_ordinary_exception_is_an_execution_error_with_its_stack(yard: Taskyard) -> None:
    @yard.task(retry=0)
    async def divide(by: int) -> float:
        return 1 / by

    async with yard.worker():
        run = await divide.start(by=0)
        failed = await failure(run)
        assert failed.code == "EXECUTION_ERROR"
        assert run.task.error is not None
        assert run.task.error["message"] == "ZeroDivisionError: division by zero"
        assert "return 1 / by" in run.task.error["stackTrace"]
        assert await divide.run(by=1) == 1


class Odd(BaseException):
    """Not even an Exception."""


def exits() -> None:
    sys.exit("enough")


def raises_base() -> None:
    raise Odd("odd")


def interrupts() -> None:
    raise KeyboardInterrupt


def cancels_itself() -> None:
    raise asyncio.CancelledError


def runs_out() -> None:
    raise StopIteration


@pytest.mark.parametrize("function", [exits, raises_base, interrupts, cancels_itself, runs_out])
@pytest.mark.parametrize("isolation", ["inline", "thread", "process"])
async def test_nothing_that_a_handler_raises_harms_its_worker(
    yard: Taskyard, function: Callable[[], None], isolation: Isolation
) -> None:
    async def inline() -> None:
        function()

    run_it = yard.register("it", inline if isolation == "inline" else function, isolation=isolation, retry=0)

    @yard.task
    async def after() -> str:
        return "fine"

    async with yard.worker(concurrency=1):
        failed = await failure(await run_it.start())
        assert failed.code == "EXECUTION_ERROR"
        assert await after.run() == "fine"


async def test_a_handler_may_cancel_what_it_has_started(yard: Taskyard) -> None:
    @yard.task(retry=0)
    async def careless() -> None:
        inner = asyncio.create_task(asyncio.sleep(60))
        inner.cancel()
        await inner

    @yard.task
    async def careful() -> str:
        inner = asyncio.create_task(asyncio.sleep(60))
        inner.cancel()
        await asyncio.gather(inner, return_exceptions=True)
        return "went on"

    async with yard.worker(concurrency=1):
        assert (await failure(await careless.start())).code == "EXECUTION_ERROR"
        assert await careful.run() == "went on"


@pytest.mark.parametrize("how", ["sys.exit", "os._exit", "kill"])
async def test_a_process_that_ends_fails_its_attempt_only(yard: Taskyard, how: str) -> None:
    leave = yard.register("leave", handlers.leave, isolation="process", retry=0)
    add = yard.register("add", handlers.add, isolation="process")
    async with yard.worker(concurrency=1):
        failed = await failure(await leave.start(how=how))
        assert failed.code == "EXECUTION_ERROR"
        assert await add.run(a=1, b=2) == 3


@pytest.mark.parametrize("isolation", ["inline", "thread", "process"])
async def test_what_is_no_json_is_no_output(yard: Taskyard, isolation: Isolation) -> None:
    async def inline() -> Any:
        return {object()}

    function = inline if isolation == "inline" else handlers.give_a_set_of_objects
    give = yard.register("give", function, isolation=isolation)
    async with yard.worker():
        run = await give.start()
        assert (await failure(run)).code == "OUTPUT_VALIDATION_ERROR"
        assert run.task.retry_count == 0


@pytest.mark.parametrize("value", [float("nan"), "a\0b", "\ud800", 2**64, {"deep": {1: object()}}])
async def test_what_no_store_can_keep_is_no_output_either(yard: Taskyard, value: Any) -> None:
    @yard.task
    async def give() -> Any:
        return value

    async with yard.worker():
        assert (await failure(await give.start())).code == "OUTPUT_VALIDATION_ERROR"


async def test_the_output_must_fit_what_the_handler_promises(yard: Taskyard) -> None:
    @yard.task
    async def promise() -> dict[str, int]:
        return {"a": "b"}  # type: ignore[dict-item]  # it is what is refused

    async with yard.worker():
        run = await promise.start()
        failed = await failure(run)
        assert failed.code == "OUTPUT_VALIDATION_ERROR"
        assert failed.details[0]["path"] == "/a"
        assert (run.status, run.task.retry_count) == ("FAILED", 0)


async def test_an_output_over_the_limit_is_refused(yard: Taskyard) -> None:
    @yard.task
    async def give(size: int) -> str:
        return "x" * size

    async with yard.worker():
        failed = await failure(await give.start(size=1 << 20))
        assert failed.code == "OUTPUT_VALIDATION_ERROR"
        assert "keep large results in a file" in str(failed)
        assert len(await give.run(size=1_000_000)) == 1_000_000


async def test_a_coroutine_over_its_timeout_is_cancelled(yard: Taskyard) -> None:
    seen: list[str] = []

    @yard.task(timeout=0.2, retry=0)
    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    @yard.task
    async def after() -> str:
        return "fine"

    async with yard.worker(concurrency=1):
        run = await hang.start()
        assert (await failure(run)).code == "TIMEOUT"
        assert seen == ["cancelled"]
        assert run.task.execution_time is not None
        assert 200 <= run.task.execution_time < 60_000
        assert await after.run() == "fine"


async def test_a_thread_over_its_timeout_is_told_and_its_slot_freed(yard: Taskyard) -> None:
    let_go = threading.Event()
    heard: list[str] = []

    @yard.task(timeout=0.2, retry=0)
    def hang(ctx: Context) -> None:
        let_go.wait(60)
        try:
            ctx.raise_if_canceled()
        except Exception as error:
            heard.append(str(error))
            raise

    @yard.task
    async def after() -> str:
        return "fine"

    async with yard.worker(concurrency=1):
        assert (await failure(await hang.start())).code == "TIMEOUT"
        assert await after.run() == "fine"
        let_go.set()
    assert heard in ([], ["timeout"])


async def test_a_process_over_its_timeout_is_killed(yard: Taskyard, tmp_path: Path) -> None:
    spin = yard.register("spin", handlers.spin, isolation="process", timeout=1, retry=0)
    add = yard.register("add", handlers.add, isolation="process")
    async with yard.worker(concurrency=1):
        assert await add.run(a=1, b=0) == 1
        assert (await failure(await spin.start(started=str(tmp_path / "pid")))).code == "TIMEOUT"
        assert await add.run(a=1, b=1) == 2
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_the_timeout_is_each_attempts_own(yard: Taskyard) -> None:
    @yard.task(timeout=0.3, retry=2, retry_delay=lambda _: 0.0)
    async def third_time(ctx: Context) -> int:
        if ctx.attempt < 3:
            await asyncio.sleep(60)
        return ctx.attempt

    async with yard.worker():
        run = await third_time.start()
        assert await run.result() == 3
        assert run.task.retry_count == 2


async def test_a_handler_that_will_not_be_cancelled_does_not_stop_the_others(yard: Taskyard) -> None:
    asked, enough = asyncio.Event(), asyncio.Event()

    @yard.task(timeout=0.2, retry=0)
    async def stubborn() -> str:
        while not enough.is_set():
            try:
                await enough.wait()
            except asyncio.CancelledError:
                asked.set()
        return "done after all"

    @yard.task
    async def after() -> str:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            return await group.create_task(asyncio.sleep(0, "fine"))

    async with yard.worker(concurrency=2):
        run = await stubborn.start()
        await asked.wait()
        assert await after.run() == "fine"
        enough.set()
        assert (await failure(run)).code == "TIMEOUT"
        assert await after.run_many([{}] * 4) == ["fine"] * 4


async def test_a_handler_that_never_lets_go_is_abandoned(yard: Taskyard) -> None:
    asked, enough = asyncio.Event(), asyncio.Event()

    @yard.task(timeout=0.1, retry=0)
    async def stubborn() -> str:
        while not enough.is_set():
            try:
                await enough.wait()
            except asyncio.CancelledError:
                asked.set()
        return "done after all"

    @yard.task
    async def after() -> str:
        return "fine"

    async with yard.worker(concurrency=1):
        run = await stubborn.start()
        assert (await failure(run)).code == "TIMEOUT"
        assert await after.run_many([{}] * 3) == ["fine"] * 3
        assert asked.is_set()
        enough.set()
        assert await after.run() == "fine"
        assert (await run.refresh()).status == "FAILED"


async def test_a_blocked_loop_loses_nothing(yard: Taskyard) -> None:
    """A coroutine that blocks is bad manners, and no more than that."""

    @yard.task
    async def block() -> str:
        time.sleep(1)  # noqa: ASYNC251 - that is the point
        return "done"

    async with yard.worker(concurrency=2):
        assert await block.run_many([{}] * 2) == ["done"] * 2
