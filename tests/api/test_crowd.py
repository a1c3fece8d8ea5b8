"""Two hundred people who want the tasks of one group at the same moment."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from tests.api.test_people import made, person
from tests.api.yard import Client

STORES = ["sqlite", "postgresql"]

PEOPLE, TASKS = 200, 25


async def take(http: Client, name: str, task_id: str) -> tuple[int, Any]:
    answer = await http.post(f"/api/v1/tasks/{task_id}/claim", headers=person(name, "ops"))
    return answer.status_code, answer.json()


async def test_each_task_is_claimed_by_one(working: Client) -> None:
    ids = [await made(working) for _ in range(TASKS)]
    names = [f"p{number}" for number in range(PEOPLE)]
    told = await asyncio.gather(*(take(working, name, ids[k % TASKS]) for k, name in enumerate(names)))
    assert Counter(status for status, _ in told) == {200: TASKS, 409: PEOPLE - TASKS}
    holders = {body["taskId"]: body["claimedBy"] for status, body in told if status == 200}
    assert set(holders) == set(ids)
    for k, (status, body) in enumerate(told):
        if status == 409:
            assert body["error"]["details"] == {"claimedBy": holders[ids[k % TASKS]]}
    for task_id in ids:
        assert (await working.get(f"/api/v1/tasks/{task_id}")).json()["claimedBy"] == holders[task_id]
        events = (await working.get(f"/api/v1/tasks/{task_id}/events?limit=200")).json()["items"]
        assert sum(event["type"] == "task.manual.claimed" for event in events) == 1
