"""What is kept of a manual task beside its assignment, as long as it is open."""

from __future__ import annotations

from typing import Any

import msgspec


class Decision(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What one person has decided, by its name where it has one; `at` in microseconds."""

    by: str
    approved: bool
    at: int
    comment: str | None = None
    outcome: str | None = None


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
    `files`: what the draft has brought, `sent`: what approvals have; both for whoever has it next. `excluded`: who may
    not do it. `able`: who of the rule's group had the skills it asks for when it was handed over (None: it asks for
    none). `candidates`: who alone finds it in the inbox, as `USER ann` and `GROUP ops` (none: everybody whose it is).
    `done`: the moments of its timeline that have passed. `why`: why the rule found nobody.
    """

    since: int = 0
    owner: str | None = None
    owned: Held | None = None
    draft: Any = None
    drafted_by: str | None = None
    drafted_at: int | None = None
    files: tuple[str, ...] = ()
    sent: tuple[str, ...] = ()
    follow_up_at: int | None = None
    excluded: tuple[str, ...] = ()
    able: tuple[str, ...] | None = None
    candidates: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    done: tuple[str, ...] = ()
    why: str | None = None

    @property
    def brought(self) -> set[str]:
        """The files that others have brought, by their ids."""
        return {*self.files, *self.sent}


def read_sheet(stored: bytes | None) -> Sheet:
    """The sheet as it is stored; an empty one where there is none."""
    return msgspec.json.decode(stored, type=Sheet) if stored else Sheet()
