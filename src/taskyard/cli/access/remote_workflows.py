"""Workflows, over HTTP."""

from __future__ import annotations

from taskyard.cli.access.contract import Json
from taskyard.client import AsyncTaskyardClient
from taskyard.client.talk import API, fetch, part


class RemoteWorkflows:
    """The verbs in the JSON of the answers as they are; see the contract."""

    _client: AsyncTaskyardClient

    async def workflows(self, engine: str) -> list[Json]:
        """See the contract."""
        return [one async for one in self._client.workflows(engine)]

    async def workflow(self, key: str, engine: str) -> Json:
        """See the contract."""
        return dict(await self._client.workflow(key, engine))

    async def deploy_workflow(self, source: str, engine: str) -> Json:
        """See the contract."""
        return dict(await self._client.deploy_workflow(source, engine))

    async def start_workflow(self, key: str, body: Json, engine: str) -> Json:
        """See the contract."""
        path = f"{API}/workflows/{part(key)}/start"
        answer: Json = await self._client.carry_out(fetch("POST", path, query={"engine": engine}, body=body))
        return answer
