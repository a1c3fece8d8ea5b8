"""Moves that are not a worker's: cancel, requeue, discard, hurry, and what people and answers do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from taskyard.contracts.inbox import Room
from taskyard.contracts.records import Opened, Settlement, Topic
from taskyard.domain import sequence
from taskyard.domain.facts import FORMER_INPUT, AttemptDetail, PlaceKind
from taskyard.domain.lifecycle import EventType, Outcome
from taskyard.domain.people.document import with_corrector
from taskyard.domain.task import version_of
from taskyard.errors import Conflict
from taskyard.store.sqlite import slots
from taskyard.store.sqlite.base import Base, Connection, as_array, emit, note
from taskyard.store.sqlite.execution import place, tell
from taskyard.store.sqlite.people import loads_of
from taskyard.store.sqlite.reading import facts_of


class Moves(Base):
    """The facet of the same name."""

    async def cancel(self, task_id: int, by: str | None, reason: str | None, version: int | None) -> bool:
        """See the contract."""
        moved = await self.db.write(_cancel, task_id, by, reason, version, self.clock.now())
        if moved:
            self.wake(Topic.REVOKED, Topic.FEED, Topic.READY)
        return moved

    async def requeue(
        self, task_ids: Sequence[int], by: str, reason: str, new_input: bytes | None, delays_us: Sequence[int] = ()
    ) -> list[int]:
        """See the contract."""
        delays = dict(zip(task_ids, delays_us, strict=True)) if delays_us else {}
        moved = await self.db.write(
            _requeue, task_ids, {"by": by, "reason": reason}, new_input, delays, self.clock.now()
        )
        self.wake(Topic.READY, Topic.FEED)
        return moved

    async def discard(self, task_ids: Sequence[int], by: str, reason: str) -> list[int]:
        """See the contract."""
        moved = await self.db.write(_discard, task_ids, by, reason, self.clock.now())
        self.wake(Topic.FEED)
        return moved

    async def hurry(self, task_id: int) -> bool:
        """See the contract."""
        moved = await self.db.write(_hurry, task_id, self.clock.now())
        self.wake(Topic.READY)
        return moved

    async def settle_open(
        self, task_id: int, settlement: Settlement, version: int | None, seen: bytes | None = None
    ) -> bool:
        """See the contract."""
        moved = await self.db.write(_settle_open, task_id, settlement, version, seen, self.clock.now())
        self.wake(Topic.FEED)
        return moved

    async def rerun(
        self, task_id: int, by: str, reason: str | None, new_input: bytes | None, version: int | None
    ) -> bool:
        """See the contract."""
        body = {"by": by, "reason": reason}
        moved = await self.db.write(_rerun, task_id, body, new_input, version, self.clock.now())
        self.wake(Topic.READY, Topic.FEED)
        return moved

    async def take_up(
        self, task_id: int, opened: Opened, body: dict[str, Any], version: int | None, room: Room | None = None
    ) -> bool:
        """See the contract."""
        moved = await self.db.write(_take_up, task_id, opened, body, version, room, self.clock.now())
        self.wake(Topic.FEED)
        return moved

    async def change_open(
        self, task_id: int, opened: Opened, note: EventType, body: dict[str, Any], version: int | None,
        room: Room | None = None,
    ) -> bool:  # fmt: skip
        """See the contract."""
        moved = await self.db.write(_change_open, task_id, opened, note, body, version, room, self.clock.now())
        self.wake(Topic.FEED)
        return moved


def check_version(connection: Connection, task_id: int, version: int | None) -> None:
    """Raises Conflict when the task is not in the version the caller has seen."""
    if version is None:
        return
    found = facts_of(connection, [task_id])
    present = version_of(found[0].place, found[0].last) if found else None
    if present != version:
        raise Conflict(f"the task has changed: it is at version {present}, not {version}; read it again")


def _end_unclaimed(
    connection: Connection, task_id: int, attempt: int, outcome: Outcome, detail: bytes | None, now: int
) -> None:
    connection.execute(
        "INSERT INTO attempt (task_id, attempt, outcome, finished_at, detail) VALUES (?, ?, ?, ?, ?)",
        (task_id, attempt, int(outcome), now, detail),
    )


def _cancel(
    connection: Connection, task_id: int, by: str | None, reason: str | None, version: int | None, now: int
) -> bool:
    check_version(connection, task_id, version)
    left = _leave_queue(connection, task_id)
    if left is None:
        return _revoke(connection, task_id, by, reason, now)
    attempt, failures = left
    _end_unclaimed(connection, task_id, attempt, Outcome.CANCELED, _canceled(by, reason, failures), now)
    emit(connection, now, EventType.CANCELED, [(task_id, sequence.settled(attempt))])
    slots.admit(connection, slots.release(connection, [task_id]))
    return True


def _canceled(by: str | None, reason: str | None, failures: int) -> bytes:
    return msgspec.json.encode(AttemptDetail(by=by, reason=reason, retry_count=failures or None))


def _leave_queue(connection: Connection, task_id: int) -> tuple[int, int] | None:
    """Take the task out of wherever it waits; the attempt that ends thereby and its failures, or None."""
    for table in ("ready", "sched", "parked", "open"):
        query = f"DELETE FROM {table} WHERE task_id = ? RETURNING attempt, failures"
        row = connection.execute(query, (task_id,)).fetchone()
        if row is not None:
            return int(row[0]) + (table == "open"), int(row[1])
    return None


def _revoke(connection: Connection, task_id: int, by: str | None, reason: str | None, now: int) -> bool:
    """CANCELED while running: the lease ends now, the slot when the worker lets go."""
    row = connection.execute(
        "UPDATE claim SET revoked = 1 WHERE task_id = ? AND revoked = 0 "
        "RETURNING attempt, worker_id, claimed_at, failures",
        (task_id,),
    ).fetchone()
    if row is None:
        return False
    attempt, worker_id, claimed_at, failures = row
    connection.execute(
        "INSERT INTO attempt (task_id, attempt, outcome, worker_id, started_at, finished_at, detail) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            task_id,
            attempt,
            int(Outcome.CANCELED),
            worker_id,
            claimed_at,
            max(now, claimed_at),
            _canceled(by, reason, failures),
        ),
    )
    emit(connection, now, EventType.CANCELED, [(task_id, sequence.settled(attempt))])
    return True


def _requeue(
    connection: Connection,
    task_ids: Sequence[int],
    body: dict[str, Any],
    new_input: bytes | None,
    delays: dict[int, int],
    now: int,
) -> list[int]:
    rows = connection.execute(
        "DELETE FROM dead WHERE task_id IN (SELECT value FROM json_each(?)) RETURNING task_id, attempt, lane_id",
        (as_array(task_ids),),
    ).fetchall()
    ready: list[tuple[int, int, int, int, int, int]] = []
    later: list[tuple[int, int, int, int, int, int]] = []
    events = []
    for task_id, attempt, lane_id in rows:
        at = sequence.queued(attempt + 1)
        former = {} if new_input is None else {FORMER_INPUT: _change_input(connection, task_id, new_input, body["by"])}
        note(connection, task_id, at, now, EventType.REQUEUED, body | former)
        events.append((task_id, at))
        delay = delays.get(task_id, 0)
        (later if delay else ready).append((task_id, now + delay, _home_lane(connection, lane_id), attempt + 1, 0, 0))
    enter(connection, ready)
    connection.executemany(
        "INSERT INTO sched (task_id, run_at, lane_id, attempt, failures, losses, retry) VALUES (?, ?, ?, ?, ?, ?, 0)",
        later,
    )
    emit(connection, now, EventType.REQUEUED, events)
    return [row[0] for row in rows]


def _rerun(
    connection: Connection, task_id: int, body: dict[str, Any], new_input: bytes | None, version: int | None, now: int
) -> bool:
    check_version(connection, task_id, version)
    row = connection.execute(
        "DELETE FROM open WHERE task_id = ? AND place = ? RETURNING attempt + 1, lane_id, at, claimed_at, due_at, "
        "CASE assignee_type WHEN 'GROUP' THEN assignee_id END",
        (task_id, int(PlaceKind.ASSIGNED)),
    ).fetchone()
    if row is None:
        return False
    attempt, lane_id, since, *told = row
    former = {} if new_input is None else {FORMER_INPUT: _change_input(connection, task_id, new_input, body["by"])}
    now = max(now, since)
    connection.execute(
        "INSERT INTO attempt (task_id, attempt, outcome, started_at, finished_at, run_ms, detail) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            task_id,
            attempt,
            int(Outcome.REPAIRED),
            since,
            now,
            (now - since) // 1000,
            msgspec.json.encode(body | former),
        ),
    )
    _note_work(connection, body["by"], now, task_id, since, told, lane_id)
    enter(connection, [(task_id, now, _home_lane(connection, lane_id), attempt + 1, 0, 0)])
    emit(connection, now, EventType.REQUEUED, [(task_id, sequence.settled(attempt))])
    return True


def _change_input(connection: Connection, task_id: int, new_input: bytes, by: str) -> msgspec.Raw:
    """Replace a task's input, and have who does so behind the task; the one it had."""
    former, extra = connection.execute("SELECT input, extra FROM task WHERE id = ?", (task_id,)).fetchone()
    connection.execute(
        "UPDATE task SET input = ?, extra = ?, revision = revision + 1 WHERE id = ?",
        (new_input, with_corrector(extra, by), task_id),
    )
    return msgspec.Raw(former)


