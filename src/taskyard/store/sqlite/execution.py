"""Tasks under lease."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import NamedTuple

import msgspec

from taskyard.contracts.records import (
    Claimed,
    Emitted,
    Lease,
    LostTask,
    ProgressReport,
    Settlement,
    Topic,
)
from taskyard.domain import sequence
from taskyard.domain.facts import Line, PlaceKind
from taskyard.domain.lifecycle import OUTCOME_MOVES, EventType, Outcome
from taskyard.domain.priority import AGED, HeadStarts, Priority
from taskyard.domain.queue import Queue
from taskyard.store.sqlite import slots
from taskyard.store.sqlite.base import Connection, as_array, emit
from taskyard.store.sqlite.workers import Workers, is_dead


class Execution(Workers):
    """The facet of the same name."""

    async def claim(
        self, worker_id: int, lanes: Sequence[int], limit: int, visibility_us: int | None = None,
        head_starts: HeadStarts = AGED,
    ) -> Lease | None:  # fmt: skip
        """See the contract."""
        if not await self.db.read(any_ready, lanes):
            return None
        wanted = Wanted(self.new_ids(1)[0], worker_id, limit, visibility_us, head_starts, self.clock.now())
        lease = await self.db.write(_claim, wanted, lanes)
        if lease is not None:
            self.wake(Topic.FEED)
        return lease

    async def extend(self, claim_id: int, task_id: int, attempt: int, visibility_us: int | None) -> bool:
        """See the contract."""
        now = self.clock.now()

        def run(connection: Connection) -> bool:
            until = None if visibility_us is None else now + visibility_us
            changed = connection.execute(
                "UPDATE claim SET expires_at = coalesce(?, expires_at) "
                "WHERE task_id = ? AND claim_id = ? AND attempt = ? AND revoked = 0",
                (until, task_id, claim_id, attempt),
            )
            return changed.rowcount > 0

        return await self.db.write(run)

    async def settle(
        self, worker_id: int | None, settlements: Sequence[Settlement], closing: Sequence[int]
    ) -> set[tuple[int, int]]:
        """See the contract."""
        moved, admitted = await self.db.write(_settle, worker_id, settlements, closing, self.clock.now())
        self.wake(Topic.FEED)
        if admitted or any(s.outcome in _BACK_TO_QUEUE for s in settlements) or len(moved) != len(settlements):
            self.wake(Topic.READY)
        return moved

    async def revoked(self, worker_id: int) -> list[tuple[int, int]]:
        """See the contract."""

        def run(connection: Connection) -> list[tuple[int, int]]:
            query = "SELECT task_id, attempt FROM claim WHERE worker_id = ? AND revoked = 1"
            return connection.execute(query, (worker_id,)).fetchall()

        return await self.db.read(run)

    async def lost(self, limit: int) -> list[LostTask]:
        """See the contract."""
        now = self.clock.now()
        await self.give_up_silent(now)
        return await self.db.read(_lost, limit, now)

    async def last_said(self, task_id: int) -> int:
        """See the contract."""
        query = (
            "SELECT max(coalesce((SELECT max(sequence) FROM line WHERE task_id = ?1), 0), "
            "coalesce((SELECT sequence FROM progress WHERE task_id = ?1), 0))"
        )
        return await self.db.read(lambda c: int(c.execute(query, (task_id,)).fetchone()[0]))

    async def record(
        self, lines: Sequence[Line], progress: Sequence[ProgressReport], emitted: Sequence[Emitted] = ()
    ) -> None:
        """See the contract."""
        await self.db.write(_record, lines, progress, emitted, self.clock.now())
        if emitted:
            self.wake(Topic.FEED)

    def new_ids(self, count: int) -> list[int]:
        """See the contract."""
        return self.ids.take(count, self.clock.now())


_BACK_TO_QUEUE = frozenset({Outcome.LOST, Outcome.RELEASED, Outcome.RETRY})


_HEADS = """
SELECT l.id, l.queue, l.priority, (SELECT r.ord FROM ready r WHERE r.lane_id = l.id ORDER BY r.ord LIMIT 1) AS head
FROM lane l JOIN queue q ON q.id = l.queue
WHERE l.id IN (SELECT value FROM json_each(?)) AND NOT q.paused AND head IS NOT NULL
"""

_TAKE = """
SELECT r.ord, r.task_id, r.attempt, r.failures, r.losses, t.kind_id, t.policy_id, t.priority, t.input, t.extra,
  t.workflow_id, t.correlation_id, t.cause_type, t.cause, t.parent_id
