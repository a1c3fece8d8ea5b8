"""How attempts end, seen from afar."""

from __future__ import annotations

from typing import Final

from taskyard.contracts.insight import Endings, Failure
from taskyard.domain.ids import LARGEST_ID, floor_id
from taskyard.domain.lifecycle import Outcome
from taskyard.store.sqlite.base import Base

_HOUR_US: Final = 3_600_000_000
# A partial index serves only who names its condition.
_FAILURES: Final = (
    "SELECT a.task_id, t.kind_id, a.finished_at, a.detail, d.task_id IS NOT NULL "
    "FROM attempt a CROSS JOIN task t ON t.id = a.task_id "
    "LEFT JOIN dead d ON d.task_id = a.task_id AND d.attempt = a.attempt "
    f"WHERE a.outcome = {int(Outcome.FAILED)} AND a.outcome <> 1 AND a.task_id >= ? AND a.task_id < ? "
    "ORDER BY a.task_id DESC, a.attempt DESC LIMIT ?"
)
# The dead letters lead: of very many failures few may be left.
_DEAD_FAILURES: Final = (
    "SELECT a.task_id, t.kind_id, a.finished_at, a.detail, 1 FROM dead d "
    "CROSS JOIN attempt a ON a.task_id = d.task_id AND a.attempt = d.attempt CROSS JOIN task t ON t.id = d.task_id "
    f"WHERE a.outcome = {int(Outcome.FAILED)} AND d.task_id >= ? AND d.task_id < ? "
    "ORDER BY d.task_id DESC LIMIT ?"
)
_ENDINGS: Final = (
    "SELECT (finished_at - :since) / :step, outcome, count(*) FROM attempt "
    "WHERE started_at >= :since - :reach AND finished_at >= :since GROUP BY 1, 2 ORDER BY 1, 2"
)
_RUN_SPANS: Final = (
    "SELECT finished_at, run_ms FROM attempt WHERE started_at >= ? AND outcome = 1 AND run_ms IS NOT NULL "
    "ORDER BY started_at DESC LIMIT 10000"
)


class Insight(Base):
    """The facet of the same name."""

    async def failures(self, since: int, limit: int, *, dead: bool = False, below: int = LARGEST_ID) -> list[Failure]:
        """See the contract."""
        query = _DEAD_FAILURES if dead else _FAILURES
        rows = await self.db.read(lambda c: c.execute(query, (floor_id(since), below, limit)).fetchall())
        return [Failure(id_, kind_id, at, detail, bool(is_dead)) for id_, kind_id, at, detail, is_dead in rows]

    async def endings(self, since: int, step_us: int) -> list[Endings]:
        """See the contract."""
        given = {"since": since, "step": step_us, "reach": _HOUR_US}
        rows = await self.db.read(lambda c: c.execute(_ENDINGS, given).fetchall())
        return [Endings(step, Outcome(outcome), count) for step, outcome, count in rows]

    async def run_spans(self, since: int) -> list[tuple[int, int]]:
        """See the contract."""
        return await self.db.read(lambda c: c.execute(_RUN_SPANS, (since,)).fetchall())