def _home_lane(connection: Connection, lane_id: int) -> int:
    """The lane of the same definition, priority, target and connection in its home queue, not alone."""
    row = connection.execute(
        "INSERT INTO lane (queue, home, definition, priority, solo, target, connection) "
        "SELECT home, home, definition, priority, 0, target, connection FROM lane "
        "WHERE id = ? ON CONFLICT DO UPDATE SET solo = 0 RETURNING id",
        (lane_id,),
    ).fetchone()
    return int(row[0])


def enter(connection: Connection, rows: Sequence[tuple[int, int, int, int, int, int]]) -> None:
    """Make (task_id, ord, lane_id, attempt, failures, losses) ready, or park those that find no slot."""
    limited = slots.keyed(connection, [row[0] for row in rows])
    connection.executemany(
        "INSERT INTO ready (task_id, ord, lane_id, attempt, failures, losses) VALUES (?, ?, ?, ?, ?, ?)",
        [row for row in rows if row[0] not in limited],
    )
    if limited:
        keys = slots.park(connection, [row for row in rows if row[0] in limited])
        slots.admit(connection, keys)


def _discard(connection: Connection, task_ids: Sequence[int], by: str, reason: str, now: int) -> list[int]:
    rows = connection.execute(
        "DELETE FROM dead WHERE task_id IN (SELECT value FROM json_each(?)) RETURNING task_id, attempt",
        (as_array(task_ids),),
    ).fetchall()
    events = [(task_id, sequence.queued(attempt + 1)) for task_id, attempt in rows]
    for task_id, at in events:
        note(connection, task_id, at, now, EventType.DEADLETTERED, {"by": by, "reason": reason, "discarded": True})
    if events:
        emit(connection, now, EventType.DEADLETTERED, events)
    return [row[0] for row in rows]


