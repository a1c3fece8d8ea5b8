"""What must hold after every commit, and whenever a body begins."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from taskyard.domain.lifecycle import Outcome
from tests.simulation.database import Request
from tests.simulation.ledger import Body
from tests.simulation.loop import Process
from tests.simulation.work import LIMIT, TIMEOUT

if TYPE_CHECKING:
    from tests.simulation.world import World

_PATIENCE = 5.0  # of a worker with a handler that will not stop
_ENDS = (Outcome.COMPLETED, Outcome.FALLBACK, Outcome.CANCELED, Outcome.FAILED)
_LET_GO = {Outcome.LOST, Outcome.RELEASED, Outcome.RETRY, Outcome.FAILED, Outcome.COMPLETED, Outcome.FALLBACK}

_MISPLACED = f"""
WITH place (task_id, attempt, dead) AS (
  SELECT task_id, attempt, 0 FROM ready UNION ALL SELECT task_id, attempt, 0 FROM sched
  UNION ALL SELECT task_id, attempt, 0 FROM parked UNION ALL SELECT task_id, attempt, 0 FROM claim WHERE NOT revoked
  UNION ALL SELECT task_id, attempt + 1, 0 FROM open UNION ALL SELECT task_id, attempt, 1 FROM dead
), last AS (
  SELECT task_id, max(attempt) AS attempt, outcome FROM attempt GROUP BY task_id
)
SELECT t.id, count(p.task_id), max(p.dead), l.outcome FROM task t
LEFT JOIN place p ON p.task_id = t.id LEFT JOIN last l ON l.task_id = t.id GROUP BY t.id
HAVING count(p.task_id) > 1
  OR (count(p.task_id) = 0 AND coalesce(l.outcome, 0) NOT IN {tuple(map(int, _ENDS))})
  OR (max(p.dead) = 1 AND (l.outcome <> {int(Outcome.FAILED)} OR l.attempt <> p.attempt))
  OR (max(p.dead) = 0 AND coalesce(l.attempt, 0) <> p.attempt - 1)
  OR (max(p.dead) = 0 AND l.outcome IN {tuple(map(int, _ENDS[:3]))})
