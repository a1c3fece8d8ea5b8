"""What is known about tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from taskyard.contracts.records import FeedRow, Filter, Page, Story
from taskyard.domain import sequence
from taskyard.domain.facts import (
    AttemptFact,
    Body,
    Facts,
    Line,
    Note,
    Place,
    PlaceKind,
    Progress,
)
from taskyard.domain.ids import floor_id
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.store.sqlite.base import Base, Connection, as_array
from taskyard.store.sqlite.finding import dead, find, find_started
from taskyard.store.sqlite.search import STATES

_BODIES = """
SELECT id, kind_id, policy_id, priority, workflow_id, correlation_id, cause_type, cause, parent_id, hash, input,
  extra, revision FROM task WHERE id IN (SELECT value FROM json_each(?))
"""

# kind, at, attempt, failures, losses, worker, expires_at, assignee_type, assignee_id, claimed_by, due_at,
# correlation_id, changes, sheet, urgency: one row for each task that is anywhere
_PLACES = """
WITH wanted AS (SELECT value AS id FROM json_each(?))
SELECT task_id, 1, ord, attempt, failures, losses, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0,
  NULL, NULL
FROM wanted JOIN ready ON task_id = id
UNION ALL SELECT task_id, 2 + retry, run_at, attempt, failures, losses, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0,
  NULL, NULL
FROM wanted JOIN sched ON task_id = id
UNION ALL SELECT task_id, 4, ord, attempt, failures, losses, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0,
  NULL, NULL
FROM wanted JOIN parked ON task_id = id
UNION ALL SELECT task_id, 5, claimed_at, attempt, failures, losses, w.name, expires_at, NULL, NULL, NULL, NULL, NULL, 0,
  NULL, NULL
FROM wanted CROSS JOIN claim ON task_id = wanted.id AND revoked = 0 LEFT JOIN worker w ON w.id = worker_id
UNION ALL SELECT task_id, place, at, attempt, failures, losses, NULL, NULL, assignee_type, assignee_id, claimed_by,
  due_at, correlation_id, changes, sheet, urgency FROM wanted JOIN open ON task_id = id
UNION ALL SELECT task_id, 8, at, attempt, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0,
  NULL, NULL
FROM wanted JOIN dead ON task_id = id
"""

_RUNNING = """
SELECT task_id, claimed_at, attempt, failures, losses, w.name, expires_at
FROM claim LEFT JOIN worker w ON w.id = worker_id
WHERE task_id IN (SELECT value FROM json_each(?)) AND revoked = 0 ORDER BY task_id
"""

_ATTEMPT = """
SELECT a.task_id, a.attempt, a.outcome, w.name, a.started_at, a.finished_at, a.run_ms, a.result, a.detail
FROM attempt a LEFT JOIN worker w ON w.id = a.worker_id
"""

_ATTEMPTS = f"{_ATTEMPT} WHERE a.task_id = ? ORDER BY a.attempt"

_LAST = f"""
{_ATTEMPT} WHERE (a.task_id, a.attempt) IN
  (SELECT task_id, max(attempt) FROM attempt WHERE task_id IN (SELECT value FROM json_each(?)) GROUP BY task_id)
