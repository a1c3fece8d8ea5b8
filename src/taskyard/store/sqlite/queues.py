"""The five queues."""

from __future__ import annotations

from taskyard.contracts.records import Contention, QueueRow, Topic, Turn
from taskyard.domain.ids import floor_id
from taskyard.store.sqlite import slots
from taskyard.store.sqlite.base import Base, Connection

_FIGURES = """
SELECT q.id, q.paused,
  CASE q.id WHEN 5 THEN (SELECT count(*) FROM dead)
    ELSE (SELECT count(*) FROM ready r JOIN lane l ON l.id = r.lane_id WHERE l.queue = q.id)
       + (SELECT count(*) FROM parked p JOIN lane l ON l.id = p.lane_id WHERE l.queue = q.id) END,
  (SELECT count(*) FROM claim c JOIN lane l ON l.id = c.lane_id WHERE l.queue = q.id AND NOT c.revoked),
  CASE q.id WHEN 5 THEN (SELECT min(at) FROM dead)
    ELSE (SELECT min(ord) FROM (
      SELECT (SELECT r.ord FROM ready r WHERE r.lane_id = l.id ORDER BY r.ord LIMIT 1) AS ord
      FROM lane l WHERE l.queue = q.id
      UNION ALL SELECT p.ord FROM parked p JOIN lane l ON l.id = p.lane_id WHERE l.queue = q.id)) END,
  (SELECT count(*) FROM busy WHERE home = q.id)
FROM queue q ORDER BY q.id
"""

_RATES = """
WITH home AS (SELECT DISTINCT definition, home FROM lane),
named AS (SELECT k.id, h.home FROM kind k JOIN home h ON h.definition = k.key),
added AS (SELECT n.home AS queue, count(*) AS n FROM task t JOIN named n ON n.id = t.kind_id
  WHERE t.id >= :first GROUP BY 1),
dispatched AS (SELECT n.home AS queue, count(*) AS n FROM (
    SELECT task_id FROM attempt WHERE started_at >= :since
    UNION ALL SELECT task_id FROM claim WHERE claimed_at >= :since
  ) s JOIN task t ON t.id = s.task_id JOIN named n ON n.id = t.kind_id GROUP BY 1)
SELECT q.id, coalesce(a.n, 0), coalesce(d.n, 0) FROM queue q
LEFT JOIN added a ON a.queue = q.id LEFT JOIN dispatched d ON d.queue = q.id
"""


_PAUSE = "UPDATE queue SET asked = ?1, paused = ?1 OR EXISTS (SELECT 1 FROM maintenance) WHERE id = ?2"


class Queues(Base):
    """The facet of the same name."""

    async def queues(self) -> list[QueueRow]:
        """See the contract."""
        now = self.clock.now()

        def run(connection: Connection) -> list[QueueRow]:
            return [
                QueueRow(row[0], bool(row[1]), row[2], row[3], None if row[4] is None else max(0, now - row[4]), row[5])
                for row in connection.execute(_FIGURES)
            ]

        return await self.db.read(run)

    async def rates(self, seconds: int) -> dict[int, tuple[int, int]]:
        """See the contract."""
        since = self.clock.now() - seconds * 1_000_000

        def run(connection: Connection) -> dict[int, tuple[int, int]]:
            rows = connection.execute(_RATES, {"since": since, "first": floor_id(since)})
            return {queue: (added, dispatched) for queue, added, dispatched in rows}

        return await self.db.read(run)

    async def pause(self, queue: int, paused: bool) -> None:
        """See the contract."""
        await self.db.write(lambda c: c.execute(_PAUSE, (paused, queue)) and None)
        self.wake(Topic.READY, Topic.REVOKED)

    async def paused(self) -> set[int]:
        """See the contract."""
        return await self.db.read(lambda c: {row[0] for row in c.execute("SELECT id FROM queue WHERE paused")})

    async def turn(self, task_id: int) -> Turn | None:
        """See the contract."""

        def run(connection: Connection) -> Turn | None:
            row = connection.execute(
                "SELECT l.queue, (SELECT count(*) FROM ready o WHERE o.lane_id = r.lane_id "
                "AND (o.ord, o.task_id) < (r.ord, r.task_id)) "
                "FROM ready r JOIN lane l ON l.id = r.lane_id WHERE r.task_id = ?",
                (task_id,),
            ).fetchone()
            return None if row is None else Turn(*row)

        return await self.db.read(run)

    async def contention(self, task_id: int, holders: int) -> Contention | None:
        """See the contract."""
        return await self.db.read(slots.contention, task_id, holders)