FROM ready r JOIN task t ON t.id = r.task_id WHERE r.lane_id = ? ORDER BY r.ord, r.task_id LIMIT ?
"""


class Wanted(NamedTuple):
    """What a claim asks for."""

    claim_id: int
    worker_id: int
    limit: int
    visibility_us: int | None
    head_starts: HeadStarts
    now: int


def any_ready(connection: Connection, lanes: Sequence[int]) -> bool:
    """A look before the leap: an idle worker's polling writes nothing."""
    query = "SELECT 1 FROM ready WHERE lane_id IN (SELECT value FROM json_each(?)) LIMIT 1"
    return connection.execute(query, (as_array(lanes),)).fetchone() is not None


def _claim(connection: Connection, wanted: Wanted, lanes: Sequence[int]) -> Lease | None:
    if is_dead(connection, wanted.worker_id):
        return None
    taken: list[Taken] = []
    for head in heads(connection, lanes, wanted.head_starts):
        if len(taken) < wanted.limit:
            taken += take(connection, head, wanted.limit - len(taken))
    return lease(connection, wanted, taken)


def lease(connection: Connection, wanted: Wanted, taken: list[Taken]) -> Lease | None:
    """Put what was taken out of its lanes under a lease, in the order of claiming; None of nothing."""
    if not taken:
        return None
    taken.sort(key=itemgetter(0))
    claimed = [task for _, task in taken]
    expires_at = None if wanted.visibility_us is None else wanted.now + wanted.visibility_us
    connection.executemany(
        "INSERT INTO claim (task_id, claim_id, worker_id, claimed_at, expires_at, lane_id, ord, attempt, "
        "failures, losses) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (t.task_id, wanted.claim_id, wanted.worker_id, wanted.now, expires_at, t.lane_id, t.queued_at, t.attempt,
             t.failures, t.losses)
            for t in claimed
        ],
    )  # fmt: skip
    emit(connection, wanted.now, EventType.STARTED, [(t.task_id, sequence.started(t.attempt)) for t in claimed])
    return Lease(wanted.claim_id, wanted.now, claimed)


class Head(NamedTuple):
    """A lane in which somebody waits, and how its tasks rank: retries first, then by when, less the head start."""

    lane_id: int
    fresh: bool
    head_start: int


def heads(connection: Connection, lanes: Iterable[int], head_starts: HeadStarts) -> list[Head]:
    """The lanes in the order of claiming: retries first, then whose head has waited longest, its head start added."""
    found = [
        (queue != Queue.RETRY, order - head_starts[Priority(priority)], id_, head_starts[Priority(priority)])
        for id_, queue, priority, order in connection.execute(_HEADS, (as_array(lanes),))
    ]
    return [Head(id_, fresh, head_start) for fresh, _, id_, head_start in sorted(found, key=itemgetter(0, 1))]


Taken = tuple[tuple[bool, int, int], Claimed]
"""A task that has left its lane, after its rank among those that are claimed with it."""


def take(connection: Connection, head: Head, limit: int) -> list[Taken]:
    """Take up to `limit` tasks out of a lane."""
    rows = connection.execute(_TAKE, (head.lane_id, limit)).fetchall()
    if rows:
        connection.execute(
            "DELETE FROM ready WHERE lane_id = ? AND (ord, task_id) <= (?, ?)",
            (head.lane_id, rows[-1][0], rows[-1][1]),
        )
    return [
        (
            (head.fresh, row[0] - head.head_start, row[1]),
            Claimed(row[1], row[2], head.lane_id, row[5], row[6], row[7], row[3], row[4], row[0], *row[8:]),
        )
        for row in rows
    ]