def _hurry(connection: Connection, task_id: int, now: int) -> bool:
    row = connection.execute(
        "DELETE FROM sched WHERE task_id = ? RETURNING task_id, lane_id, attempt, failures, losses",
        (task_id,),
    ).fetchone()
    if row is not None:
        enter(connection, [(row[0], now, *row[1:])])
    return row is not None


def _settle_open(
    connection: Connection, task_id: int, settlement: Settlement, version: int | None, seen: bytes | None, now: int
) -> bool:
    check_version(connection, task_id, version)
    row = connection.execute(
        "DELETE FROM open WHERE task_id = ? RETURNING attempt, at, lane_id, failures, losses, claimed_at, due_at, "
        "CASE assignee_type WHEN 'GROUP' THEN assignee_id END",
        (task_id,),
    ).fetchone()
    if row is None:
        return False
    attempt, since, lane_id, failures, losses, *told = row
    now = max(now, since)
    if seen is not None:
        connection.execute("INSERT INTO seen (key, at) VALUES (?, ?) ON CONFLICT DO NOTHING", (seen, now))
    budgets = {"failures": max(failures, settlement.failures), "losses": max(losses, settlement.losses)}
    ended = settlement._replace(task_id=task_id, attempt=attempt + 1, **budgets)
    connection.execute(
        "INSERT INTO attempt (task_id, attempt, outcome, started_at, finished_at, run_ms, result, detail) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            task_id,
            attempt + 1,
            int(ended.outcome),
            since,
            now,
            (now - since) // 1000 if ended.run_ms is None else ended.run_ms,
            ended.result,
            ended.detail,
        ),
    )
    if ended.by is not None:
        _note_work(connection, ended.by, now, task_id, since, told, lane_id)
    place(connection, ended, lane_id, now, now)
    tell(connection, [ended], now)
    slots.admit(connection, slots.release(connection, [task_id]))
    return True


