"""A yard of a test's own, and callers of its API in process."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from taskyard import Taskyard
from taskyard.api.server import create_api
from taskyard.settings import load
from tests.api.yard import Client, make_services


def new_yard(folder: Path, **settings: Any) -> Taskyard:
    """A yard without tasks on a SQLite file in `folder`, with these settings, not yet open."""
    given = {"TASKYARD_DATA_DIR": str(folder / "data"), "TASKYARD_GRACE": 1.0, **settings}
    return Taskyard(f"sqlite:///{folder / 'tasks.db'}", settings=load({}).with_values(**given))


@contextlib.asynccontextmanager
async def calling(yard: Taskyard) -> AsyncIterator[Client]:
    """An admin at the API of an open yard."""
    services = make_services(yard)
    async with Client(create_api(services), services) as client:
        yield client


@contextlib.asynccontextmanager
async def working(yard: Taskyard) -> AsyncIterator[Client]:
    """An admin at the API of a yard that executes its tasks."""
    async with yard.worker(), calling(yard) as client:
        yield client


async def events_of(client: Client, task_id: str) -> list[dict[str, Any]]:
    """A task's audit trail, oldest first."""
    answer = await client.get(f"/api/v1/tasks/{task_id}/events?limit=200")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def words_of(client: Client, task_id: str) -> list[str]:
    """The last words of the types of a task's events."""
    return [event["type"].rpartition(".")[2] for event in await events_of(client, task_id)]


async def ids_of(client: Client, **filters: Any) -> list[str]:
    """The ids of the tasks that fit, as listed."""
    answer = await client.get("/api/v1/tasks", params=filters)
    assert answer.status_code == 200, answer.text
    return [task["taskId"] for task in answer.json()["items"]]
