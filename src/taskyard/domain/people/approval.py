"""n of m: what the decisions of several people amount to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskyard.domain.people.sheet import Decision
from taskyard.domain.people.spec import Approvals
from taskyard.domain.task import iso


def verdict(approvals: Approvals, decisions: Sequence[Decision]) -> bool | None:
    """True: approved, False: rejected, None: more have to decide."""
    rejected = sum(not decision.approved for decision in decisions)
    if rejected and (approvals.veto or rejected >= approvals.required):
        return False
    if len(decisions) - rejected >= approvals.required:
        return True
    return None


def tell_decisions(decisions: Sequence[Decision]) -> list[dict[str, Any]]:
    """The decisions as everybody sees them, in their order."""
    return [
        {"by": each.by, "approved": each.approved, "at": iso(each.at), "outcome": each.outcome, "comment": each.comment}
        for each in decisions
    ]