"""

# The highest sequence at which anything is known of a task.
_SPAN = sequence.queued(1)
_SEQUENCES = (
    f"SELECT attempt * {_SPAN} FROM ready",
    f"SELECT attempt * {_SPAN} - retry FROM sched",
    f"SELECT attempt * {_SPAN} FROM parked",
    f"SELECT attempt * {_SPAN} + {sequence.started(0)} FROM claim",
    f"SELECT (attempt + 1) * {_SPAN} + {sequence.line(0, 0)} + changes FROM open",
    f"SELECT max(attempt) * {_SPAN} + {sequence.settled(0)} FROM attempt",
    "SELECT max(sequence) FROM line",
    "SELECT max(sequence) FROM note",
    "SELECT sequence FROM progress",
)
_LATEST = (
    "WITH wanted AS (SELECT value AS id FROM json_each(?)) "
    f"SELECT id, max({', '.join(f'coalesce(({known} WHERE task_id = id), 0)' for known in _SEQUENCES)}) FROM wanted"
)


class Reading(Base):
    """The facet of the same name."""

    async def facts(self, task_ids: Sequence[int]) -> list[Facts]:
        """See the contract."""
        return await self.db.read(facts_of, task_ids)

    async def bodies(self, task_ids: Sequence[int]) -> list[Body]:
        """See the contract."""
        query = f"{_BODIES} ORDER BY id"
        return await self.db.read(lambda c: [Body(*row) for row in c.execute(query, (as_array(task_ids),))])

    async def story(self, task_id: int, after: int, limit: int) -> Story | None:
        """See the contract."""

        def run(connection: Connection) -> Story | None:
            facts = facts_of(connection, [task_id])
            if not facts:
                return None
            attempts = _attempts(connection, _ATTEMPTS, (task_id,))
            return Story(facts[0], attempts, _notes(connection, [task_id]), _lines(connection, task_id, after, limit))

        return await self.db.read(run)

    async def find(self, wanted: Filter, limit: int, after: int | None) -> Page:
        """See the contract."""
        return await self.db.read(find, wanted, limit, after)

    async def find_started(self, wanted: Filter, limit: int, after: int | None) -> Page:
        """See the contract."""
        return await self.db.read(find_started, wanted, limit, after)

    async def dead(self, limit: int, after: int | None, kind_ids: Sequence[int] | None) -> Page:
        """See the contract."""
        return await self.db.read(dead, kind_ids, limit, after)

    async def attempts(self, task_id: int) -> list[AttemptFact]:
        """See the contract."""
        return await self.db.read(_attempts, _ATTEMPTS, (task_id,))

    async def attempt_facts(self, pairs: Sequence[tuple[int, int]]) -> list[AttemptFact]:
        """See the contract."""
        query = f"{_ATTEMPT} WHERE (a.task_id, a.attempt) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))"
        return await self.db.read(lambda c: _attempts(c, query, (as_array(pairs),)))

    async def running(self, task_ids: Sequence[int]) -> list[tuple[int, Place]]:
        """See the contract."""
        rows = await self.db.read(lambda c: c.execute(_RUNNING, (as_array(task_ids),)).fetchall())
        return [(row[0], Place(PlaceKind.RUNNING, *row[1:])) for row in rows]

    async def reporting(self) -> list[tuple[int, int]]:
        """See the contract."""
        query = "SELECT p.task_id, p.sequence FROM claim c JOIN progress p ON p.task_id = c.task_id ORDER BY p.task_id"
        return await self.db.read(lambda connection: connection.execute(query).fetchall())

    async def notes(self, task_ids: Sequence[int]) -> list[Note]:
        """See the contract."""
        return await self.db.read(_notes, task_ids)

    async def lines(self, task_id: int, after: int, limit: int) -> list[Line]:
        """See the contract."""
        return await self.db.read(_lines, task_id, after, limit)

    async def latest(self, task_ids: Sequence[int]) -> list[tuple[int, int]]:
        """See the contract."""
        return await self.db.read(lambda c: c.execute(_LATEST, (as_array(task_ids),)).fetchall())

    async def feed(self, after: int, limit: int) -> list[FeedRow]:
        """See the contract."""

        def run(connection: Connection) -> list[FeedRow]:
            rows = connection.execute(
                "SELECT pos, at, type, task_ids, sequences FROM feed WHERE pos > ? ORDER BY pos LIMIT ?",
                (after, limit),
            )
            return [
                FeedRow(pos, at, EventType(type_), msgspec.json.decode(ids), msgspec.json.decode(sequences))
                for pos, at, type_, ids, sequences in rows
            ]

        return await self.db.read(run)

    async def feed_end(self) -> int:
        """See the contract."""
        return await self.db.read(lambda c: int(c.execute("SELECT coalesce(max(pos), 0) FROM feed").fetchone()[0]))

    async def run_times(self, since: int) -> list[tuple[int, int]]:
        """See the contract."""
        query = (
            "SELECT t.kind_id, a.run_ms FROM attempt a JOIN task t ON t.id = a.task_id "
            "WHERE a.outcome = 1 AND a.task_id >= ? AND a.run_ms IS NOT NULL ORDER BY a.task_id DESC LIMIT 10000"
        )
        return await self.db.read(lambda c: c.execute(query, (floor_id(since),)).fetchall())

    async def counts(self, since: int) -> list[tuple[int, State, int]]:
        """See the contract."""
        return await self.db.read(_counts, since)


def facts_of(connection: Connection, task_ids: Sequence[int]) -> list[Facts]:
    """The facts of these tasks, from the snapshot the connection is in."""
    ids = as_array(task_ids)
    bodies = {row[0]: Body(*row) for row in connection.execute(_BODIES, (ids,))}
    places = _places(connection, task_ids)
    last = {fact.task_id: fact for fact in _attempts(connection, _LAST, (ids,))}
    progress = {
        row[0]: Progress(*row[1:])
        for row in connection.execute(
            "SELECT task_id, sequence, at, current, total, action FROM progress "
            "WHERE task_id IN (SELECT value FROM json_each(?))",
            (ids,),
        )
    }
    return [Facts(bodies[id_], places.get(id_), last.get(id_), progress.get(id_)) for id_ in task_ids if id_ in bodies]


def _notes(connection: Connection, task_ids: Sequence[int]) -> list[Note]:
    rows = connection.execute(
        "SELECT task_id, sequence, at, type, body FROM note WHERE task_id IN (SELECT value FROM json_each(?)) "
        "ORDER BY task_id, sequence",
        (as_array(task_ids),),
    ).fetchall()  # a body that cannot be read must not leave the cursor open, and with it an old snapshot
    return [Note(row[0], row[1], row[2], EventType(row[3]), msgspec.json.decode(row[4])) for row in rows]


def _lines(connection: Connection, task_id: int, after: int, limit: int) -> list[Line]:
    rows = connection.execute(
        "SELECT task_id, sequence, at, level, text FROM line WHERE task_id = ? AND sequence > ? "
        "ORDER BY sequence LIMIT ?",
        (task_id, after, limit),
    )
    return [Line(*row) for row in rows]


def _places(connection: Connection, task_ids: Sequence[int]) -> dict[int, Place]:
    rows = connection.execute(_PLACES, (as_array(task_ids),))
    return {row[0]: Place(PlaceKind(row[1]), *row[2:]) for row in rows}


def _attempts(connection: Connection, query: str, parameters: Sequence[Any]) -> list[AttemptFact]:
    rows = connection.execute(query, parameters)
    return [AttemptFact(row[0], row[1], Outcome(row[2]), *row[3:]) for row in rows]


def _counts(connection: Connection, since: int) -> list[tuple[int, State, int]]:
    """What is nowhere else is COMPLETED."""
    given = {"first": floor_id(since)}
    totals = dict(connection.execute("SELECT kind_id, count(*) FROM task WHERE id >= :first GROUP BY kind_id", given))
    elsewhere = []
    for state in State:
        if state is State.COMPLETED:
            continue
        for source in STATES[state]:
            query = (
                f"SELECT t.kind_id, count(*) FROM ({source.query} AND s.task_id >= :first) x "
                "CROSS JOIN task t ON t.id = x.task_id GROUP BY t.kind_id"
            )
            elsewhere += [(kind_id, state, count) for kind_id, count in connection.execute(query, given)]
    tally: Counter[tuple[int, State]] = Counter()
    for kind_id, state, count in elsewhere:
        tally[kind_id, state] += count
        totals[kind_id] -= count
    completed = [(kind_id, State.COMPLETED, count) for kind_id, count in totals.items() if count]
    return [(*key, count) for key, count in tally.items()] + completed
