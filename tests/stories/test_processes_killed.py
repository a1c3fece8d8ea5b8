"""Processes outlive those who take them on: killed at any moment, each step of each instance still has one task."""

import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskyard import Taskyard
from taskyard.contracts.records import Filter
from taskyard.engine.query import list_tasks
from taskyard.settings import Settings
from tests.stories.assembly import yard as assembly
from tests.stories.processes import SUPERVISED, Plant
from tests.support import eventually

COUNT = 20
STEPS = ["cut", "pack", "paint", "weld"]


@pytest.fixture
async def plant(settings: Settings, database_url: str, tmp_path: Path) -> AsyncIterator[Plant]:
    yard = Taskyard(settings=settings)
    for handler in assembly.registry:
        yard.registry.add(handler)
    yard.workflows += assembly.workflows
    async with yard:
        yield Plant(yard, database_url, tmp_path)


async def test_a_process_is_killed_amid_them_and_all_instances_end(plant: Plant) -> None:
    command = [*SUPERVISED[:-1], "tests.stories.assembly:yard"]
    runs = await plant.yard.start_many("assembly", [{"number": number} for number in range(COUNT)])
    with plant.worker(command) as worker:
        await plant.ledger_has("done", 2 * COUNT)
        os.killpg(worker.pid, signal.SIGKILL)
    with plant.worker(command):
        assert await plant.all_final(runs) == {"COMPLETED": COUNT}
    for run in runs:
        steps = (await list_tasks(plant.yard.engine, Filter(workflow_id=run.id), 100, None)).items
        assert sorted(str(step.step_id) for step in steps) == STEPS
        assert Counter(str(step.status) for step in steps) == {"COMPLETED": len(STEPS)}
    assert set(plant.ledger("done")) == {str(number) for number in range(COUNT)}


@pytest.mark.parametrize("moment", ["before write_instance", "after settle_open"])
async def test_killed_between_two_writes_an_instance_goes_on_as_if_nothing_was(plant: Plant, moment: str) -> None:
    """Taken back but not yet written down; answered for but still kept."""
    run = await plant.yard.start("assembly", {"number": 1})
    with plant.worker([*SUPERVISED[:-1], "tests.stories.fatal:yard"], STORY_FATAL=moment):
        await eventually(plant.died, within=60)

    async def none_kept() -> bool:
        return await plant.yard.engine.store.due_instances(None, 9, (-1, 0)) == []

    with plant.worker([*SUPERVISED[:-1], "tests.stories.assembly:yard"]):
        assert await plant.all_final([run]) == {"COMPLETED": 1}
        await eventually(none_kept, within=60)
    steps = (await list_tasks(plant.yard.engine, Filter(workflow_id=run.id), 100, None)).items
    assert sorted(str(step.step_id) for step in steps) == STEPS
    assert Counter(str(step.status) for step in steps) == {"COMPLETED": len(STEPS)}
