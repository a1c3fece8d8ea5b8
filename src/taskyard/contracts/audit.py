"""The chain in the store: an entry for each event, each sealed together with the one before.

Times are microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class AuditRow(NamedTuple):
    """One entry: the `number`-th, of the event at `pos` of the feed. `digest` is that of the fact it stands for."""

    number: int
    pos: int
    task_id: int
    sequence: int
    type: int
    at: int
    digest: bytes
    chain: bytes


class Audit(Protocol):
    """The chain."""

    async def audit_head(self) -> AuditRow | None:
        """The last entry; None where there is none."""

    async def audit_rows(self, after: int, limit: int) -> list[AuditRow]:
        """The entries with numbers above this one, in order."""

    async def extend_audit(self, rows: Sequence[AuditRow], reader: str, before: int, pos: int) -> bool:
        """Add entries and move the reader, all or nothing; False when the reader does not stand at `before`."""
