"""Uploaded files and API tokens."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from taskyard.contracts.records import Upload
from taskyard.store.postgres.base import Base
from taskyard.store.postgres.shapes import decode, encode
from taskyard.store.postgres.statements import fill

_SAVE_UPLOAD = (
    "INSERT INTO taskyard.upload (id, name, size, sha256, created_at, owner, media_type, content, used_at) "
    "VALUES ($1, $2, $3, $4, $5::bigint, $6, $7, $8, CASE WHEN $9 THEN $5::bigint ELSE 0 END)"
)
_UPLOAD = "SELECT id, name, size, sha256, created_at, owner, media_type, content FROM taskyard.upload WHERE id = $1"
_USE_UPLOADS = fill(
    "UPDATE taskyard.upload SET used_at = @now WHERE id = ANY ($2::text[]) "
    "RETURNING id, name, size, sha256, created_at, owner, media_type"
)
_FORGET_UNUSED = (
    "WITH gone AS (DELETE FROM taskyard.upload WHERE used_at = 0 AND created_at < $1 RETURNING 1) "
    "SELECT count(*) FROM gone"
)
_SAVE_TOKEN = (
    "INSERT INTO taskyard.token (hash, caller, expires_at) VALUES ($1, $2, $3) "  # noqa: S105 - a statement
    "ON CONFLICT (hash) DO UPDATE SET caller = EXCLUDED.caller, expires_at = EXCLUDED.expires_at"
)
_TOKEN = fill("SELECT caller FROM taskyard.token WHERE hash = $2 AND (expires_at IS NULL OR expires_at > @now)")


class Vault(Base):
    """The facet of the same name."""

    async def save_upload(self, upload: Upload, content: bytes, *, used: bool = False) -> None:
        """See the contract."""
        await self.db.durable.fetch(_SAVE_UPLOAD, *upload, content, used)

    async def upload(self, upload_id: str) -> tuple[Upload, bytes] | None:
        """See the contract."""
        row = await self.db.reading.row(_UPLOAD, upload_id)
        return None if row is None else (Upload(*row[:-1]), row["content"])

    async def uploads(self, upload_ids: Collection[str]) -> list[Upload]:
        """See the contract."""
        rows = await self.db.durable.fetch(_USE_UPLOADS, self.clock.moment, list(upload_ids))
        return [Upload(*row) for row in rows]

    async def forget_unused(self, before: int) -> int:
        """See the contract."""
        return int(await self.db.durable.value(_FORGET_UNUSED, before))

    async def save_token(self, hash_: bytes, caller: dict[str, Any], expires_at: int | None) -> None:
        """See the contract."""
        await self.db.durable.fetch(_SAVE_TOKEN, hash_, encode(caller), expires_at)

    async def token(self, hash_: bytes) -> dict[str, Any] | None:
        """See the contract."""
        caller = await self.db.reading.value(_TOKEN, self.clock.moment, hash_)
        return None if caller is None else dict(decode(caller))
