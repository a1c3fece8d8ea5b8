"""Worker processes that die: nothing is lost, nothing completes twice, and who made them die is found."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from taskyard import Run, TaskEvent, Taskyard
from taskyard.engine.query import get_tasks, know_one
from taskyard.settings import Settings
from taskyard.supervisor import Supervisor
from tests.stories.plant import yard as planted
from tests.stories.processes import LONE, SUPERVISED, Plant, count_of, freeze, pause_before_second_start
from tests.support import eventually, halt


@pytest.fixture
async def plant(settings: Settings, database_url: str, tmp_path: Path) -> AsyncIterator[Plant]:
    yard = Taskyard(settings=settings)
    for handler in planted.registry:
        yard.registry.add(handler)
    async with yard:
        yield Plant(yard, database_url, tmp_path)


async def start_ticks(plant: Plant, count: int) -> list[Run[Any]]:
    return await plant.yard.start_many("tick", [{"number": n} for n in range(count)])


async def assert_all_completed_once(plant: Plant, runs: list[Run[Any]]) -> list[list[TaskEvent]]:
    """Returns the stories. A handler whose process died in it may have run twice; a task never completes twice."""
    assert await plant.all_final(runs) == {"COMPLETED": len(runs)}
    stories = await plant.stories(runs)
    assert [count_of(story, "completed") for story in stories] == [1] * len(runs)
    assert {int(number) for number in plant.ledger("done")} == set(range(len(runs)))
    return stories


async def kill_at_work(plant: Plant, victim: int, runs: list[Run[Any]]) -> float:
    """Kill the process at a moment when it has tasks in hand; when that was."""
    ids = [int(run.id) for run in runs]

    async def is_at_work() -> bool:
        halt(victim)
        tasks = await get_tasks(plant.yard.engine, ids)
        if any(task.status == "RUNNING" and f"-{victim}-" in str(task.executor_id) for task in tasks):
            return True
        os.kill(victim, signal.SIGCONT)
        return False

    await eventually(is_at_work)
    os.kill(victim, signal.SIGKILL)
    return time.time()


async def test_killing_supervised_workers_in_the_middle_of_200_tasks(plant: Plant) -> None:
    runs = await start_ticks(plant, 200)
    with plant.worker([*SUPERVISED, "--processes", "2"]):
        victim, _ = await plant.pids(2)
        await plant.ledger_has("done", 50)
        killed_at = await kill_at_work(plant, victim, runs)
        stories = await assert_all_completed_once(plant, runs)
    lost = [story for story in stories if count_of(story, "started") > 1]
    assert lost
    assert max(pause_before_second_start(story, killed_at) for story in lost) < 12  # when their lease would end
    assert len(plant.ledger("done")) - 200 <= 20  # what had ended in the last moment before its commit


async def test_killing_a_lone_worker_in_the_middle_of_200_tasks(plant: Plant) -> None:
    runs = await start_ticks(plant, 200)
    with plant.worker(LONE), plant.worker(LONE):
        victim, _ = await plant.pids(2)
        await plant.ledger_has("done", 50)
        killed_at = await kill_at_work(plant, victim, runs)
        stories = await assert_all_completed_once(plant, runs)
    lost = [story for story in stories if count_of(story, "started") > 1]
    assert 0 < len(lost) <= 20  # what ran, and what had ended in the last moment before its commit
    assert max(pause_before_second_start(story, killed_at) for story in lost) <= 30


async def test_a_poison_task_is_found_and_its_bystanders_complete(plant: Plant) -> None:
    with plant.worker([*SUPERVISED, "--processes", "2"]):
        await plant.pids(2)
        bystanders = await start_ticks(plant, 25)
        poison = await plant.yard.start("poison")
        bystanders += await plant.yard.start_many("tick", [{"number": n} for n in range(25, 50)])
        assert await plant.all_final([poison]) == {"FAILED": 1}
        await assert_all_completed_once(plant, bystanders)
    await poison.refresh()
    assert poison.task.error is not None
    assert poison.task.error["code"] == "WORKER_LOST"
    assert plant.ledger("poisoned") == ["1", "2", "3", "4", "5"]
    assert (poison.task.retry_count, poison.task.attempt) == (0, 5)
    losses = [(await know_one(plant.yard.engine, int(run.id))).facts.last for run in bystanders]
    assert all(fact is not None and fact.attempt <= 2 for fact in losses)


async def test_what_a_killed_worker_held_runs_again_together(plant: Plant) -> None:
    with plant.worker(SUPERVISED):
        (victim,) = await plant.pids(1)
        runs = await plant.yard.start_many("wait_for_release", [{"name": "a"}] * 4)
        await plant.ledger_has("waiting", 4)
        os.kill(victim, signal.SIGKILL)
        await plant.ledger_has("waiting", 8)
        plant.release("a")
        assert await plant.all_final(runs) == {"COMPLETED": 4}


async def test_what_a_crashed_worker_held_runs_again_one_by_one(plant: Plant) -> None:
    with plant.worker(SUPERVISED):
        runs = await plant.yard.start_many("wait_for_release", [{"name": "a"}, {"name": "b"}])
        await plant.ledger_has("waiting", 2)
        poison = await plant.yard.start("poison")
        await plant.ledger_has("poisoned", 1)
        await plant.ledger_has("waiting", 3)
        first = plant.ledger("waiting")[2]
        plant.release(first)
        await plant.ledger_has("done", 1)
        assert plant.ledger("waiting") == plant.ledger("waiting")[:3]
        plant.release({"a": "b", "b": "a"}[first])
        assert await plant.all_final([*runs, poison]) == {"COMPLETED": 2, "FAILED": 1}


async def test_a_suspect_does_not_wait_out_the_poison(plant: Plant) -> None:
    with plant.worker(SUPERVISED):
        bystander = await plant.yard.start("wait_for_release", {"name": "a"})
        await plant.ledger_has("waiting", 1)
        poison = await plant.yard.start("poison", priority="CRITICAL")
        await plant.ledger_has("poisoned", 1)
        plant.release("a")
        assert await plant.all_final([bystander, poison]) == {"COMPLETED": 1, "FAILED": 1}
    entries = plant.entries()
    assert entries.index("done a") < entries.index("poisoned 3")
    assert plant.pauses() == [0.4] * 5  # each life but the first had run nothing else than a suspect


async def test_a_frozen_worker_that_wakes_up_finds_its_task_gone_and_goes_on(plant: Plant, database_url: str) -> None:
    with plant.worker(LONE) as frozen:
        await plant.pids(1)
        run = await plant.yard.start("wait_for_release", {"name": "a"})
        await plant.ledger_has("waiting", 1)
        await freeze(frozen.pid, database_url)
        with plant.worker(LONE) as other:
            await plant.ledger_has("waiting", 2)
            frozen.send_signal(signal.SIGCONT)
            plant.release("a")
            assert await run.result() == "a"
            other.terminate()
            assert await eventually(lambda: other.poll() is not None)
            assert other.returncode == 0
        assert await plant.all_final(await start_ticks(plant, 20)) == {"COMPLETED": 20}
    (story,) = await plant.stories([run])
    assert (count_of(story, "started"), count_of(story, "completed")) == (2, 1)


async def test_a_limit_holds_through_the_death_of_who_holds_it(plant: Plant) -> None:
    runs = await plant.yard.start_many("limited", [{"number": n} for n in range(30)])
    runs += await plant.yard.start_many("limited", [{"number": n} for n in range(30, 60)], fairness_key="another")
    with plant.worker([*SUPERVISED, "--processes", "2"]):
        victim, _ = await plant.pids(2)
        await plant.ledger_has("out", 10)
        os.kill(victim, signal.SIGKILL)
        assert await plant.all_final(runs) == {"COMPLETED": 60}
    inside: set[str] = set()
    for entry in plant.entries():  # who died inside has its slot until it has run again
        way, _, number = entry.partition(" ")
        inside = inside | {number} if way == "in" else inside - {number}
        assert len(inside) <= 2


async def test_a_limit_holds_across_processes(plant: Plant) -> None:
    runs = await plant.yard.start_many("limited", [{"number": n} for n in range(40)])
    with plant.worker([*SUPERVISED, "--processes", "2"]):
        assert await plant.all_final(runs) == {"COMPLETED": 40}
    inside = most = 0
    for entry in plant.entries():
        inside += 1 if entry.startswith("in ") else -1
        most = max(most, inside)
    assert most == 2


async def test_a_worker_that_cannot_be_started_is_told_of_and_tried_again(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter, mark = tmp_path / "python", tmp_path / "started"
    monkeypatch.setattr(sys, "executable", str(interpreter))
    supervisor = Supervisor(plant.yard.app, None)
    with capture_logs() as said:
        supervising = asyncio.create_task(supervisor.run())
        await eventually(
            lambda: [line for line in said if line["event"].startswith("a worker process cannot be started")]
        )
        interpreter.write_text(f"#!/bin/sh\n: >{mark}\n")
        interpreter.chmod(0o755)
        await eventually(mark.exists)
        supervisor.stop()
        await supervising
