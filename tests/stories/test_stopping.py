"""Workers that stop gracefully: they finish what they can, give back the rest, lose nothing."""

import asyncio
import os
import signal
import sys
import threading
import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from taskyard import Context, Run, Taskyard
from taskyard.errors import Overloaded
from taskyard.settings import Settings
from tests.stories.processes import LONE, SUPERVISED, Plant, count_of
from tests.stories.test_killed import plant
from tests.stories.tools import events_of, keys_of
from tests.support import eventually

__all__ = ["plant"]


@pytest.mark.parametrize("command", [SUPERVISED, LONE], ids=["supervised", "lone"])
async def test_sigterm_finishes_what_it_can_and_gives_back_the_rest(plant: Plant, command: list[str]) -> None:
    with plant.worker(command) as process:
        soon, never = [
            await plant.yard.start_many("wait_for_release", [{"name": name}] * 2) for name in ("soon", "never")
        ]
        await plant.ledger_has("waiting", 4)
        queued = await plant.yard.start_many("tick", [{"number": n} for n in range(20)])
        process.terminate()
        plant.release("soon")
        await eventually(lambda: process.poll() is not None, within=20)
        assert process.returncode == 0
    assert [(await run.refresh()).status for run in soon] == ["COMPLETED"] * 2
    assert [(await run.refresh()).status for run in never] == ["PENDING"] * 2
    assert {(await run.refresh()).status for run in queued} <= {"PENDING", "COMPLETED"}
    plant.release("never")
    with plant.worker(command):
        assert await plant.all_final(soon + never + queued) == {"COMPLETED": 24}
    stories = await plant.stories(soon + never + queued)
    assert [count_of(story, "completed") for story in stories] == [1] * 24
    assert [count_of(story, "started") for story in stories][:4] == [1, 1, 2, 2]
    assert sorted(plant.ledger("done")) == sorted([*map(str, range(20)), *["soon", "never"] * 2])


async def test_sigterm_under_load_loses_and_repeats_nothing(plant: Plant) -> None:
    """Everything that had run is settled before the process ends, so nothing runs a second time."""
    runs = await plant.yard.start_many("tick", [{"number": n, "seconds": 0} for n in range(400)])
    with plant.worker(SUPERVISED) as process:
        await plant.ledger_has("done", 40)
        process.terminate()
        await eventually(lambda: process.poll() is not None, within=20)
        assert process.returncode == 0
    with plant.worker(SUPERVISED):
        assert await plant.all_final(runs) == {"COMPLETED": 400}
    assert sorted(map(int, plant.ledger("done"))) == list(range(400))


async def test_handlers_that_never_let_go_do_not_keep_a_process_whose_work_is_settled(plant: Plant) -> None:
    with plant.worker(SUPERVISED, TASKYARD_GRACE="60") as process:
        runs = [await plant.yard.start(key) for key in ("hold_on", "hold_on_in_thread")]
        assert await plant.all_final(runs) == {"FAILED": 2}
        process.terminate()
        await eventually(lambda: process.poll() is not None, within=30)
        assert process.returncode == 0


async def test_a_worker_that_cannot_stop_is_killed_within_the_grace_and_nothing_is_charged(plant: Plant) -> None:
    with plant.worker(SUPERVISED, TASKYARD_GRACE="2") as process:
        run = await plant.yard.start("block")
        await plant.ledger_has("blocked", 1)
        told_at = time.monotonic()
        process.terminate()
        await eventually(lambda: process.poll() is not None)
        assert time.monotonic() - told_at < 2 + 20  # the 20 for a busy machine; the handler would take 60
        assert process.returncode == 0
    assert (await run.refresh()).status == "PENDING"
    with plant.worker(SUPERVISED):
        assert await plant.all_final([run]) == {"COMPLETED": 1}
    (story,) = await plant.stories([run])
    assert count_of(story, "requeued") == 1


async def test_a_worker_whose_supervisor_died_before_it_could_look_stops_by_itself(plant: Plant) -> None:
    nobody = 'exec "$0" -m taskyard.supervised 0 3 tests.stories.plant:yard 3<>cells'
    with plant.worker(["sh", "-c", nobody, sys.executable]) as process:
        await eventually(lambda: process.poll() is not None, within=30)
        assert process.returncode == 0


async def test_workers_whose_supervisor_is_killed_stop_by_themselves(plant: Plant) -> None:
    with plant.worker(SUPERVISED) as process:
        (pid,) = await plant.pids(1)
        assert pid != process.pid
        (run,) = await plant.yard.start_many("wait_for_release", [{"name": "never"}])
        await plant.ledger_has("waiting", 1)
        process.send_signal(signal.SIGKILL)
        await eventually(lambda: not _lives(pid), within=20)
        await eventually(lambda: _has(run, "PENDING"), within=20)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def _has(run: Run[Any], status: str) -> bool:
    return (await run.refresh()).status == status


async def test_a_worker_in_the_process_gives_back_too(settings: Settings) -> None:
    yard = Taskyard(settings=settings.with_values(TASKYARD_GRACE=0.2))
    told: list[str] = []
    ran: list[int] = []

    @yard.task
    async def hang(ctx: Context) -> None:
        ran.append(ctx.attempt)
        if ctx.attempt > 1:
            return
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append("coroutine")
            raise

    @yard.task
    def hang_in_thread(ctx: Context) -> None:
        ran.append(ctx.attempt)
        while ctx.attempt == 1:
            threading.Event().wait(0.005)
            if ctx.canceled:
                told.append("thread")
            ctx.raise_if_canceled()

    async with yard:
        async with yard.worker(concurrency=2):
            runs = [await hang.start(), await hang_in_thread.start()]
            await eventually(lambda: len(ran) == 2)
        assert sorted(told) == ["coroutine", "thread"]
        assert [(await run.refresh()).status for run in runs] == ["PENDING"] * 2
        async with yard.worker():
            for run in runs:
                await run.result()
                assert keys_of(await events_of(yard, run)) == [
                    "created", "started", "requeued", "started", "completed",
                ]  # fmt: skip
                assert run.task.retry_count == 0
    assert ran == [1, 1, 2, 2]


async def test_who_has_settled_all_says_of_nothing_that_it_will_run_again(
    yard: Taskyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    @yard.task
    async def job() -> int:
        return 1

    async def away(*_: object) -> None:
        raise Overloaded("the store is away")

    with capture_logs() as logs:
        async with yard.worker():
            assert await job.run() == 1
            monkeypatch.setattr(yard.engine.store, "bury", away)
    assert not [line for line in logs if "not settled" in str(line["event"])]
