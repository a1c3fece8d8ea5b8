"""Access over HTTP: the server in TASKYARD_URL."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from taskyard.cli.access.contract import Access, Json, Message, Started
from taskyard.cli.access.remote_audit import RemoteAudit
from taskyard.cli.access.remote_connections import RemoteConnections
from taskyard.cli.access.remote_people import RemotePeople
from taskyard.cli.access.remote_users import RemoteUsers
from taskyard.cli.access.remote_webhooks import RemoteWebhooks
from taskyard.cli.access.remote_workflows import RemoteWorkflows
from taskyard.client import AsyncTaskyardClient
from taskyard.client.talk import API, INTERNAL, fetch, part

_DEAD = f"{INTERNAL}/queues/task-execution-deadletter/messages"


@contextlib.asynccontextmanager
async def open_remote(url: str, token: str) -> AsyncIterator[Access]:
    """Access to a server with a token."""
    async with AsyncTaskyardClient(url, token) as client:
        yield RemoteAccess(client)


class RemoteAccess(RemoteWebhooks, RemotePeople, RemoteUsers, RemoteAudit, RemoteWorkflows, RemoteConnections):
    """The verbs over HTTP, in the JSON of the answers as they are; see the contract."""

    # ---- tasks
    async def start(self, body: Json) -> Started:
        """See the contract."""
        repeatable = "idempotencyKey" in body
        task: Json = await self._client.carry_out(fetch("POST", f"{API}/tasks", body=body, repeatable=repeatable))
        return Started(task, bool(task.pop("reused", False)))

    async def task(self, task_id: str) -> Json:
        """See the contract."""
        return await self._get(_task(task_id))

    async def tasks(self, query: Mapping[str, Any]) -> Json:
        """See the contract."""
        return await self._get(f"{API}/tasks", {name: _text(value) for name, value in query.items()})

    async def attempts(self, task_id: str) -> list[Json]:
        """See the contract."""
        return [one async for one in self._client.attempts(task_id)]

    def follow(self, task_id: str, after: int = 0) -> AsyncIterator[Message]:
        """See the contract."""
        return self._client.follow(task_id, after)

    async def cancel(self, task_id: str, reason: str | None) -> Json:
        """See the contract."""
        return await self._post(f"{_task(task_id)}/cancel", {} if reason is None else {"reason": reason})

    async def retry(self, task_id: str) -> Json:
        """See the contract."""
        return await self._post(f"{_task(task_id)}/retry", {})

    async def why(self, task_id: str) -> Json:
        """See the contract."""
        return await self._client.why(task_id)

    async def upload(self, path: Path) -> str:
        """See the contract."""
        return (await self._client.upload(path)).upload_id

    # ---- queues
    async def queues(self) -> list[Json]:
        """See the contract."""
        return [one async for one in self._client.queues()]

    async def pause(self, queue: str, *, paused: bool) -> Json:
        """See the contract."""
        return await self._post(f"{API}/queues/{part(queue)}/{'pause' if paused else 'resume'}", {})

    async def dead_letters(self, limit: int, cursor: str | None) -> Json:
        """See the contract."""
        return await self._get(_DEAD, {"limit": limit, "cursor": cursor})

    async def requeue(self, body: Json) -> Json:
        """See the contract."""
        return await self._post(f"{INTERNAL}/deadletters/requeue", body)

    async def discard(self, body: Json) -> Json:
        """See the contract."""
        return await self._post(f"{INTERNAL}/deadletters/discard", body)

    # ---- definitions
    async def definitions(self) -> list[Json]:
        """See the contract."""
        return [one async for one in self._client.definitions()]

    async def definition(self, key: str) -> Json:
        """See the contract."""
        return await self._client.definition(key)

    async def versions(self, key: str) -> list[Json]:
        """See the contract."""
        return [one async for one in self._client.definition_versions(key)]

    async def push(self, definition: Json) -> Json:
        """See the contract."""
        return await self._client.push_definition(definition)

    # ---- schedules
    async def schedules(self, limit: int, cursor: str | None) -> Json:
        """See the contract."""
        return await self._get(f"{API}/schedules", {"limit": limit, "cursor": cursor})

    async def schedule(self, schedule_id: str) -> Json:
        """See the contract."""
        return await self._client.schedule(schedule_id)

    async def put_schedule(self, schedule: Json) -> Json:
        """See the contract."""
        return await self._client.put_schedule(schedule)

    async def remove_schedule(self, schedule_id: str) -> None:
        """See the contract."""
        await self._client.remove_schedule(schedule_id)

    async def pause_schedule(self, schedule_id: str, *, paused: bool) -> Json:
        """See the contract."""
        change = self._client.pause_schedule if paused else self._client.resume_schedule
        return await change(schedule_id)

    async def run_schedule(self, schedule_id: str) -> Json:
        """See the contract."""
        return await self._post(f"{API}/schedules/{part(schedule_id)}/run", {})

    async def backfill(self, schedule_id: str, body: Json) -> Json:
        """See the contract."""
        return await self._post(f"{API}/schedules/{part(schedule_id)}/backfill", body)


def _task(task_id: str) -> str:
    return f"{API}/tasks/{part(task_id)}"


def _text(value: Any) -> str:
    """A query parameter; several values stand in one, separated by commas."""
    return ",".join(value) if isinstance(value, list) else str(value)
