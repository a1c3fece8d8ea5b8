"""User tasks of a Camunda 7 engine are manual tasks of ours, and its processes are started from here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from taskyard import Taskyard
from taskyard.contracts.records import Filter
from taskyard.domain.outcome import TaskError
from taskyard.domain.task import Task
from taskyard.engine.assign import complete_open, fail_open
from taskyard.engine.cancel import cancel
from taskyard.engine.define import define, parse_definition
from taskyard.engine.query import list_tasks
from taskyard.engine.request import TaskRequest
from taskyard.engine.submit import submit
from taskyard.errors import CallFailed
from taskyard.orchestrators import bridge, mirror
from taskyard.orchestrators.camunda7.client import Camunda
from taskyard.orchestrators.camunda7.user import TAG, UserTasks
from taskyard.orchestrators.holding import TRIES
from taskyard.security.caller import LOCAL, Caller
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules
from tests.orchestrators.engine import Asking, StubEngine
from tests.promises.fixtures_b import calling, new_yard
from tests.security.egress.receiver import Receiver, answer, receiving
from tests.support import eventually


class Scene:
    """A yard that works, an engine, and the bridges between them."""

    def __init__(self, yard: Taskyard, engine: StubEngine, camunda: Camunda, receiver: Receiver) -> None:
        self.yard = yard
        self.receiver = receiver
        self.engine = engine
        self.camunda = camunda
        self.bridges: list[UserTasks] = []

    def bridge(self) -> UserTasks:
        made = UserTasks(self.yard.engine, self.camunda)
        made.start()
        self.bridges.append(made)
        return made

    async def tasks(self) -> list[Task]:
        return (await list_tasks(self.yard.engine, Filter(), 100, None)).items

    async def asked(self) -> Task:
        """The only task, once it lies with somebody."""

        async def assigned() -> Task | None:
            found = [task for task in await self.tasks() if str(task.status) == "ASSIGNED"]
            return found[0] if len(found) == 1 else None

        return await eventually(assigned)

    async def complete(self, output: Any) -> None:
        await complete_open(self.yard.engine, LOCAL, int((await self.asked()).task_id), output)


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(mirror, "_LOOK_EVERY", 0.02)
    monkeypatch.setattr(bridge, "PAUSES", (0.05,))
    engine, yard = StubEngine(), new_yard(tmp_path)
    egress = Egress(Guard(Rules.parse(["127.0.0.1"])))
    async with receiving(engine.serve) as receiver, yard.worker():
        made = Scene(yard, engine, Camunda(f"http://127.0.0.1:{receiver.port}/engine-rest", egress), receiver)
        yield made
        for each in made.bridges:
            await each.stop()
    await egress.aclose()


async def ended(asking: Asking) -> tuple[str, dict[str, Any]]:
    await eventually(lambda: asking.ended is not None)
    return asking.said[-1]


async def test_a_user_task_is_mirrored_and_completed_back(scene: Scene) -> None:
    scene.bridge()
    more = {"due": "2030-01-02T03:04:05.678+0000", "priority": 80}
    asking = scene.engine.ask("approve", {"amount": 5}, groups=("clerks", "others"), more=more)
    task = await scene.asked()
    assert (task.task_definition_id, task.title, task.input) == ("order.approve", "Please approve", {"amount": 5})
    assert (task.assignee_type, task.assignee_id, task.priority) == ("GROUP", "clerks", "HIGH")
    assert (task.workflow_id, task.step_id, task.correlation_id) == ("process-u0", "approve", "key-process-u0")
    assert task.due_date is not None
    assert task.due_date.isoformat() == "2030-01-02T03:04:05.678000+00:00"
    await scene.complete({"approved": True, "note": {"by": "ada"}})
    verb, said = await ended(asking)
    assert verb == "complete"
    assert said["variables"]["approved"] == {"type": "Boolean", "value": True, "valueInfo": {}}
    assert said["variables"]["note"]["type"] == "Json"


async def test_whose_it_is_there_it_is_here(scene: Scene) -> None:
    scene.bridge()
    scene.engine.ask("approve", assignee="ada", groups=("clerks",))
    task = await scene.asked()
    assert (task.assignee_type, task.assignee_id) == ("USER", "ada")


async def test_what_is_rejected_is_a_business_error_there(scene: Scene) -> None:
    scene.bridge()
    asking = scene.engine.ask("approve")
    rejected = TaskError("REJECTED", "too dear", {"limit": 5}, retryable=False)
    await fail_open(scene.yard.engine, LOCAL, int((await scene.asked()).task_id), rejected)
    verb, said = await ended(asking)
    assert (verb, said["errorCode"], said["errorMessage"]) == ("bpmnError", "REJECTED", "too dear")
    assert said["variables"]["limit"]["value"] == 5


async def test_what_ended_there_is_canceled_here(scene: Scene) -> None:
    scene.bridge()
    asking = scene.engine.ask("approve")
    task = await scene.asked()
    asking.ended = "by somebody in a task list"

    async def status() -> bool:
        return str((await scene.tasks())[0].status) == "CANCELED"

    await eventually(status)
    assert (await scene.tasks())[0].task_id == task.task_id


async def test_what_is_given_up_here_stays_open_there(scene: Scene) -> None:
    first = scene.bridge()
    asking = scene.engine.ask("approve")
    await cancel(scene.yard.engine, int((await scene.asked()).task_id), "ada", "no")
    await eventually(lambda: not first.open)
    scene.bridge()
    await eventually(lambda: asking.id in scene.bridges[1]._over)
    assert (asking.ended, len(await scene.tasks())) == (None, 1)


async def test_several_bridges_and_those_that_come_later_find_the_same_task(scene: Scene) -> None:
    first, second = scene.bridge(), scene.bridge()
    asking, other = scene.engine.ask("approve"), scene.engine.ask("check")

    async def both() -> bool:
        return [str(task.status) for task in await scene.tasks()] == ["ASSIGNED", "ASSIGNED"]

    await eventually(both)
    await first.stop()
    await second.stop()
    other.ended = "while nobody looked"
    by_key = {task.task_definition_id: int(task.task_id) for task in await scene.tasks()}
    await complete_open(scene.yard.engine, LOCAL, by_key["order.approve"], {})
    scene.bridge()
    assert (await ended(asking))[0] == "complete"

    async def canceled() -> bool:
        return sorted(str(task.status) for task in await scene.tasks()) == ["CANCELED", "COMPLETED"]

    await eventually(canceled)


async def test_after_any_error_it_goes_on(scene: Scene) -> None:
    scene.engine.broken = [answer("500 Broken"), answer(body=b"<html>"), answer("401 Who"), b"", b"SSH-2.0\r\n"] * 2
    scene.bridge()
    asking = scene.engine.ask("approve")
    task = await scene.asked()
    asking.suspended = True
    await complete_open(scene.yard.engine, LOCAL, int(task.task_id), {})
    await eventually(lambda: bool(scene.bridges[0]._not_before))
    asking.suspended = False
    assert (await ended(asking))[0] == "complete"


async def test_what_was_mirrored_before_is_looked_up_now_and_then_only(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_TENDED_AT_ONCE", 1, raising=False)
    store, looked = scene.yard.engine.store, []
    find = store.find

    async def found(wanted: Filter, limit: int, after: int | None) -> Any:
        looked.append(wanted.tag)
        return await find(wanted, limit, after)

    monkeypatch.setattr(store, "find", found)
    one, other = scene.engine.ask("approve"), scene.engine.ask("check")
    scene.bridge()

    async def both() -> bool:
        return [str(task.status) for task in await scene.tasks()] == ["ASSIGNED", "ASSIGNED"]

    await eventually(both)
    for task in await scene.tasks():
        await complete_open(scene.yard.engine, LOCAL, int(task.task_id), {})
    assert {(await ended(one))[0], (await ended(other))[0]} == {"complete"}
    assert looked.count(TAG) == 1


async def test_an_outage_is_no_refusal(scene: Scene) -> None:
    made = scene.bridge()
    asking = scene.engine.ask("approve")
    task = await scene.asked()
    asking.suspended, asking.refusals = True, 1
    await complete_open(scene.yard.engine, LOCAL, int(task.task_id), {})
    await eventually(lambda: made._not_before.get(asking.id, (0.0, 0))[1] > TRIES)
    asking.suspended = False
    assert (await ended(asking))[0] == "complete"


async def test_what_cannot_be_mirrored_holds_nobody_up(scene: Scene) -> None:
    scene.bridge()
    scene.engine.ask("odd key")
    scene.engine.ask("approve")
    assert (await scene.asked()).step_id == "approve"


async def test_one_that_does_not_fit_its_definition_is_mirrored_once_it_does(scene: Scene) -> None:
    approve: dict[str, Any] = {"key": "order.approve", "implementation": {"kind": "manual"}}
    schema = {"type": "object", "properties": {"amount": {"type": "integer"}}}
    await define(scene.yard.engine, [parse_definition({**approve, "inputSchema": schema})])
    asking = scene.engine.ask("approve", {"amount": "five"})
    made = scene.bridge()
    await eventually(lambda: asking.id in made._not_before)
    await define(scene.yard.engine, [parse_definition(approve)])
    assert (await scene.asked()).input == {"amount": "five"}


async def test_one_whose_variables_cannot_be_had_holds_nobody_up(scene: Scene) -> None:
    large = scene.engine.ask("large", {"text": "x" * 2_000_000})
    broken = scene.engine.ask("broken")
    broken.readable = False
    asking = scene.engine.ask("approve")
    scene.bridge()
    assert (await scene.asked()).step_id == "approve"
    await scene.complete({})
    assert (await ended(asking))[0] == "complete"
    assert large.id in scene.bridges[0]._not_before
    broken.readable = True
    assert (await scene.asked()).step_id == "broken"


async def test_what_is_done_is_told_though_nothing_can_be_mirrored(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = scene.engine.ask("approve")
    scene.bridge()
    await scene.asked()

    async def fail(*_: Any) -> Any:
        raise CallFailed("it is too much", reason="too-large")

    monkeypatch.setattr(scene.camunda, "user_tasks", fail)
    await scene.complete({})
    assert (await ended(asking))[0] == "complete"


async def test_nobody_ends_a_user_task_by_a_task_that_looks_like_its_own(scene: Scene) -> None:
    asking = scene.engine.ask("approve", listed=False)
    await define(scene.yard.engine, [parse_definition({"key": "trap", "implementation": {"kind": "manual"}})])
    request = TaskRequest(task_definition_id="trap", tags=[TAG], metadata={"userTaskId": asking.id})
    trap = await submit(scene.yard.engine, request, Caller("mallory", frozenset({"tasks:write"})))

    async def assigned() -> bool:
        return str((await scene.tasks())[0].status) == "ASSIGNED"

    await eventually(assigned)
    scene.bridge()
    await eventually(lambda: len(scene.receiver.asked) > 2)
    await complete_open(scene.yard.engine, LOCAL, trap.id, {"approved": True})
    before = len(scene.receiver.asked)
    await eventually(lambda: len(scene.receiver.asked) > before + 2)
    assert (asking.ended, asking.said, scene.bridges[0].open) == (None, [], {})


SOURCE = '<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"/>'


async def test_processes_are_deployed_and_started_there(tmp_path: Path) -> None:
    engine = StubEngine()
    async with receiving(engine.serve) as receiver:
        yard = new_yard(tmp_path, CAMUNDA_URL=f"http://127.0.0.1:{receiver.port}/engine-rest")
        async with yard, calling(yard) as client:
            assert (await client.get("/api/v1/workflows?engine=camunda")).json()["items"] == []
            start = "/api/v1/workflows/order/start?engine=camunda"
            assert (await client.post(start, json={})).status_code == 404
            made = await client.post(
                "/api/v1/workflows", json={"source": SOURCE, "engine": "camunda", "title": "Orders"}
            )
            assert (made.status_code, made.json()["key"], made.json()["version"]) == (201, "order", "1")
            assert SOURCE.encode() in engine.deployed[0]
            assert b'name="deployment-name"\r\n\r\nOrders' in engine.deployed[0]
            wrong = await client.post("/api/v1/workflows", json={"source": "<x/>", "engine": "camunda"})
            assert (wrong.status_code, wrong.json()["error"]["details"][0]["path"]) == (422, "/source")
            assert (await client.get("/api/v1/workflows/order?engine=camunda")).json()["title"] == "Orders"
            assert (await client.get("/api/v1/workflows/other?engine=camunda")).status_code == 404
            started = await client.post(start, json={"input": {"amount": 5}, "correlationId": "o1"})
    assert started.json() == {"instanceId": "i1", "key": "order", "engine": "camunda", "task": None}
    body = {"variables": {"amount": {"type": "Integer", "value": 5, "valueInfo": {}}}, "businessKey": "o1"}
    assert engine.started == [("order", body)]


async def test_an_engine_that_is_away_is_said(tmp_path: Path) -> None:
    yard = new_yard(tmp_path, CAMUNDA_URL="http://127.0.0.1:1/engine-rest")
    async with yard, calling(yard) as client:
        answered = await client.get("/api/v1/workflows?engine=camunda")
    assert (answered.status_code, answered.json()["error"]["code"]) == (502, "INTEGRATION_ERROR")
