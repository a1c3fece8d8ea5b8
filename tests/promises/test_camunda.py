"""What the documents promise of Camunda 7."""

from __future__ import annotations

from pathlib import Path

from tests.promises.fixtures_b import calling, new_yard

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
