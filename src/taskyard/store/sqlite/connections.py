"""Connections to external systems, and their breakers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from taskyard.contracts.connections import BreakerRow, ConnectionRow, KeptRow, Mark
from taskyard.domain import connection as domain
from taskyard.store.sqlite.base import Base, Connection, as_array

_ROW = "SELECT content, secrets, created_at, revision FROM connection"
_MARKS = "SELECT c.id, c.revision, b.version, b.state FROM connection c LEFT JOIN breaker b ON b.name = c.id ORDER BY 1"
_INSERT = (
    "INSERT INTO connection (content, secrets, created_at, revision, id) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_UPDATE = "UPDATE connection SET content = ?, secrets = ?, created_at = ?, revision = ? WHERE id = ? AND revision = ?"
_ADD_BREAKER = "INSERT INTO breaker (state, name, version) VALUES (?, ?, 1) ON CONFLICT DO NOTHING"
_CHANGE_BREAKER = "UPDATE breaker SET state = ?, version = version + 1 WHERE name = ? AND version = ?"
_ADD_KEPT = (
    "INSERT INTO connection_kept (content, id, version) SELECT ?1, id, 1 FROM connection WHERE id = ?2 "
    "ON CONFLICT DO NOTHING"
)
_CHANGE_KEPT = "UPDATE connection_kept SET content = ?, version = version + 1 WHERE id = ? AND version = ?"


class Connections(Base):
    """The facet of the same name."""

    async def save_connection(self, row: ConnectionRow, before: int | None) -> bool:
        """See the contract."""
        content = (msgspec.json.encode(row.connection), row.secrets, row.created_at, row.revision, row.id)

        change = (_INSERT, content) if before is None else (_UPDATE, (*content, before))
        return await self.db.write(lambda connection: connection.execute(*change).rowcount > 0)

    async def connections(self, limit: int, after: str) -> list[ConnectionRow]:
        """See the contract."""
        return await self.db.read(_rows, "WHERE id > ? ORDER BY id LIMIT ?", (after, limit))

    async def connections_by_id(self, ids: Sequence[str]) -> list[ConnectionRow]:
        """See the contract."""
        return await self.db.read(_rows, "WHERE id IN (SELECT value FROM json_each(?))", (as_array(ids),))

    async def connection_marks(self) -> list[Mark]:
        """See the contract."""
        return await self.db.read(lambda connection: [_mark(*row) for row in connection.execute(_MARKS)])

    async def remove_connection(self, connection_id: str) -> bool:
        """See the contract."""

        def run(connection: Connection) -> bool:
            connection.execute("DELETE FROM breaker WHERE name = ?", (connection_id,))
            connection.execute("DELETE FROM connection_kept WHERE id = ?", (connection_id,))
            connection.execute("DELETE FROM open_call WHERE connection_id = ?", (connection_id,))
            return connection.execute("DELETE FROM connection WHERE id = ?", (connection_id,)).rowcount > 0

        return await self.db.write(run)

    async def kept(self, connection_id: str) -> KeptRow | None:
        """See the contract."""
        query = "SELECT version, content FROM connection_kept WHERE id = ?"
        row = await self.db.read(lambda connection: connection.execute(query, (connection_id,)).fetchone())
        return None if row is None else KeptRow(*row)

    async def keep(self, connection_id: str, row: KeptRow) -> bool:
        """See the contract."""
        new = (row.content, connection_id)
        change = (_CHANGE_KEPT, (*new, row.version)) if row.version else (_ADD_KEPT, new)
        return await self.db.write(lambda connection: connection.execute(*change).rowcount > 0)

    async def breaker(self, name: str) -> BreakerRow | None:
        """See the contract."""

        def run(connection: Connection) -> BreakerRow | None:
            row = connection.execute("SELECT version, state FROM breaker WHERE name = ?", (name,)).fetchone()
            return None if row is None else BreakerRow(*row)

        return await self.db.read(run)

    async def save_breaker(self, name: str, row: BreakerRow) -> bool:
        """See the contract."""
        change = (_CHANGE_BREAKER, (row.state, name, row.version)) if row.version else (_ADD_BREAKER, (row.state, name))
        return await self.db.write(lambda connection: connection.execute(*change).rowcount > 0)


def _rows(connection: Connection, where: str, parameters: Sequence[Any]) -> list[ConnectionRow]:
    return [
        ConnectionRow(msgspec.json.decode(content, type=domain.Connection), *rest)
        for content, *rest in connection.execute(f"{_ROW} {where}", parameters)
    ]


def _mark(id_: str, revision: int, version: int | None, state: bytes | None) -> Mark:
    return Mark(id_, revision, None if version is None or state is None else BreakerRow(version, state))
