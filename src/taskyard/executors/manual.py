"""Manual tasks: handed to whom the request or the definition names."""

from __future__ import annotations

import msgspec

from taskyard.contracts.executor import Fallback, Job, Run
from taskyard.domain.definition import Definition, Kind
from taskyard.domain.facts import EMPTY_EXTRA, Extra
from taskyard.domain.outcome import Handed, Report


class ManualExecutor:
    """Drains the manual queue into ASSIGNED."""

    def can_run(self, definition: Definition) -> bool:
        """See the contract."""
        return definition.task_type == "MANUAL"

    def bind(self, kind: Kind) -> Run:
        """See the contract."""
        fixed = kind.definition.implementation.get("assignment") or {}

        async def run(job: Job) -> Report:
            stored = job.claimed.extra
            extra = msgspec.json.decode(stored, type=Extra) if stored else EMPTY_EXTRA
            return Handed(
                to_person=True,
                assignee_type=extra.assignee_type or fixed.get("type"),
                assignee_id=extra.assignee_id or fixed.get("id"),
                due_at=extra.due_at,
            )

        return run

    def fallback(self, kind: Kind) -> Fallback | None:
        """See the contract: people have no fallback."""
        del kind
        return None

    async def start(self) -> None:
        """See the contract."""

    async def stop(self) -> None:
        """See the contract."""
