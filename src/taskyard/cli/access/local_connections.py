"""The verbs of connections on the store itself."""

from __future__ import annotations

from taskyard.app import App
from taskyard.cli.access.contract import Json
from taskyard.engine import connections
from taskyard.engine.connection_book import Known
from taskyard.errors import ValidationFailed


class LocalConnections:
    """The verbs on an open app; see the contract."""

    _app: App

    async def connections(self, limit: int, cursor: str | None) -> Json:
        """See the contract."""
        page = await connections.list_connections(self._app.engine, limit, cursor)
        return {"items": [await self._told(known) for known in page.items], "nextCursor": page.next}

    async def connection(self, connection_id: str) -> Json:
        """See the contract."""
        return await self._told(await connections.get_connection(self._app.engine, connection_id))

    async def put_connection(self, connection: Json) -> Json:
        """See the contract."""
        from taskyard.api.connections import CONNECTION_BODY, connection_of

        body = CONNECTION_BODY.parse(connection)
        if not body.connection_id:
            raise ValidationFailed("/connectionId is needed: the name by which definitions call it")
        given, secrets = connection_of(body.connection_id, body)
        known, _ = await connections.put_connection(self._app.engine, self._app.box, given, secrets)
        return await self._told(known)

    async def remove_connection(self, connection_id: str) -> None:
        """See the contract."""
        await connections.remove_connection(self._app.engine, connection_id)

    async def try_connection(self, connection_id: str) -> Json:
        """See the contract."""
        from taskyard.api.connections import tested_json

        known = await connections.get_connection(self._app.engine, connection_id)
        return tested_json(*await self._app.integrations.test(known.row))

    async def _told(self, known: Known) -> Json:
        from taskyard.api.connections import connection_json

        return connection_json(known, self._app.box, await self._app.engine.store.now())
