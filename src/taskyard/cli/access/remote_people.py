"""What people do, over HTTP: as the person whose token it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taskyard.cli.access.contract import Json
from taskyard.cli.access.remote_calls import RemoteCalls
from taskyard.client.talk import API, fetch, part
from taskyard.errors import ConfigurationError


class RemotePeople(RemoteCalls):
    """The verbs in the JSON of the answers as they are; see the contract."""

    async def inbox(self, query: Mapping[str, Any], user: str | None) -> Json:
        """See the contract."""
        _refuse(user)
        return await self._get(f"{API}/inbox", query)

    async def act(self, task_id: str, verb: str, body: Json, user: str | None) -> Json:
        """See the contract."""
        _refuse(user)
        answer = await self._post(f"{API}/tasks/{part(task_id)}/{verb}", body)
        return dict(answer["task"]) if verb == "complete" else answer

    async def notifications(self, query: Mapping[str, Any], user: str | None) -> Json:
        """See the contract."""
        _refuse(user)
        asked = {**query, "unread": "true" if query["unread"] else "false"}
        return await self._get(f"{API}/notifications", asked)

    async def mark_notifications(self, body: Json, user: str | None) -> Json:
        """See the contract."""
        _refuse(user)
        return await self._post(f"{API}/notifications/read", body)

    async def preferences(self, wanted: Any, user: str | None) -> Json:
        """See the contract."""
        _refuse(user)
        path = f"{API}/notifications/preferences"
        asked = fetch("GET", path) if wanted is None else fetch("PUT", path, body=wanted)
        answer: Json = await self._client.carry_out(asked)
        return answer


def _refuse(user: str | None) -> None:
    if user is not None:
        raise ConfigurationError("--user is for a store of your own; over HTTP you are who TASKYARD_TOKEN says")
