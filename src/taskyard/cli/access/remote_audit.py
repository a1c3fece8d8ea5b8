"""The history of tasks, over HTTP."""

from __future__ import annotations

from taskyard.cli.access.contract import Json
from taskyard.client import AsyncTaskyardClient
from taskyard.client.talk import API, Request, ask, part
from taskyard.errors import ConfigurationError


class RemoteAudit:
    """The verbs as far as they go over HTTP; see the contract."""

    _client: AsyncTaskyardClient

    async def history(self, task_id: str, format_: str) -> str:
        """See the contract."""
        request = Request("GET", f"{API}/tasks/{part(task_id)}/history", {"format": format_}, repeatable=True)
        answer = await self._client.carry_out(ask(request))
        return answer.content.decode()

    async def verify_audit(self, head: str | None) -> Json:
        """See the contract. The key never leaves the servers."""
        del head
        raise ConfigurationError(
            "verifying takes the store and its key: unset TASKYARD_URL, and run it where TASKYARD_DATABASE_URL and"
            " TASKYARD_SECRET_KEY (or the data directory) are those of the servers"
        )
