"""The chain that shows whether the history of tasks was changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from taskyard.contracts.audit import AuditRow
from taskyard.store.postgres.base import Base
from taskyard.store.postgres.shapes import columns

_ROW: Final = "SELECT number, pos, task_id, sequence, type, at, digest, chain FROM taskyard.audit"
_HEAD: Final = f"{_ROW} ORDER BY number DESC LIMIT 1"
_ROWS: Final = f"{_ROW} WHERE number > $1 ORDER BY number LIMIT $2"
_MOVE: Final = "UPDATE taskyard.reader SET pos = $2 WHERE name = $1 AND pos = $3 RETURNING true"
_ADD: Final = (
    "INSERT INTO taskyard.audit (number, pos, task_id, sequence, type, at, digest, chain) SELECT * FROM unnest("
    "$1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::smallint[], $6::bigint[], $7::bytea[], $8::bytea[])"
)


class Audit(Base):
    """The facet of the same name."""

    async def audit_head(self) -> AuditRow | None:
        """See the contract."""
        row: Any = await self.db.relaxed.row(_HEAD)
        return None if row is None else AuditRow(*row)

    async def audit_rows(self, after: int, limit: int) -> list[AuditRow]:
        """See the contract."""
        rows: list[Any] = await self.db.relaxed.fetch(_ROWS, after, limit)
        return [AuditRow(*row) for row in rows]

    async def extend_audit(self, rows: Sequence[AuditRow], reader: str, before: int, pos: int) -> bool:
        """See the contract."""
        async with self.db.durable.transaction() as connection:
            if not await connection.fetchval(_MOVE, reader, pos, before):
                return False
            await connection.fetch(_ADD, *columns(rows, 8))
        return True
