"""What the store keeps for those who ask: uploaded files and API tokens. Times are microseconds since the epoch."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from taskyard.contracts.records import Upload


class Vault(Protocol):
    """Uploaded files and API tokens."""

    async def save_upload(self, upload: Upload, content: bytes, *, used: bool = False) -> None:
        """Keep an uploaded file; `used`: somebody needs it already."""

    async def upload(self, upload_id: str) -> tuple[Upload, bytes] | None:
        """An uploaded file and its content."""

    async def uploads(self, upload_ids: Collection[str]) -> list[Upload]:
        """The descriptions of these files, in any order, unknown ones left out: somebody is about to use them.

        They are kept for the retention from then on, and as long as an unfinished task or a dead letter needs them.
        """

    async def forget_unused(self, before: int) -> int:
        """Forget the files that came before that moment and that nobody has begun to use; how many."""

    async def save_token(self, hash_: bytes, caller: dict[str, Any], expires_at: int | None) -> None:
        """Keep an API token's hash and whom it stands for."""

    async def token(self, hash_: bytes) -> dict[str, Any] | None:
        """Whom an API token stands for; None when unknown or expired."""