"""
_OVER_LIMIT = """
SELECT s.key, count(*) FROM slot s JOIN slot_limit l ON l.key = s.key GROUP BY s.key HAVING count(*) > l.size
"""
_WITHOUT_SLOT = """
SELECT p.task_id, s.key FROM (SELECT task_id FROM ready UNION ALL SELECT task_id FROM claim) p
JOIN task_slot s ON s.task_id = p.task_id
WHERE NOT EXISTS (SELECT 1 FROM slot WHERE key = s.key AND task_id = p.task_id)
"""
_HELD_BY_THE_DEAD = """
SELECT c.task_id, c.attempt FROM claim c JOIN worker w ON w.id = c.worker_id WHERE w.dead AND c.expires_at IS NULL
"""
_ENDED = """
SELECT a.outcome, w.name, w.dead FROM attempt a LEFT JOIN worker w ON w.id = a.worker_id
WHERE a.task_id = ? AND a.attempt = ?
"""
_DEAD = """
SELECT id, name, id = (SELECT max(id) FROM worker o WHERE o.name = w.name) FROM worker w WHERE dead
"""


class Watch:
    """Looks at the database itself, never through the engine."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ledger = world.ledger
        self._seen_dead: set[int] = set()
        self._held_by_the_dead: set[tuple[int, int]] = set()
        self._complaints: set[str] = set()

    def commit(self, request: Request, answer: Any) -> None:
        """After each commit."""
        connection, verb = self._world.shared.connection, request.verb
        for row in connection.execute(_MISPLACED):
            self._accuse(f"after {verb} task {row[0]} is in {row[1]} places (dead {row[2]}, last outcome {row[3]})")
        for row in connection.execute(_OVER_LIMIT):
            self._accuse(f"after {verb} {row[1]} slots of {row[0]} are taken")
        for row in connection.execute(_WITHOUT_SLOT):
            self._accuse(f"after {verb} task {row[0]} has no slot of {row[1]}")
        held = set(connection.execute(_HELD_BY_THE_DEAD))
        if verb == "claim" and held - self._held_by_the_dead:
            self._accuse(f"{sorted(held - self._held_by_the_dead)} was leased to a worker that had been given up")
        self._held_by_the_dead = held
        if verb == "settle":
            self._settled(connection, request.process, answer[0])
        if verb in ("give_up", "bury"):
            self._given_up(connection, judged=verb == "give_up")

    def begin(self, body: Body) -> None:
        """When a body begins: it may run, and nobody else has it."""
        connection = self._world.shared.connection
        if not self._holds(connection, body):
            return  # it was lost meanwhile, and nothing will come of it
        beside = [other for other in self._ledger.running.values() if not self._let_go(connection, other)]
        for other in beside:
            if other.task_id == body.task_id:
                self._accuse(f"{body} begins while {other} runs")
        limited = [other for other in beside if other.key == body.key]
        if body.key == "limited" and len(limited) >= LIMIT:
            self._accuse(f"{body} begins beside {limited}")
        if body.losses and (strangers := [other for other in beside if self._is_stranger(other, body)]):
            self._accuse(f"{body} has lost {body.losses} workers and should run apart from {strangers}")

    def _is_stranger(self, other: Body, suspect: Body) -> bool:
        """Whether somebody at work should not be beside a suspect; of those that were killed once all may be."""
        at_work = other.process is suspect.process and not other.waits and not self._is_abandoned(other)
        return at_work and not other.losses == suspect.losses == 1

    def _is_abandoned(self, body: Body) -> bool:
        return self._world.loop.time() - body.began_at > TIMEOUT / 2 + _PATIENCE

    def _settled(self, connection: sqlite3.Connection, by: Process, moved: set[tuple[int, int]]) -> None:
        """What a worker that nobody supervises had when it died had started, for all we know: that is a loss."""
        for pair in sorted(moved):
            outcome, name, _ = connection.execute(_ENDED, pair).fetchone()
            process = self._ledger.workers.get(name)
            if process not in (None, by) and outcome == Outcome.RELEASED and not process.supervised:
                self._accuse(f"the loss of {pair} by {process} is not charged")

    def _let_go(self, connection: sqlite3.Connection, body: Body) -> bool:
        """Whether this body's attempt has ended and its slot is another's, for all that the store can know.

        Of what is held over HTTP the visibility runs out.
        """
        if self._holds(connection, body, revoked=True):
            return False
        ended = connection.execute(_ENDED, (body.task_id, body.attempt)).fetchone()
        if ended is None:
            return False
        over_http = self._ledger.workers.get(ended[1] or "") is None
        return ended[0] in _LET_GO or over_http or bool(ended[2]) or self._is_abandoned(body)

    def _holds(self, connection: sqlite3.Connection, body: Body, *, revoked: bool = False) -> bool:
        query = "SELECT 1 FROM claim WHERE task_id = ? AND attempt = ? AND revoked <= ?"
        return connection.execute(query, (body.task_id, body.attempt, revoked)).fetchone() is not None

    def _given_up(self, connection: sqlite3.Connection, *, judged: bool) -> None:
        """No living worker is taken for dead, unless its death was told."""
        for worker_id, name, latest in connection.execute(_DEAD).fetchall():
            process = self._ledger.workers.get(name)
            if worker_id in self._seen_dead or process is None:
                continue
            self._seen_dead.add(worker_id)
            if judged and latest and self._world.undisturbed(process):
                self._accuse(f"{process}, which lives, was given up")

    def _accuse(self, what: str) -> None:
        if what not in self._complaints:
            self._complaints.add(what)
            self._ledger.accuse(what)
