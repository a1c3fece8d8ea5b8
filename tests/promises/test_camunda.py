"""What the documents promise of Camunda 7."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from taskyard.orchestrators import bridge
from taskyard.orchestrators.camunda7.client import Camunda
from tests.api.yard import Client
from tests.orchestrators.bpmn.files import line, service, user
from tests.orchestrators.engine import StubEngine
from tests.promises.fixtures_b import calling, new_yard, working
from tests.security.egress.receiver import answer, receiving
from tests.support import eventually

ROOT = "/engine-rest/external-task"


async def test_external_task_clients_drain_our_tasks(tmp_path: Path) -> None:
    """sourceloop-task-service.md § Dependencies: external-task clients of Camunda 7 work against us unchanged."""
    async with new_yard(tmp_path) as yard, calling(yard) as client:
        body = {"key": "charge", "implementation": {"kind": "external", "topic": "charge"}}
        await client.put("/api/v1/definitions/charge", json=body)
        ids = [await client.create("charge", {"amount": number}) for number in range(5)]
        wanted = {"workerId": "w", "maxTasks": 3, "topics": [{"topicName": "charge", "lockDuration": 10_000}]}
        while locked := (await client.post(f"{ROOT}/fetchAndLock", json=wanted)).json():
            for each in locked:
                total = each["variables"]["amount"]["value"] + 1
                done = {"workerId": "w", "variables": {"total": {"value": total, "type": "Integer"}}}
                assert (await client.post(f"{ROOT}/{each['id']}/complete", json=done)).status_code == 204
        tasks = [(await client.get(f"/api/v1/tasks/{id_}")).json() for id_ in ids]
    assert [task["output"] for task in tasks] == [{"total": number + 1} for number in range(5)]


async def test_the_engine_named_is_asked_for_its_external_tasks(tmp_path: Path) -> None:
    """sourceloop-task-service.md § Environment Variables: `CAMUNDA_URL` names the engine; without it no client runs."""
    engine = StubEngine()
    async with receiving(engine.serve) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/engine-rest"
        for settings, asked in (({}, False), ({"CAMUNDA_URL": url}, True)):
            yard = new_yard(tmp_path, **settings)
            yard.task(double)
            async with yard.worker():
                if asked:
                    good, bad = engine.add("double", number=4), engine.add("double", number="four")
                    await eventually(lambda: good.ended and bad.retries == 0)  # noqa: B023 - awaited in the same round
                else:
                    await asyncio.sleep(0)
            assert bool(receiver.asked) is asked
    assert (good.said[-1][0], good.said[-1][1]["variables"]["output"]["value"]) == ("complete", 8)
    assert bad.said[-1][0] == "failure"


async def test_our_client_locks_extends_completes_and_comes_back_after_any_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sourceloop-task-service.md § Dependencies: a Camunda client that survives every error of its engine."""
    monkeypatch.setattr(bridge, "PAUSES", (0.05,))
    monkeypatch.setattr(Camunda.__init__, "__defaults__", ("", 3.0))
    engine = StubEngine()
    engine.broken = [answer("500 Broken"), b"", answer("503 Starting")]
    async with receiving(engine.serve) as receiver:
        yard = new_yard(tmp_path, CAMUNDA_URL=f"http://127.0.0.1:{receiver.port}/engine-rest")
        release = asyncio.Event()

        @yard.task
        async def slow() -> str:
            await release.wait()
            return "done"

        async with yard.worker():
            work = engine.add("slow")
            await eventually(lambda: "extendLock" in [verb for verb, _ in work.said])
            release.set()
            await eventually(lambda: work.ended)
    assert (work.ended, work.fetched) == ("complete", 1)
    assert engine.broken == []


async def test_a_bpmn_model_is_deployed_started_and_drives_tasks_until_it_ends(tmp_path: Path) -> None:
    """sourceloop-task-service.md § Overview: a BPMN model is deployed, started, and drives tasks of ours to its end."""
    yard = new_yard(tmp_path)
    yard.task(double)
    async with working(yard) as client:
        source = line(service("twice", "double"), user("check"))
        assert (await client.post("/api/v1/workflows", json={"source": source})).status_code == 201
        started = (await client.post("/api/v1/workflows/order/start", json={"input": {"number": 4}})).json()
        await complete(client, started["instanceId"], {"checked": True})
        task = await client.until(started["instanceId"], "COMPLETED", "FAILED")
    assert (task["status"], task["output"]) == ("COMPLETED", {"number": 4, "output": 8, "checked": True})


async def test_the_steps_of_a_process_of_camunda_are_tasks_of_ours(tmp_path: Path) -> None:
    """sourceloop-task-service.md § Best Practices › Do:: with a Camunda 7 engine, its steps run as ours."""
    engine = StubEngine()
    async with receiving(engine.serve) as receiver:
        yard = new_yard(tmp_path, CAMUNDA_URL=f"http://127.0.0.1:{receiver.port}/engine-rest")
        yard.task(double)
        async with working(yard) as client:
            model = {"source": '<bpmn:definitions xmlns:bpmn="x"/>', "engine": "camunda"}
            assert (await client.post("/api/v1/workflows", json=model)).status_code == 201
            await client.post("/api/v1/workflows/order/start?engine=camunda", json={"input": {"number": 4}})
            assert engine.started[0][1]["variables"]["number"]["value"] == 4
            work = engine.add("double", number=4)
            await eventually(lambda: work.ended)
            asking = engine.ask("check", {"number": 4}, groups=("clerks",))
            await complete(client, f"process-{asking.id}", {"checked": True})
            await eventually(lambda: asking.ended)
    assert work.said[-1][1]["variables"]["output"]["value"] == 8
    assert asking.said[-1][1]["variables"]["checked"]["value"] is True


async def complete(client: Client, workflow_id: str, output: Any) -> None:
    """Complete the manual task of a workflow, once there is one."""

    async def asked() -> list[dict[str, Any]]:
        query = {"workflowId": workflow_id, "status": "ASSIGNED"}
        return list((await client.get("/api/v1/tasks", params=query)).json()["items"])

    (task,) = await eventually(asked)
    answered = await client.post(f"/api/v1/tasks/{task['taskId']}/complete", json={"output": output})
    assert answered.status_code == 200, answered.text


async def double(number: int) -> int:
    return 2 * number
