"""n of m: what the decisions of several people amount to."""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.domain.people.sheet import Decision
from taskyard.domain.people.spec import Approvals


def verdict(approvals: Approvals, decisions: Sequence[Decision]) -> bool | None:
    """True: approved, False: rejected, None: more have to decide."""
    rejected = sum(not decision.approved for decision in decisions)
    if rejected and (approvals.veto or rejected >= approvals.required):
        return False
    if len(decisions) - rejected >= approvals.required:
        return True
    return None
