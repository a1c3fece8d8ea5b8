"""Cancelling: at once, wherever the task is; and whoever runs it is told."""

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from taskyard import Context, Run, TaskCanceled, TaskFailed, Taskyard
from taskyard.engine.cancel import cancel
from taskyard.errors import Conflict, IllegalTransition, NotFound
from tests.stories import handlers
from tests.stories.tools import events_of, keys_of
from tests.support import eventually


async def nothing() -> None: ...


async def is_idle(yard: Taskyard) -> bool:
    return all(row.running == 0 for row in await yard.engine.store.workers())


async def has(run: Run[Any], status: str) -> bool:
    return (await run.refresh()).status == status


@pytest.mark.parametrize("delay", [0, 600])
async def test_a_waiting_task_never_runs(yard: Taskyard, delay: float) -> None:
    ran: list[str] = []

    @yard.task
    async def job() -> None:
        ran.append("job")

    async with yard:
        run = await job.options(delay=delay).start()
        task = await run.cancel("not needed")
        assert (task.status, task.error) == ("CANCELED", {"code": "CANCELED", "message": "not needed"})
    async with yard.worker(concurrency=1):
        await job.run()
        events = await events_of(yard, run)
    assert keys_of(events) == ["created", "canceled"]
    assert (events[1].data["reason"], events[1].data["canceledBy"]) == ("not needed", "local")
    assert ran == ["job"]


async def test_a_retrying_task_is_not_tried_again(yard: Taskyard) -> None:
    @yard.task(retry={"maxRetries": 1, "initialDelay": 200})
    async def fail() -> None:
        raise ValueError("no")

    async with yard.worker():
        run = await fail.start()
        await eventually(lambda: has(run, "RETRYING"))
        assert (await run.cancel()).status == "CANCELED"
        assert keys_of(await events_of(yard, run)) == ["created", "started", "retry", "canceled"]


async def test_a_running_coroutine_is_cancelled_and_its_late_result_ignored(yard: Taskyard) -> None:
    started, seen = asyncio.Event(), asyncio.Event()

    @yard.task
    async def stubborn() -> str:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.set()
        return "too late"

    async with yard.worker(concurrency=1):
        run = await stubborn.start()
        async with asyncio.timeout(60):
            await started.wait()
            assert (await run.cancel()).status == "CANCELED"
            await seen.wait()
        await eventually(lambda: is_idle(yard))
        task = await run.refresh()
        assert (task.status, task.output) == ("CANCELED", None)
        assert keys_of(await events_of(yard, run)) == ["created", "started", "canceled"]
        with pytest.raises(TaskFailed) as failed:
            await run.result()
        assert failed.value.code == "CANCELED"


async def test_a_running_thread_is_told_and_holds_its_slot_until_it_lets_go(yard: Taskyard) -> None:
    started, let_go, heard = threading.Event(), threading.Event(), list[object]()

    @yard.task
    def patient(ctx: Context) -> str:
        started.set()
        while not ctx.canceled:
            let_go.wait(0.005)
        heard.append(ctx.canceled)
        let_go.wait(60)
        try:
            ctx.raise_if_canceled()
        except TaskCanceled as told:
            heard.append(str(told))
            raise
        return "too late"

    yard.register("next", nothing)
    async with yard.worker(concurrency=1):
        run = await patient.start()
        await eventually(started.is_set)
        await run.cancel()
        await eventually(lambda: heard)
        following = await yard.start("next")
        assert (await following.refresh()).status == "PENDING"
        let_go.set()
        await following.result()
        assert heard == [True, "canceled"]
        assert (await run.refresh()).status == "CANCELED"


async def test_a_thread_that_does_not_listen_ends_in_vain(yard: Taskyard) -> None:
    started, let_go = threading.Event(), threading.Event()

    @yard.task
    def deaf() -> str:
        started.set()
        let_go.wait(60)
        return "too late"

    async with yard.worker(concurrency=1):
        run = await deaf.start()
        await eventually(started.is_set)
        await run.cancel()
        let_go.set()
        await eventually(lambda: is_idle(yard))
        task = await run.refresh()
        assert (task.status, task.output) == ("CANCELED", None)


async def test_a_running_process_is_killed(yard: Taskyard, tmp_path: Path) -> None:
    spin = yard.register("spin", handlers.spin, isolation="process")
    add = yard.register("add", handlers.add, isolation="process")
    pid_file = tmp_path / "pid"
    async with yard.worker(concurrency=1):
        run = await spin.start(started=str(pid_file))
        pid = int(await eventually(lambda: pid_file.exists() and pid_file.read_text()))
        assert (await run.cancel()).status == "CANCELED"
        await eventually(lambda: not _lives(pid))
        assert await add.run(a=1, b=1) == 2
        assert (await run.refresh()).status == "CANCELED"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_parent_that_is_canceled_stops_waiting_for_its_child(yard: Taskyard) -> None:
    child_runs = asyncio.Event()

    @yard.task
    async def child() -> None:
        child_runs.set()
        await asyncio.sleep(60)

    @yard.task
    async def parent(ctx: Context) -> None:
        await ctx.run(child)

    async with yard.worker(concurrency=2):
        run = await parent.start()
        async with asyncio.timeout(60):
            await child_runs.wait()
        await run.cancel()
        await eventually(lambda: _running(yard, 1))
        assert (await run.refresh()).status == "CANCELED"


async def _running(yard: Taskyard, count: int) -> bool:
    return sum(row.running for row in await yard.engine.store.workers()) == count


async def test_what_is_final_cannot_be_canceled(yard: Taskyard) -> None:
    yard.register("nothing", nothing)
    async with yard.worker():
        run = await yard.start("nothing")
        await run.result()
        with pytest.raises(IllegalTransition):
            await run.cancel()
        waiting = await yard.start("nothing", delay=60)
        await waiting.cancel()
        with pytest.raises(IllegalTransition):
            await waiting.cancel()
        with pytest.raises(NotFound):
            await cancel(yard.engine, 12, "ada")
        assert (await run.refresh()).status == "COMPLETED"


async def test_a_stale_version_cancels_nothing(yard: Taskyard) -> None:
    yard.register("nothing", nothing)
    async with yard:
        run = await yard.start("nothing", delay=60)
        version = (await run.refresh()).version
        with pytest.raises(Conflict):
            await cancel(yard.engine, int(run.id), "ada", version=version + 1)
        assert (await run.refresh()).status == "PENDING"
        assert (await cancel(yard.engine, int(run.id), "ada", version=version)).status == "CANCELED"


async def test_many_canceled_at_once_are_all_told(yard: Taskyard) -> None:
    running: set[int] = set()
    begun, told, most = set[int](), set[int](), 0

    @yard.task
    async def wait(number: int) -> None:
        nonlocal most
        begun.add(number)
        running.add(number)
        most = max(most, len(running))
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.add(number)
            raise
        finally:
            running.discard(number)

    async with yard.worker(concurrency=20):
        runs = await wait.start_many([{"number": n} for n in range(40)])
        await eventually(lambda: _running(yard, 20))
        await asyncio.gather(*(run.cancel() for run in runs))
        await eventually(lambda: is_idle(yard))
        assert [(await run.refresh()).status for run in runs] == ["CANCELED"] * 40
    assert told == begun, "one that took a freed slot before it was canceled itself is told as well"
    assert most <= 20
