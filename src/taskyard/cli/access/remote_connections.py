"""The verbs of connections over HTTP."""

from __future__ import annotations

from taskyard.cli.access.contract import Json
from taskyard.cli.access.remote_calls import RemoteCalls
from taskyard.client.talk import API


class RemoteConnections(RemoteCalls):
    """The verbs in the JSON of the answers as they are; see the contract."""

    async def connections(self, limit: int, cursor: str | None) -> Json:
        """See the contract."""
        return await self._get(f"{API}/connections", {"limit": limit, "cursor": cursor})

    async def connection(self, connection_id: str) -> Json:
        """See the contract."""
        return await self._client.connection(connection_id)

    async def put_connection(self, connection: Json) -> Json:
        """See the contract."""
        return await self._client.put_connection(connection)

    async def remove_connection(self, connection_id: str) -> None:
        """See the contract."""
        await self._client.remove_connection(connection_id)

    async def try_connection(self, connection_id: str) -> Json:
        """See the contract."""
        return await self._client.try_connection(connection_id)
