"""The work of another orchestrator is done as tasks of ours, whatever happens between; of either kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskyard.orchestrators import bridge, holding
from tests.orchestrators.bridging import HOLD, KINDS, Scene, bridged, said
from tests.security.egress.receiver import answer
from tests.support import eventually


@pytest.fixture(params=sorted(KINDS))
async def scene(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    monkeypatch.setattr(holding, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(bridge, "PAUSES", (0.05,))
    async with bridged(KINDS[request.param], tmp_path) as made:
        yield made


async def test_work_becomes_a_task_and_its_output_variables(scene: Scene) -> None:
    scene.bridge()
    works = [scene.add("charge", amount=number, more="x") for number in range(10)]
    for number, work in enumerate(works):
        verb, told = await scene.ended(work)
        assert (verb, told["variables"]) == ("complete", {"charged": number + 1})
    assert len(await scene.tasks()) == 10


async def test_a_business_error_is_one_there_as_well(scene: Scene) -> None:
    scene.bridge()
    verb, told = await scene.ended(scene.add("refused"))
    assert (verb, told["errorCode"], told["errorMessage"]) == ("bpmnError", "card-refused", "the card was refused")
    assert told["variables"] == {"limit": 100}


async def test_a_failure_is_told_until_no_retries_are_left(scene: Scene) -> None:
    scene.bridge()
    work = scene.add("broken", retries=3)
    verb, told = await scene.ended(work)
    assert (verb, [each["retries"] for _, each in said(work)]) == ("failure", [2, 1, 0])
    assert told["errorMessage"].startswith("RuntimeError: it is broken")
    assert "Traceback" in told["errorMessage"] + told.get("errorDetails", "")
    assert len(await scene.tasks()) == 3


async def test_as_many_retries_given_anew_are_new_ones(scene: Scene) -> None:
    scene.bridge()
    work = scene.add("broken", retries=2)
    for _ in range(3):
        await scene.ended(work)
        work.retries = 2
    await scene.ended(work)
    assert [each["retries"] for _, each in said(work)] == [1, 0] * 4
    assert len(await scene.tasks()) == 8


async def test_an_input_that_does_not_fit_is_a_failure_nobody_tries_again(scene: Scene) -> None:
    scene.bridge()
    verb, told = await scene.ended(scene.add("charge", retries=3, amount="much"))
    assert (verb, told["retries"]) == ("failure", 0)
    assert "/input/amount" in told["errorMessage"]


async def test_a_result_that_is_refused_becomes_an_incident_and_others_go_on(scene: Scene) -> None:
    scene.bridge()
    work = scene.add("charge", retries=3, amount=1)
    work.refuses.add("complete")
    verb, told = await scene.ended(work)
    assert (verb, told["retries"]) == ("failure", 0)
    assert "was refused 3 times" in told["errorMessage"]
    (task,) = await scene.tasks()
    assert str(task.status) == "COMPLETED"
    assert (await scene.ended(scene.add("charge", amount=1)))[0] == "complete"
    work.refuses.clear()
    work.retries = 1
    assert (await scene.ended(work))[0] == "complete"


async def test_it_is_held_as_long_as_the_task_lives(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of both sides goes on when the test says so: what is slow here does not run out there."""
    passed = [1000.0]
    scene.stub.now = lambda: passed[0]
    monkeypatch.setattr(holding, "_now", scene.stub.now)
    bridges = [scene.bridge(), scene.bridge()]
    work = scene.add("held")
    (holder,) = await eventually(lambda: [each for each in bridges if each.open])
    for extended in range(1, 5):
        passed[0] += HOLD / 2
        await eventually(lambda times=extended: len(said(work)) == times and not holder._telling)
    assert [verb for verb, _ in said(work)] == ["extendLock"] * 4
    scene.release.set()
    await eventually(scene.is_done)
    passed[0] += HOLD / 4
    assert (await scene.ended(work))[0] == "complete"
    assert work.fetched == 1
    assert len(await scene.tasks()) == 1


async def test_who_comes_after_a_crash_finds_the_same_task(scene: Scene) -> None:
    first = scene.bridge()
    work = scene.add("held")
    await eventually(scene.tasks)
    await first.stop()
    scene.bridge()
    await eventually(lambda: work.fetched == 2)
    scene.release.set()
    verb, told = await scene.ended(work)
    assert (verb, told["variables"]) == ("complete", {"output": "done"})
    assert len(await scene.tasks()) == 1


async def test_after_any_error_it_goes_on(scene: Scene) -> None:
    wrong = [answer("500 Broken"), answer(body=b"<html>"), answer("401 Who"), b"", b"SSH-2.0\r\n"]
    scene.stub.broken = wrong * 2
    scene.bridge()
    assert (await scene.ended(scene.add("charge", amount=1)))[0] == "complete"
    assert scene.stub.broken == []


async def test_what_the_process_gave_up_is_canceled(scene: Scene) -> None:
    scene.bridge()
    work = scene.add("patient")
    await eventually(scene.tasks)
    work.ended = "boundary event"

    async def canceled() -> bool:
        return [str(task.status) for task in await scene.tasks()] == ["CANCELED"]

    await eventually(canceled)


async def test_what_another_holds_leaves_the_task_alone(scene: Scene) -> None:
    made = scene.bridge()
    work = scene.add("held")
    await eventually(scene.tasks)
    scene.stub.give_away(work)
    await eventually(lambda: not made.open)
    (task,) = await scene.tasks()
    assert str(task.status) == "RUNNING"


async def test_one_that_cannot_be_told_keeps_nobody_waiting(scene: Scene) -> None:
    scene.bridge()
    stuck = scene.add("charge", amount=1)
    stuck.hangs = True
    await eventually(lambda: stuck.fetched == 1)
    assert (await scene.ended(scene.add("charge", amount=2)))[0] == "complete"
    assert stuck.ended is None
    stuck.hangs = False
    assert (await scene.ended(stuck))[0] == "complete"
