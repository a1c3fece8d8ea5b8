"""External tasks of a Camunda 7 engine are done as tasks of ours, whatever happens between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from taskyard import Context, TaskFailed, Taskyard
from taskyard.contracts.records import Filter
from taskyard.domain.task import Task
from taskyard.engine.query import list_tasks
from taskyard.orchestrators import bridge, holding
from taskyard.orchestrators.camunda7.client import Camunda
from taskyard.orchestrators.camunda7.external import ExternalTasks
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules
from tests.orchestrators.engine import StubEngine, Work
from tests.promises.fixtures_b import new_yard
from tests.security.egress.receiver import answer, receiving
from tests.support import eventually

LOCK = 0.8


class Scene:
    """A yard that works, an engine, and the bridges between them."""

    def __init__(self, yard: Taskyard, engine: StubEngine, url: str, egress: Egress) -> None:
        self.yard = yard
        self.engine = engine
        self._url = url
        self._egress = egress
        self.bridges: list[ExternalTasks] = []

    def bridge(self, lock: float = LOCK) -> ExternalTasks:
        bridge = ExternalTasks(self.yard.engine, Camunda(self._url, self._egress, lock_seconds=lock))
        bridge.start()
        self.bridges.append(bridge)
        return bridge

    async def ended(self, work: Work) -> tuple[str, dict[str, Any]]:
        await eventually(lambda: work.ended is not None or work.retries == 0, within=20)
        return work.said[-1]

    async def tasks(self) -> list[Task]:
        return (await list_tasks(self.yard.engine, Filter(), 100, None)).items


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(holding, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(bridge, "PAUSES", (0.05,))
    yard = new_yard(tmp_path)

    @yard.task
    async def charge(amount: int) -> dict[str, int]:
        return {"charged": amount + 1}

    @yard.task
    async def slow(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    @yard.task(retry=0)
    async def broken() -> None:
        raise RuntimeError("it is broken")

    @yard.task
    async def refused() -> None:
        raise TaskFailed("the card was refused", code="card-refused", details={"limit": 100}, retryable=False)

    @yard.task
    async def patient(ctx: Context) -> None:
        await asyncio.Event().wait()

    engine = StubEngine()
    egress = Egress(Guard(Rules.parse(["127.0.0.1"])))
    async with receiving(engine.serve) as receiver, yard.worker():
        made = Scene(yard, engine, f"http://127.0.0.1:{receiver.port}/engine-rest", egress)
        yield made
        for each in made.bridges:
            await each.stop()
    await egress.aclose()


async def test_an_external_task_becomes_a_task_and_its_output_variables(scene: Scene) -> None:
    scene.bridge()
    works = [scene.engine.add("charge", amount=number) for number in range(10)]
    for number, work in enumerate(works):
        verb, said = await scene.ended(work)
        assert verb == "complete", said
        assert said["variables"] == {"charged": {"type": "Integer", "value": number + 1, "valueInfo": {}}}
    tasks = await scene.tasks()
    assert {task.workflow_id for task in tasks} == {f"process-{work.id}" for work in works}
    assert {task.correlation_id for task in tasks} == {f"key-{work.id}" for work in works}
    assert len(tasks) == 10


async def test_a_business_error_is_one_there_as_well(scene: Scene) -> None:
    scene.bridge()
    verb, said = await scene.ended(scene.engine.add("refused"))
    assert (verb, said["errorCode"], said["errorMessage"]) == ("bpmnError", "card-refused", "the card was refused")
    assert said["variables"]["limit"]["value"] == 100


async def test_a_failure_is_told_and_tried_again_as_the_engine_has_it(scene: Scene) -> None:
    scene.bridge()
    work = scene.engine.add("broken")
    verb, said = await scene.ended(work)
    assert (verb, said["retries"], said["errorMessage"]) == ("failure", 0, "RuntimeError: it is broken")
    assert "Traceback" in said["errorDetails"]
    work.retries = 2
    await eventually(lambda: work.retries == 0, within=20)
    assert [said["retries"] for _, said in work.said] == [0, 1, 0]
    assert len(await scene.tasks()) == 3


async def test_an_input_that_does_not_fit_is_a_failure_nobody_tries_again(scene: Scene) -> None:
    scene.bridge()
    verb, said = await scene.ended(scene.engine.add("charge", amount="much"))
    assert (verb, said["retries"]) == ("failure", 0)
    assert "/input/amount" in said["errorMessage"]


async def test_a_lock_is_extended_as_long_as_the_task_lives(scene: Scene) -> None:
    scene.bridge()
    scene.bridge()
    work = scene.engine.add("slow", seconds=3 * LOCK)
    verb, _ = await scene.ended(work)
    assert (verb, work.fetched) == ("complete", 1)
    assert [said for said, _ in work.said].count("extendLock") >= 3
    assert len(await scene.tasks()) == 1


async def test_who_comes_after_a_crash_finds_the_same_task(scene: Scene) -> None:
    first = scene.bridge()
    work = scene.engine.add("slow", seconds=1.0)
    await eventually(lambda: work.fetched == 1, within=10)
    await eventually(scene.tasks, within=10)
    await first.stop()
    scene.bridge()
    verb, said = await scene.ended(work)
    assert (verb, said["variables"]["output"]["value"]) == ("complete", "done")
    assert work.fetched == 2
    assert len(await scene.tasks()) == 1


async def test_after_any_error_it_goes_on(scene: Scene) -> None:
    nonsense = [answer("500 Broken"), answer(body=b"<html>"), answer("401 Who"), b"", b"SSH-2.0\r\n"]
    scene.engine.broken = [*nonsense, *nonsense]
    scene.bridge()
    verb, _ = await scene.ended(scene.engine.add("charge", amount=1))
    assert verb == "complete"
    assert scene.engine.broken == []


async def test_what_the_process_gave_up_is_canceled(scene: Scene) -> None:
    scene.bridge()
    work = scene.engine.add("patient")
    await eventually(scene.tasks, within=10)
    work.ended = "boundary event"

    async def canceled() -> bool:
        return [str(task.status) for task in await scene.tasks()] == ["CANCELED"]

    await eventually(canceled, within=10)


async def test_a_lock_that_another_has_leaves_the_task_alone(scene: Scene) -> None:
    bridge = scene.bridge()
    work = scene.engine.add("slow", seconds=1.5)
    await eventually(scene.tasks, within=10)
    work.worker, work.until = "another", float("inf")
    await eventually(lambda: not bridge.open, within=10)
    (task,) = await scene.tasks()
    assert str(task.status) in ("RUNNING", "COMPLETED")


async def test_a_task_with_a_closed_schema_is_given_the_variables_that_it_names(scene: Scene) -> None:
    scene.bridge()
    verb, said = await scene.ended(scene.engine.add("charge", amount=1, more="x"))
    assert (verb, said["variables"]["charged"]["value"]) == ("complete", 2)
