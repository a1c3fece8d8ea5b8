"""User tasks of a Camunda 8 are manual tasks of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskyard import Taskyard
from taskyard.contracts.records import Filter
from taskyard.domain.outcome import TaskError
from taskyard.domain.task import Task
from taskyard.engine.assign import complete_open, fail_open
from taskyard.engine.people.verbs import claim, release
from taskyard.engine.query import list_tasks
from taskyard.orchestrators import bridge, mirror
from taskyard.orchestrators.camunda8.client import Zeebe
from taskyard.orchestrators.camunda8.user import UserTasks
from taskyard.security.caller import LOCAL, Caller
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules
from tests.orchestrators.zeebe import StubZeebe, ZeebeUserTask
from tests.promises.fixtures_b import new_yard
from tests.security.egress.receiver import receiving
from tests.support import eventually

CLERK = Caller("ada", frozenset({"tasks:manual"}), frozenset({"clerks"}))


class Scene:
    """A yard that works beside a Zeebe whose user tasks are mirrored."""

    def __init__(self, yard: Taskyard, zeebe: StubZeebe) -> None:
        self.yard = yard
        self.zeebe = zeebe

    async def tasks(self) -> list[Task]:
        return (await list_tasks(self.yard.engine, Filter(), 100, None)).items

    async def asked(self) -> Task:
        """The only task, once it lies with somebody."""

        async def assigned() -> Task | None:
            found = [task for task in await self.tasks() if str(task.status) == "ASSIGNED"]
            return found[0] if len(found) == 1 else None

        return await eventually(assigned)


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(mirror, "_LOOK_EVERY", 0.02)
    monkeypatch.setattr(bridge, "PAUSES", (0.05,))
    zeebe, yard = StubZeebe(), new_yard(tmp_path)
    egress = Egress(Guard(Rules.parse(["127.0.0.1"])))
    async with receiving(zeebe.serve) as receiver, yard.worker():
        tasks = UserTasks(yard.engine, Zeebe(f"http://127.0.0.1:{receiver.port}", egress))
        tasks.start()
        yield Scene(yard, zeebe)
        await tasks.stop()
    await egress.aclose()


async def said(asking: ZeebeUserTask, verb: str) -> object:
    """What was said with this verb."""
    return await eventually(lambda: [body for each, body in asking.said if each == verb])


async def test_a_user_task_is_mirrored_and_completed_back(scene: Scene) -> None:
    more = {"candidateGroups": ["clerks"], "dueDate": "2030-01-02T03:04:05.678Z", "priority": 80}
    asking = scene.zeebe.ask("approve", {"amount": 5, "note": "x" * 20_000}, **more)
    asking.cut.add("note")
    task = await scene.asked()
    assert (task.task_definition_id, task.title) == ("order.approve", "Please approve")
    assert task.input == {"amount": 5, "note": "x" * 20_000}
    assert (task.assignee_type, task.assignee_id, task.priority) == ("GROUP", "clerks", "HIGH")
    assert (task.workflow_id, task.step_id) == (f"1{asking.key}", "approve")
    assert task.due_date is not None
    assert task.due_date.isoformat() == "2030-01-02T03:04:05.678000+00:00"
    await complete_open(scene.yard.engine, LOCAL, int(task.task_id), {"approved": True})
    assert await said(asking, "completion") == [{"variables": {"approved": True}}]


async def test_who_claims_it_here_has_it_there(scene: Scene) -> None:
    asking = scene.zeebe.ask("approve", candidateGroups=["clerks"])
    task_id = int((await scene.asked()).task_id)
    await claim(scene.yard.engine, CLERK, task_id)
    assert await said(asking, "assignment") == [{"assignee": "ada", "allowOverride": True}]
    await release(scene.yard.engine, CLERK, task_id)
    assert await said(asking, "assignee") == [None]


async def test_what_is_rejected_is_completed_with_the_error(scene: Scene) -> None:
    asking = scene.zeebe.ask("approve")
    rejected = TaskError("REJECTED", "too dear", {"limit": 5}, retryable=False)
    await fail_open(scene.yard.engine, LOCAL, int((await scene.asked()).task_id), rejected)
    error = {"code": "REJECTED", "message": "too dear", "details": {"limit": 5}}
    assert await said(asking, "completion") == [{"variables": {"error": error}}]


async def test_one_that_is_busy_there_is_told_again(scene: Scene) -> None:
    asking = scene.zeebe.ask("approve", candidateGroups=["clerks"])
    task_id = int((await scene.asked()).task_id)
    asking.busy = 2
    await claim(scene.yard.engine, CLERK, task_id)
    assert await said(asking, "assignment") == [{"assignee": "ada", "allowOverride": True}]
    asking.busy = 2
    await complete_open(scene.yard.engine, CLERK, task_id, {"approved": True})
    assert await said(asking, "completion") == [{"variables": {"approved": True}}]


async def test_what_ended_there_is_canceled_here(scene: Scene) -> None:
    asking = scene.zeebe.ask("approve")
    await scene.asked()
    asking.state = "CANCELED"

    async def canceled() -> bool:
        return [str(task.status) for task in await scene.tasks()] == ["CANCELED"]

    await eventually(canceled)
    assert asking.said == []