def _take_up(
    connection: Connection,
    task_id: int,
    opened: Opened,
    body: dict[str, Any],
    version: int | None,
    room: Room | None,
    now: int,
) -> bool:
    check_version(connection, task_id, version)
    _check_room(connection, room)
    row = connection.execute("DELETE FROM dead WHERE task_id = ? RETURNING attempt, lane_id", (task_id,)).fetchone()
    if row is None:
        return False
    attempt, lane_id = row
    handed = Settlement(0, task_id, attempt, Outcome.ASSIGNED, opened=opened)
    place(connection, handed, lane_id, now, now)
    at = sequence.line(attempt + 1, 0)
    note(connection, task_id, at, now, EventType.ASSIGNED, body)
    emit(connection, now, EventType.ASSIGNED, [(task_id, at)])
    return True


def _note_work(
    connection: Connection, by: str, now: int, task_id: int, since: int, told: Sequence[Any], lane_id: int
) -> None:
    """That a person has worked on it; `told`: when it was claimed, when it was due, and of which group it was."""
    connection.execute(
        "INSERT OR IGNORE INTO worked (person, ended_at, task_id, opened_at, claimed_at, due_at, group_id, definition) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, (SELECT definition FROM lane WHERE id = ?))",
        (by, now, task_id, since, *told, lane_id),
    )


def _check_room(connection: Connection, room: Room | None) -> None:
    if room is not None:
        room.check(loads_of(connection, [room.person]).get(room.person, 0))


def _change_open(
    connection: Connection,
    task_id: int,
    opened: Opened,
    type_: EventType,
    body: dict[str, Any],
    version: int | None,
    room: Room | None,
    now: int,
) -> bool:
    check_version(connection, task_id, version)
    _check_room(connection, room)
    row = connection.execute(
        "UPDATE open SET assignee_type = ?, assignee_id = ?, claimed_by = ?, correlation_id = ?, due_at = ?, "
        "wake_at = ?, sheet = ?, urgency = ?, changes = changes + 1, "
        "claimed_at = CASE WHEN claimed_by IS ? THEN claimed_at WHEN ? IS NOT NULL THEN ? END "
        "WHERE task_id = ? RETURNING attempt, changes",
        (*opened, opened.claimed_by, opened.claimed_by, now, task_id),
    ).fetchone()
    if row is None:
        return False
    at = sequence.line(row[0] + 1, row[1])
    note(connection, task_id, at, now, type_, body)
    emit(connection, now, type_, [(task_id, at)])
    return True
