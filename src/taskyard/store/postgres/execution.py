"""Tasks under lease."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from taskyard.contracts.records import (
    Claimed,
    Lease,
    LostTask,
    Opened,
    ProgressReport,
    Settlement,
    Topic,
    WorkerInfo,
    WorkerRow,
)
from taskyard.domain import sequence
from taskyard.domain.facts import Line
from taskyard.domain.lifecycle import OUTCOME_MOVES, EventType, Outcome
from taskyard.domain.priority import HEAD_START_US, Priority
from taskyard.errors import Overloaded
from taskyard.store.postgres.base import columns, decode, encode
from taskyard.store.postgres.statements import statement
from taskyard.store.postgres.submission import Submission

WORKER_TTL_US = 11_000_000
"""How long a worker may be silent before it counts as dead."""

LEADER_GAP_US = 7_000_000
"""The longest silence of leaders that is not taken for a pause of the database."""

_REGISTER = statement("register")
_BEAT = statement("beat")
_BURY = statement("bury")
_WORKERS = statement("workers")
_CLAIM = statement("claim")
_MEMBERS = "SELECT task_ids, attempts, failures, losses FROM taskyard.claim WHERE id = $1"
_EXTEND = statement("extend")
_HOLDS = statement("holds")
_COMPLETE = statement("complete")
_SETTLE = statement("settle")
_REVOKED = statement("revoked")
_GIVE_UP = statement("give_up")
_LOST = statement("lost")
_RECORD_LINES = statement("record_lines")
_RECORD_PROGRESS = statement("record_progress")

_HEAD_STARTS: Final = [HEAD_START_US[priority] for priority in sorted(Priority)]
_GIVE_BACK_AGAIN = 0.5


def events_of(outcome: Outcome) -> list[tuple[EventType, int]]:
    """The events an outcome emits, each with its step within the attempt."""
    return [
        (type_, sequence.dead_lettered(0) if type_ is EventType.DEADLETTERED else sequence.settled(0))
        for type_ in OUTCOME_MOVES[outcome].events
    ]


_EVENTS: Final = columns([(outcome, *event) for outcome in Outcome for event in events_of(outcome)], 3)
_NOT_OPENED: Final = Opened()


class Execution(Submission):
    """The facet of the same name."""

    _giving_back: set[asyncio.Task[None]]

    async def register(self, info: WorkerInfo) -> int:
        """See the contract."""
        fields = info._replace(queues=list(info.queues))  # type: ignore[arg-type]
        return int(await self.db.relaxed.value(_REGISTER, self.clock.moment, *fields))

    async def beat(self, worker_id: int, running: Sequence[int], stats: dict[str, Any]) -> bool:
        """See the contract."""
        lives = await self.db.relaxed.value(_BEAT, self.clock.moment, worker_id, list(running), encode(stats))
        return bool(lives)

    async def bury(self, worker_id: int, running: Sequence[int] | None) -> None:
        """See the contract."""
        await self.db.durable.fetch(_BURY, worker_id, None if running is None else list(running))

    async def workers(self) -> list[WorkerRow]:
        """See the contract."""
        rows = await self.db.relaxed.fetch(_WORKERS, self.clock.moment, WORKER_TTL_US)
        return [_worker(*row) for row in rows]

    async def claim(
        self, worker_id: int, lanes: Sequence[int], limit: int, visibility_us: int | None = None
    ) -> Lease | None:
        """See the contract. Where the answer is lost on its way, what was leased is given back."""
        claim_id = self.new_ids(1)[0]
        wanted = (self.clock.moment, worker_id, list(lanes), limit, claim_id, visibility_us, _HEAD_STARTS)
        try:
            rows = await self.db.relaxed.fetch(_CLAIM, *wanted)
        except BaseException:
            self._give_back(worker_id, claim_id)
            raise
        if not rows:
            return None
        return Lease(claim_id, rows[0]["us"], [Claimed._make(row[:-1]) for row in rows])

    async def extend(self, claim_id: int, task_id: int, attempt: int, visibility_us: int | None) -> bool:
        """See the contract."""
        if visibility_us is None:
            return bool(await self.db.relaxed.value(_HOLDS, claim_id, task_id, attempt))
        wanted = (self.clock.moment, claim_id, task_id, attempt, visibility_us)
        return bool(await self.db.relaxed.value(_EXTEND, *wanted))
