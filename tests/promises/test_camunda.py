"""What the documents promise of Camunda 7."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from taskyard.orchestrators import camunda7
from taskyard.orchestrators.camunda7 import Camunda
from tests.orchestrators.engine import StubEngine
from tests.promises.fixtures_b import calling, new_yard
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
                    await eventually(lambda: good.ended and bad.retries == 0, within=20)  # noqa: B023
                else:
                    await asyncio.sleep(0)
            assert bool(receiver.asked) is asked
    assert (good.said[-1][0], good.said[-1][1]["variables"]["output"]["value"]) == ("complete", 8)
    assert bad.said[-1][0] == "failure"


async def test_our_client_locks_extends_completes_and_comes_back_after_any_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sourceloop-task-service.md § Dependencies: a Camunda client that survives every error of its engine."""
    monkeypatch.setattr(camunda7, "_PAUSES", (0.05,))
    monkeypatch.setattr(Camunda.__init__, "__defaults__", ("", 0.5))
    engine = StubEngine()
    engine.broken = [answer("500 Broken"), b"", answer("503 Starting")]
    async with receiving(engine.serve) as receiver:
        yard = new_yard(tmp_path, CAMUNDA_URL=f"http://127.0.0.1:{receiver.port}/engine-rest")

        @yard.task
        async def slow() -> str:
            await asyncio.sleep(1.2)
            return "done"

        async with yard.worker():
            work = engine.add("slow")
            await eventually(lambda: work.ended, within=20)
    assert (work.ended, work.fetched) == ("complete", 1)
    assert "extendLock" in [verb for verb, _ in work.said]
    assert engine.broken == []


async def double(number: int) -> int:
    return 2 * number
