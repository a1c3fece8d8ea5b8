"""What is kept of a manual task beside its assignment, as long as it is open."""

from __future__ import annotations

from typing import Any

import msgspec


class Decision(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What one person has decided; `at` in microseconds."""

    by: str
    approved: bool
    at: int
    comment: str | None = None


class Held(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Whose a task is: assigned to, and claimed by."""

    assignee_type: str | None = None
    assignee_id: str | None = None
    claimed_by: str | None = None

    @property
    def holder(self) -> str | None:
        """The one person whose it is now."""
        return self.claimed_by or (self.assignee_id if self.assignee_type == "USER" else None)


class Sheet(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Times in microseconds.

    `since`: when it was handed over. `owned`: how it was held by `owner`, who has delegated it and gets it back.
    `excluded`: who may not do it. `candidates`: who alone may claim it (empty: any member). `done`: the moments of
    its timeline that have passed. `why`: why the rule found nobody.
    """

    since: int = 0
    owner: str | None = None
    owned: Held | None = None
    draft: Any = None
    drafted_by: str | None = None
    drafted_at: int | None = None
    follow_up_at: int | None = None
    excluded: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    done: tuple[str, ...] = ()
    why: str | None = None


def read_sheet(stored: bytes | None) -> Sheet:
    """The sheet as it is stored; an empty one where there is none."""
    return msgspec.json.decode(stored, type=Sheet) if stored else Sheet()
