"""Tasks under lease."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from operator import attrgetter, itemgetter
from typing import Any, Final

import asyncpg

from taskyard.contracts.records import (
    LEADER_GAP_US,
    WORKER_TTL_US,
    Claimed,
    Emitted,
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
from taskyard.domain.priority import AGED, HeadStarts, Priority
from taskyard.errors import Overloaded
from taskyard.store.postgres.base import Base
from taskyard.store.postgres.shapes import columns, decode, encode
from taskyard.store.postgres.statements import statement

_REGISTER = statement("register")
_BEAT = statement("beat")
_BURY = statement("bury")
_WORKERS = statement("workers")
CLAIM: Final = statement("claim", most="$4::int")
_FENCE = statement("fence")
_MEMBERS = statement("members")
_EXTEND = statement("extend")
_HOLDS = statement("holds")
_COMPLETE = statement("complete")
_SETTLE = statement("settle")
_REVOKED = statement("revoked")
_GIVE_UP = statement("give_up")
_LOST = statement("lost")
_LAST_SAID = statement("last_said")
_RECORD_LINES = statement("record_lines")
_RECORD_PROGRESS = statement("record_progress")
_RECORD_EMITTED = statement("record_emitted")

_GIVE_BACK_AGAIN = 0.5


def by_number(head_starts: HeadStarts) -> list[int]:
    """The head starts by the number of the priority, from 1."""
    return [head_starts[priority] for priority in sorted(Priority)]


def leased(claim_id: int, rows: Sequence[asyncpg.Record]) -> Lease | None:
    """The lease that the claiming statement answered; None of nothing."""
    return Lease(claim_id, rows[0]["us"], [Claimed._make(row[:-1]) for row in rows]) if rows else None


def events_of(outcome: Outcome) -> list[tuple[EventType, int]]:
    """The events an outcome emits, each with its step within the attempt."""
    return [
        (type_, sequence.dead_lettered(0) if type_ is EventType.DEADLETTERED else sequence.settled(0))
        for type_ in OUTCOME_MOVES[outcome].events
    ]


EVENTS: Final = columns([(outcome, *event) for outcome in Outcome for event in events_of(outcome)], 3)
_OF_COMPLETED: Final = attrgetter("claim_id", "task_id", "attempt", "run_ms", "result", "detail")
_OF_SETTLED: Final = itemgetter(
    "claim_id",
    "task_id",
    "attempt",
    "outcome",
    "run_ms",
    "result",
    "detail",
    "delay_us",
    "failures",
    "losses",
    "lane_id",
)


class Execution(Base):
    """The facet of the same name."""

    async def register(self, info: WorkerInfo) -> int:
        """See the contract."""
        fields = info._replace(queues=list(info.queues))  # type: ignore[arg-type]  # asyncpg takes no tuples
        return int(await self.db.relaxed.value(_REGISTER, self.clock.moment, *fields))

    async def beat(self, worker_id: int, running: Sequence[int], stats: dict[str, Any]) -> bool:
        """See the contract."""
        lives = await self.db.relaxed.value(_BEAT, self.clock.moment, worker_id, list(running), encode(stats))
        return bool(lives)

    async def bury(self, worker_id: int, running: Sequence[int] | None, *, crashed: bool = False) -> None:
        """See the contract."""
        await self.db.durable.fetch(_BURY, worker_id, None if running is None else list(running), crashed)

    async def workers(self) -> list[WorkerRow]:
        """See the contract."""
        rows = await self.db.relaxed.fetch(_WORKERS, self.clock.moment, WORKER_TTL_US)
        return [_worker(*row) for row in rows]

    async def claim(
        self, worker_id: int, lanes: Sequence[int], limit: int, visibility_us: int | None = None,
        head_starts: HeadStarts = AGED,
    ) -> Lease | None:  # fmt: skip
        """See the contract. Where the answer is lost on its way, what was leased is given back."""
        claim_id = self.new_ids(1)[0]
        starts = by_number(head_starts)
        wanted = (self.clock.moment, worker_id, list(lanes), limit, claim_id, visibility_us, starts)
        try:
            rows = await self.db.relaxed.fetch(CLAIM, *wanted)
        except BaseException:
            self.spawn(self.give_back(worker_id, claim_id, 0 if visibility_us is None else 1))
            raise
        return leased(claim_id, rows)

    async def extend(self, claim_id: int, task_id: int, attempt: int, visibility_us: int | None) -> bool:
        """See the contract."""
        wanted = (claim_id, task_id, attempt)
        until = (*wanted, visibility_us)
        if visibility_us is not None and await self.db.relaxed.value(_EXTEND, self.clock.moment, *until):
            return True
        return bool(await self.db.relaxed.value(_HOLDS, *wanted))

    async def settle(
        self, worker_id: int | None, settlements: Sequence[Settlement], closing: Sequence[int]
    ) -> set[tuple[int, int]]:
        """See the contract."""
        if worker_id is not None and all(each.outcome is Outcome.COMPLETED for each in settlements):
            with suppress(asyncpg.UniqueViolationError):  # one of them has ended before, so look at each
                return await self._complete(worker_id, settlements, closing)
        by = dict(zip(Settlement._fields, columns(settlements, len(Settlement._fields)), strict=True))
        head = (self.clock.moment, worker_id, list({*by["claim_id"], *closing}), list(closing))
        opened = columns([place or Opened() for place in by["opened"]], len(Opened._fields))
        row = await self.db.durable.only(_SETTLE, *head, *_OF_SETTLED(by), *opened, *EVENTS)
        if not _BACK_TO_QUEUE.isdisjoint(by["outcome"]):
            self.wake(Topic.READY)
        await self.admit(row["freed"])
        return _pairs(row)

    async def _complete(
        self, worker_id: int, settlements: Sequence[Settlement], closing: Sequence[int]
    ) -> set[tuple[int, int]]:
        claims = {*closing, *(each.claim_id for each in settlements)}
        rows = [_OF_COMPLETED(each) for each in settlements]
        row = await self.db.durable.only(_COMPLETE, self.clock.moment, worker_id, list(claims), list(closing), rows)
        await self.admit(row["freed"])
        if row["moved"] < len(rows):
            return _pairs(row)
        return {(each.task_id, each.attempt) for each in settlements}

    async def revoked(self, worker_id: int) -> list[tuple[int, int]]:
        """See the contract."""
        return [tuple(row) for row in await self.db.relaxed.fetch(_REVOKED, worker_id)]

    async def lost(self, limit: int) -> list[LostTask]:
        """See the contract."""
        moment = self.clock.moment
        await self.db.durable.fetch(_GIVE_UP, moment, WORKER_TTL_US, LEADER_GAP_US)
        return [LostTask(*row) for row in await self.db.relaxed.fetch(_LOST, moment, limit)]

    async def last_said(self, task_id: int) -> int:
        """See the contract."""
        return int(await self.db.relaxed.value(_LAST_SAID, task_id))

    async def record(
        self, lines: Sequence[Line], progress: Sequence[ProgressReport], emitted: Sequence[Emitted] = ()
    ) -> None:
        """See the contract. Characters that PostgreSQL cannot keep are replaced."""
        if lines:
            said = [line._replace(text=_storable(line.text)) for line in lines]
            await self.db.relaxed.fetch(_RECORD_LINES, *columns(said, len(Line._fields)))
        if progress:
            told = [r._replace(action=None if r.action is None else _storable(r.action)) for r in progress]
            await self.db.relaxed.fetch(_RECORD_PROGRESS, *columns(told, len(ProgressReport._fields)))
        if emitted:
            kept = [one._replace(body=encode(one.body)) for one in emitted]  # type: ignore[arg-type]  # as it is kept
            await self.db.durable.fetch(_RECORD_EMITTED, self.clock.moment, *columns(kept, len(Emitted._fields)))

    async def give_back(self, worker_id: int, claim_id: int, part: int) -> None:
        """Release whatever a claim whose answer we lost has leased, as soon as the database answers."""
        while True:
            with suppress(Overloaded):
                await self.db.relaxed.fetch(_FENCE, self.clock.moment, claim_id, worker_id, part)
                members = await self.db.relaxed.fetch(_MEMBERS, claim_id)
                released = [
                    Settlement(claim_id, task_id, attempt, Outcome.RELEASED, failures=failures, losses=losses)
                    for task_id, attempt, failures, losses in members
                ]
                if released:
                    await self.settle(worker_id, released, [claim_id])
                return
            await asyncio.sleep(_GIVE_BACK_AGAIN)


_BACK_TO_QUEUE: Final = frozenset({Outcome.LOST, Outcome.RELEASED})


def _pairs(row: Any) -> set[tuple[int, int]]:
    return set(zip(row["task_ids"] or (), row["attempts"] or (), strict=True))


def _storable(text: str) -> str:
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _worker(id_: int, *row: Any) -> WorkerRow:
    *info, started_at, beat_at, running, stats = row
    name, host, pid, version, queues, slots, supervised = info
    described = WorkerInfo(name, host, pid, version, tuple(queues), slots, supervised)
    return WorkerRow(id_, described, started_at, beat_at, running, decode(stats) if stats else {})
