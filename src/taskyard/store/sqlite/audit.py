"""The chain that shows whether the history of tasks was changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from taskyard.contracts.audit import AuditRow
from taskyard.store.sqlite.base import Base, Connection

_ROW: Final = "SELECT number, pos, task_id, sequence, type, at, digest, chain FROM audit"
_ROWS: Final = f"{_ROW} WHERE number > ? ORDER BY number LIMIT ?"
_MOVE: Final = "UPDATE reader SET pos = ? WHERE name = ? AND pos = ?"
_ADD: Final = (
    "INSERT INTO audit (number, pos, task_id, sequence, type, at, digest, chain) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


class Audit(Base):
    """The facet of the same name."""

    async def audit_head(self) -> AuditRow | None:
        """See the contract."""
        row = await self.db.read(lambda c: c.execute(f"{_ROW} ORDER BY number DESC LIMIT 1").fetchone())
        return None if row is None else AuditRow(*row)

    async def audit_rows(self, after: int, limit: int) -> list[AuditRow]:
        """See the contract."""
        return [AuditRow(*row) for row in await self.db.read(lambda c: c.execute(_ROWS, (after, limit)).fetchall())]

    async def extend_audit(self, rows: Sequence[AuditRow], reader: str, before: int, pos: int) -> bool:
        """See the contract."""

        def run(connection: Connection) -> bool:
            if connection.execute(_MOVE, (pos, reader, before)).rowcount == 0:
                return False
            connection.executemany(_ADD, rows)
            return True

        return await self.db.write(run)
