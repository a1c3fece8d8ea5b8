"""Jobs of a Camunda 8 are done as tasks of ours, whatever happens between."""

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
from taskyard.orchestrators.camunda8 import Jobs, Zeebe
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules
from tests.orchestrators.zeebe import StubZeebe, ZeebeJob
from tests.promises.fixtures_b import new_yard
from tests.security.egress.receiver import answer, receiving
from tests.support import eventually

HOLD = 0.8


class Scene:
    """A yard that works, a Zeebe, and the bridges between them."""

    def __init__(self, yard: Taskyard, zeebe: StubZeebe, url: str, egress: Egress) -> None:
        self.yard = yard
        self.zeebe = zeebe
        self._url = url
        self._egress = egress
        self.bridges: list[Jobs] = []

    def bridge(self) -> Jobs:
        made = Jobs(self.yard.engine, Zeebe(self._url, self._egress, hold_seconds=HOLD))
        made.start()
        self.bridges.append(made)
        return made

    async def ended(self, job: ZeebeJob) -> tuple[str, dict[str, Any]]:
        await eventually(lambda: job.ended is not None or job.retries == 0, within=20)
        return job.said[-1]

    async def tasks(self) -> list[Task]:
        return (await list_tasks(self.yard.engine, Filter(), 100, None)).items


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(holding, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(bridge, "PAUSES", (0.05,))
    yard, zeebe = new_yard(tmp_path), StubZeebe()

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

    egress = Egress(Guard(Rules.parse(["127.0.0.1"])))
    async with receiving(zeebe.serve) as receiver, yard.worker():
        made = Scene(yard, zeebe, f"http://127.0.0.1:{receiver.port}", egress)
        yield made
        for each in made.bridges:
            await each.stop()
    await egress.aclose()


async def test_a_job_becomes_a_task_and_its_output_variables(scene: Scene) -> None:
    scene.bridge()
    jobs = [scene.zeebe.add("charge", amount=number, more="x") for number in range(10)]
    for number, job in enumerate(jobs):
        assert await scene.ended(job) == ("completion", {"variables": {"charged": number + 1}})
    tasks = await scene.tasks()
    assert {task.workflow_id for task in tasks} == {f"1{job.key}" for job in jobs}
    assert len(tasks) == 10


async def test_a_business_error_is_one_there_as_well(scene: Scene) -> None:
    scene.bridge()
    told = {"errorCode": "card-refused", "errorMessage": "the card was refused", "variables": {"limit": 100}}
    assert await scene.ended(scene.zeebe.add("refused")) == ("error", told)


async def test_a_failure_is_told_until_no_retries_are_left(scene: Scene) -> None:
    scene.bridge()
    job = scene.zeebe.add("broken", retries=2)
    verb, said = await scene.ended(job)
    assert (verb, [each["retries"] for _, each in job.said]) == ("failure", [1, 0])
    assert said["errorMessage"].startswith("RuntimeError: it is broken\nTraceback")
    assert len(await scene.tasks()) == 2


async def test_an_input_that_does_not_fit_is_an_incident(scene: Scene) -> None:
    scene.bridge()
    verb, said = await scene.ended(scene.zeebe.add("charge", amount="much"))
    assert (verb, said["retries"]) == ("failure", 0)
    assert "/input/amount" in said["errorMessage"]


async def test_a_timeout_is_put_off_as_long_as_the_task_lives(scene: Scene) -> None:
    scene.bridge()
    scene.bridge()
    job = scene.zeebe.add("slow", seconds=3 * HOLD)
    verb, _ = await scene.ended(job)
    assert (verb, job.activated) == ("completion", 1)
    assert [said for said, _ in job.said].count("PATCH") >= 3
    assert len(await scene.tasks()) == 1


async def test_who_comes_after_a_crash_finds_the_same_task(scene: Scene) -> None:
    first = scene.bridge()
    job = scene.zeebe.add("slow", seconds=1.0)
    await eventually(scene.tasks, within=10)
    await first.stop()
    scene.bridge()
    assert (await scene.ended(job))[0] == "completion"
    assert (job.activated, len(await scene.tasks())) == (2, 1)


async def test_after_any_error_it_goes_on(scene: Scene) -> None:
    wrong = [answer("503 Service Unavailable"), answer(body=b"<html>"), answer("401 Who"), b"", b"SSH-2.0\r\n"]
    scene.zeebe.broken = wrong * 2
    scene.bridge()
    assert (await scene.ended(scene.zeebe.add("charge", amount=1)))[0] == "completion"


async def test_what_the_process_gave_up_is_canceled(scene: Scene) -> None:
    scene.bridge()
    job = scene.zeebe.add("patient")
    await eventually(scene.tasks, within=10)
    job.ended = "boundary event"

    async def canceled() -> bool:
        return [str(task.status) for task in await scene.tasks()] == ["CANCELED"]

    await eventually(canceled, within=10)


async def test_a_job_with_an_incident_leaves_the_task_alone(scene: Scene) -> None:
    made = scene.bridge()
    job = scene.zeebe.add("slow", seconds=1.5)
    await eventually(scene.tasks, within=10)
    job.retries = 0
    await eventually(lambda: not made.open, within=10)
    (task,) = await scene.tasks()
    assert str(task.status) in ("RUNNING", "COMPLETED")


async def test_what_is_defined_later_is_asked_for_too(scene: Scene) -> None:
    scene.bridge()
    assert (await scene.ended(scene.zeebe.add("charge", amount=1)))[0] == "completion"
    job = scene.zeebe.add("later")
    definition = {"key": "later", "implementation": {"kind": "system", "name": "template.render"}}
    from taskyard.engine.define import define, parse_definition

    await define(scene.yard.engine, [parse_definition(definition)])
    assert (await scene.ended(job))[0] == "failure"


async def test_the_zeebe_named_is_asked_for_its_jobs(tmp_path: Path) -> None:
    zeebe = StubZeebe()
    async with receiving(zeebe.serve) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/v2"
        settings = {"TASKYARD_ZEEBE_URL": url, "TASKYARD_ZEEBE_AUTHORIZATION": "Bearer t"}
        yard = new_yard(tmp_path, **settings)

        @yard.task
        async def double(number: int) -> int:
            return 2 * number

        async with yard.worker():
            job = zeebe.add("double", number=4)
            await eventually(lambda: job.ended, within=20)
        assert {asked.headers["authorization"] for asked in receiver.asked} == {"Bearer t"}
    assert job.said[-1] == ("completion", {"variables": {"output": 8}})
