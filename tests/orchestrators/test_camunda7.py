"""What is Camunda 7's own in how its external tasks are done here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskyard.orchestrators import bridge, holding
from tests.orchestrators.bridging import HOLD, KINDS, Scene, bridged


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(holding, "LOOK_EVERY", 0.02)
    async with bridged(KINDS["camunda7"], tmp_path) as made:
        yield made


async def test_variables_are_typed_and_the_process_is_the_tasks_workflow(scene: Scene) -> None:
    scene.bridge()
    work = scene.add("charge", amount=1)
    await scene.ended(work)
    assert work.said[-1][1]["variables"] == {"charged": {"type": "Integer", "value": 2, "valueInfo": {}}}
    (task,) = await scene.tasks()
    assert (task.workflow_id, task.correlation_id) == (f"process-{work.id}", f"key-{work.id}")


async def test_a_result_that_the_engine_fails_at_becomes_an_incident_later(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge, "PAUSES", (HOLD / 4,))
    work = scene.add("charge", amount=1)
    work.breaks.add("complete")
    scene.bridge()
    verb, said = await scene.ended(work)
    assert (verb, said["retries"], work.fetched > 1) == ("failure", 0, True)
    assert "was refused 10 times" in said["errorMessage"]


async def test_where_no_retries_were_ever_said_there_is_one_try(scene: Scene) -> None:
    scene.bridge()
    work = scene.stub.add("broken")
    verb, said = await scene.ended(work)
    assert (verb, said["retries"], said["errorMessage"]) == ("failure", 0, "RuntimeError: it is broken")
    assert "Traceback" in said["errorDetails"]