def _settle(
    connection: Connection,
    worker_id: int | None,
    settlements: Sequence[Settlement],
    closing: Sequence[int],
    now: int,
) -> tuple[set[tuple[int, int]], int]:
    """The pairs that were moved, and how many others got a slot by that."""
    del closing  # here a claim is a row a task, gone with it
    held = _held(connection, worker_id, settlements)
    live = [s for s in settlements if (s.task_id, s.attempt) in held]
    moved = [s for s in live if not held[s.task_id, s.attempt].revoked]
    _close(connection, worker_id, moved, held, now)
    connection.executemany("DELETE FROM claim WHERE task_id = ?", [(s.task_id,) for s in live])
    gone = [s for s in live if s.outcome not in _KEEP_SLOT or held[s.task_id, s.attempt].revoked]
    return {(s.task_id, s.attempt) for s in moved}, _free_slots(connection, gone)


class _Held(msgspec.Struct):
    worker_id: int
    claimed_at: int
    order: int
    lane_id: int
    revoked: bool


def _held(
    connection: Connection, worker_id: int | None, settlements: Sequence[Settlement]
) -> dict[tuple[int, int], _Held]:
    """The claims these settlements speak of, as far as they are this worker's."""
    rows = connection.execute(
        "SELECT task_id, attempt, claim_id, worker_id, claimed_at, ord, lane_id, revoked FROM claim "
        "WHERE task_id IN (SELECT value FROM json_each(?))",
        (as_array(s.task_id for s in settlements),),
    )
    claims = {(row[0], row[1], row[2]): _Held(row[3], row[4], row[5], row[6], bool(row[7])) for row in rows}
    held = {}
    for s in settlements:
        claim = claims.get((s.task_id, s.attempt, s.claim_id))
        if claim is not None and worker_id in (None, claim.worker_id):
            held[s.task_id, s.attempt] = claim
    return held


def _close(
    connection: Connection,
    worker_id: int | None,
    moved: Sequence[Settlement],
    held: dict[tuple[int, int], _Held],
    now: int,
) -> None:
    """Write the ended attempts, put the tasks where they go next, and tell it."""
    connection.executemany(
        "INSERT INTO attempt (task_id, attempt, outcome, worker_id, started_at, finished_at, run_ms, result, detail) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (s.task_id, s.attempt, int(s.outcome), held[s.task_id, s.attempt].worker_id,
             held[s.task_id, s.attempt].claimed_at, max(now, held[s.task_id, s.attempt].claimed_at), s.run_ms,
             s.result, s.detail)
            for s in moved
        ],
    )  # fmt: skip
    for s in moved:
        if s.outcome is not Outcome.COMPLETED:
            place(connection, s, held[s.task_id, s.attempt].lane_id, held[s.task_id, s.attempt].order, now)
    tell(connection, moved, now)


def place(connection: Connection, s: Settlement, lane_id: int, order: int, now: int) -> None:
    """Put a task that has left an attempt where its outcome sends it."""
    lane = s.lane_id or lane_id
    match s.outcome:
        case Outcome.RETRY:
            connection.execute(
                "INSERT INTO sched (run_at, task_id, lane_id, attempt, failures, losses, retry) "
                "VALUES (?, ?, ?, ?, ?, ?, 1)",
                (now + (s.delay_us or 0), s.task_id, lane, s.attempt + 1, s.failures, s.losses),
            )
        case Outcome.LOST | Outcome.RELEASED:
            connection.execute(
                "INSERT INTO ready (lane_id, ord, task_id, attempt, failures, losses) VALUES (?, ?, ?, ?, ?, ?)",
                (lane, order, s.task_id, s.attempt + 1, s.failures, s.losses),
            )
        case Outcome.FAILED:
            connection.execute(
                "INSERT INTO dead (task_id, at, attempt, lane_id) VALUES (?, ?, ?, ?)",
                (s.task_id, now, s.attempt, lane_id),
            )
        case Outcome.ASSIGNED | Outcome.WAITING if s.opened is not None:
            kind = PlaceKind.ASSIGNED if s.outcome is Outcome.ASSIGNED else PlaceKind.WAITING
            connection.execute(
                "INSERT INTO open (task_id, place, at, attempt, lane_id, failures, losses, assignee_type, assignee_id, "
                "claimed_by, correlation_id, due_at, wake_at, sheet, urgency) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (s.task_id, int(kind), now, s.attempt, lane_id, s.failures, s.losses, *s.opened),
            )


