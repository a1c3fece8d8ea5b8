"""Uploaded files and API tokens."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from taskyard.contracts.records import Upload
from taskyard.store.sqlite.base import Base, Connection, as_array

_UPLOAD = "id, name, size, sha256, created_at, owner, media_type"


class Vault(Base):
    """The facet of the same name."""

    async def save_upload(self, upload: Upload, content: bytes, *, used: bool = False) -> None:
        """See the contract."""

        def run(connection: Connection) -> None:
            connection.execute(
                f"INSERT INTO upload ({_UPLOAD}, content, used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*upload, content, upload.created_at if used else 0),
            )

        await self.db.write(run)

    async def upload(self, upload_id: str) -> tuple[Upload, bytes] | None:
        """See the contract."""

        def run(connection: Connection) -> tuple[Upload, bytes] | None:
            query = f"SELECT {_UPLOAD}, content FROM upload WHERE id = ?"
            row = connection.execute(query, (upload_id,)).fetchone()
            return None if row is None else (Upload(*row[:-1]), row[-1])

        return await self.db.read(run)

    async def uploads(self, upload_ids: Collection[str]) -> list[Upload]:
        """See the contract."""

        now = self.clock.now()

        def run(connection: Connection) -> list[Upload]:
            query = f"UPDATE upload SET used_at = ? WHERE id IN (SELECT value FROM json_each(?)) RETURNING {_UPLOAD}"
            return [Upload(*row) for row in connection.execute(query, (now, as_array(upload_ids))).fetchall()]

        return await self.db.write(run)

    async def forget_unused(self, before: int) -> int:
        """See the contract."""
        query = "DELETE FROM upload WHERE used_at = 0 AND created_at < ?"
        return await self.db.write(lambda c: c.execute(query, (before,)).rowcount)

    async def save_token(self, hash_: bytes, caller: dict[str, Any], expires_at: int | None) -> None:
        """See the contract."""

        def run(connection: Connection) -> None:
            connection.execute(
                "INSERT INTO token (hash, caller, expires_at) VALUES (?, ?, ?) "
                "ON CONFLICT (hash) DO UPDATE SET caller = excluded.caller, expires_at = excluded.expires_at",
                (hash_, msgspec.json.encode(caller), expires_at),
            )

        await self.db.write(run)

    async def token(self, hash_: bytes) -> dict[str, Any] | None:
        """See the contract."""
        now = self.clock.now()

        def run(connection: Connection) -> dict[str, Any] | None:
            row = connection.execute(
                "SELECT caller FROM token WHERE hash = ? AND (expires_at IS NULL OR expires_at > ?)",
                (hash_, now),
            ).fetchone()
            return None if row is None else dict(msgspec.json.decode(row[0]))

        return await self.db.read(run)
