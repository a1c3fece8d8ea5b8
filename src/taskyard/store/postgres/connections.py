"""Connections to external systems, and their breakers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from taskyard.contracts.connections import BreakerRow, ConnectionRow, KeptRow, Mark
from taskyard.domain.connection import Connection
from taskyard.store.postgres.base import Base
from taskyard.store.postgres.shapes import encode

_ROW = "SELECT content, secrets, created_at, revision FROM taskyard.connection"
_PAGE = f"{_ROW} WHERE id > $1 ORDER BY id LIMIT $2"
_BY_ID = f"{_ROW} WHERE id = ANY ($1::text[])"
_MARKS = (
    "SELECT c.id, c.revision, b.version, b.state FROM taskyard.connection c "
    "LEFT JOIN taskyard.breaker b ON b.name = c.id ORDER BY 1"
)
_INSERT = (
    "INSERT INTO taskyard.connection (content, secrets, created_at, revision, id) VALUES ($1, $2, $3, $4, $5) "
    "ON CONFLICT DO NOTHING RETURNING true"
)
_UPDATE = (
    "UPDATE taskyard.connection SET content = $1, secrets = $2, created_at = $3, revision = $4 "
    "WHERE id = $5 AND revision = $6 RETURNING true"
)
_REMOVE_BREAKER = "DELETE FROM taskyard.breaker WHERE name = $1"
_REMOVE = "DELETE FROM taskyard.connection WHERE id = $1 RETURNING true"
_BREAKER = "SELECT version, state FROM taskyard.breaker WHERE name = $1"
_ADD_BREAKER = (
    "INSERT INTO taskyard.breaker (name, version, state) VALUES ($1, 1, $2) ON CONFLICT DO NOTHING RETURNING true"
)
_CHANGE_BREAKER = (
    "UPDATE taskyard.breaker SET state = $2, version = version + 1 WHERE name = $1 AND version = $3 RETURNING true"
)
_KEPT = "SELECT version, content FROM taskyard.connection_kept WHERE id = $1"
_ADD_KEPT = (
    "INSERT INTO taskyard.connection_kept (id, version, content) SELECT id, 1, $2 FROM taskyard.connection "
    "WHERE id = $1 ON CONFLICT DO NOTHING RETURNING true"
)
_CHANGE_KEPT = (
    "UPDATE taskyard.connection_kept SET content = $2, version = version + 1 WHERE id = $1 AND version = $3 "
    "RETURNING true"
)
_REMOVE_KEPT = "DELETE FROM taskyard.connection_kept WHERE id = $1"
_REMOVE_CALLS = "DELETE FROM taskyard.open_call WHERE connection_id = $1"


class Connections(Base):
    """The facet of the same name."""

    async def save_connection(self, row: ConnectionRow, before: int | None) -> bool:
        """See the contract."""
        content = (encode(row.connection), row.secrets, row.created_at, row.revision, row.id)
        change = (_INSERT, *content) if before is None else (_UPDATE, *content, before)
        return bool(await self.db.durable.value(*change))

    async def connections(self, limit: int, after: str) -> list[ConnectionRow]:
        """See the contract."""
        return [_row(row) for row in await self.db.reading.fetch(_PAGE, after, limit)]

    async def connections_by_id(self, ids: Sequence[str]) -> list[ConnectionRow]:
        """See the contract."""
        return [_row(row) for row in await self.db.relaxed.fetch(_BY_ID, list(ids))]

    async def connection_marks(self) -> list[Mark]:
        """See the contract."""
        return [_mark(*row) for row in await self.db.relaxed.fetch(_MARKS)]

    async def remove_connection(self, connection_id: str) -> bool:
        """See the contract."""
        async with self.db.durable.transaction() as connection:
            await connection.execute(_REMOVE_BREAKER, connection_id)
            await connection.execute(_REMOVE_KEPT, connection_id)
            await connection.execute(_REMOVE_CALLS, connection_id)
            return bool(await connection.fetchval(_REMOVE, connection_id))

    async def kept(self, connection_id: str) -> KeptRow | None:
        """See the contract."""
        row = await self.db.durable.row(_KEPT, connection_id)
        return None if row is None else KeptRow(*row)

    async def keep(self, connection_id: str, row: KeptRow) -> bool:
        """See the contract."""
        new = (connection_id, row.content)
        change = (_CHANGE_KEPT, *new, row.version) if row.version else (_ADD_KEPT, *new)
        return bool(await self.db.durable.value(*change))

    async def breaker(self, name: str) -> BreakerRow | None:
        """See the contract."""
        row = await self.db.relaxed.row(_BREAKER, name)
        return None if row is None else BreakerRow(*row)

    async def save_breaker(self, name: str, row: BreakerRow) -> bool:
        """See the contract. What is lost of it in a crash is soon counted anew."""
        change = (_CHANGE_BREAKER, name, row.state, row.version) if row.version else (_ADD_BREAKER, name, row.state)
        return bool(await self.db.relaxed.value(*change))


def _row(row: Any) -> ConnectionRow:
    return ConnectionRow(
        msgspec.json.decode(row["content"], type=Connection), row["secrets"], row["created_at"], row["revision"]
    )


def _mark(id_: str, revision: int, version: int | None, state: bytes | None) -> Mark:
    return Mark(id_, revision, None if version is None or state is None else BreakerRow(version, state))