def tell(connection: Connection, moved: Sequence[Settlement], now: int) -> None:
    """Emit what these moves emit, one row a type."""
    events: defaultdict[EventType, list[tuple[int, int]]] = defaultdict(list)
    for s in moved:
        for type_ in OUTCOME_MOVES[s.outcome].events:
            dead = type_ is EventType.DEADLETTERED
            at = sequence.dead_lettered(s.attempt) if dead else sequence.settled(s.attempt)
            events[type_].append((s.task_id, at))
    for type_, pairs in events.items():
        emit(connection, now, type_, pairs)


_KEEP_SLOT = frozenset({Outcome.LOST, Outcome.RELEASED})


def _free_slots(connection: Connection, gone: Sequence[Settlement]) -> int:
    """Free the slots of these tasks; how many others got one."""
    if not gone or connection.execute("SELECT 1 FROM slot LIMIT 1").fetchone() is None:
        return 0
    return slots.admit(connection, slots.release(connection, [s.task_id for s in gone]))


def _lost(connection: Connection, limit: int, now: int) -> list[LostTask]:
    rows = connection.execute(
        "SELECT c.claim_id, c.task_id, c.attempt, c.lane_id, t.policy_id, c.failures, c.losses, "
        "c.expires_at IS NOT NULL OR NOT w.supervised OR w.running IS NULL "
        "OR c.task_id IN (SELECT value FROM json_each(w.running)), w.crashed "
        "FROM claim c JOIN worker w ON w.id = c.worker_id JOIN task t ON t.id = c.task_id "
        "WHERE NOT c.revoked AND CASE WHEN c.expires_at IS NULL THEN w.dead ELSE c.expires_at <= ? END "
        "ORDER BY c.task_id LIMIT ?",
        (now, limit),
    )
    return [LostTask._make((*row[:7], bool(row[7]), bool(row[8]))) for row in rows]


def _record(
    connection: Connection,
    lines: Sequence[Line],
    progress: Sequence[ProgressReport],
    emitted: Sequence[Emitted],
    now: int,
) -> None:
    connection.executemany(
        "INSERT INTO line (task_id, sequence, at, level, text) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        lines,
    )
    connection.executemany(
        "INSERT INTO progress (task_id, sequence, at, current, total, action) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (task_id) DO UPDATE SET sequence = excluded.sequence, at = excluded.at, "
        "current = excluded.current, total = excluded.total, action = excluded.action "
        "WHERE excluded.sequence > sequence",
        progress,
    )
    noted = [one for one in emitted if _note_emitted(connection, one, now)]
    emit(connection, now, EventType.EMITTED, [(one.task_id, one.sequence) for one in noted])


def _note_emitted(connection: Connection, one: Emitted, now: int) -> bool:
    """Keep an event of an attempt's own; False where it is kept already, or the attempt has ended."""
    noted = connection.execute(
        "INSERT INTO note (task_id, sequence, at, type, body) SELECT ?1, ?2, ?3, ?4, ?5 "
        "WHERE NOT EXISTS (SELECT 1 FROM attempt WHERE task_id = ?1 AND attempt = ?6) ON CONFLICT DO NOTHING",
        (*one[:2], now, int(EventType.EMITTED), msgspec.json.encode(one.body), sequence.attempt_of(one.sequence)),
    )
    return noted.rowcount > 0
