"""Events on their way to webhook endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from taskyard.contracts.records import Topic
from taskyard.contracts.webhooks import DeliveryChange, DeliveryFilter, DeliveryRow, WebhookMark
from taskyard.domain.ids import floor_id
from taskyard.domain.webhook import Status
from taskyard.store.sqlite.base import Base, Connection, as_array

_COLUMNS = "id, endpoint, owner, task_id, pos, event, event_id, body, url, status, tries, next_at, log"
_ROW = f"SELECT {_COLUMNS} FROM delivery"
_OPEN = f"status IN ({Status.PENDING:d}, {Status.RETRYING:d})"
_INSERT = f"INSERT INTO delivery ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_LINE = f"SELECT id, next_at FROM delivery WHERE endpoint = ? AND task_id = ? AND {_OPEN} ORDER BY pos, id LIMIT 1"
# Each endpoint once, without a look at all that waits for it.
_ENDPOINTS = """
WITH RECURSIVE each_one (name) AS (
  SELECT min(endpoint) FROM delivery WHERE next_at IS NOT NULL
  UNION ALL
  SELECT (SELECT min(endpoint) FROM delivery WHERE next_at IS NOT NULL AND endpoint > name) FROM each_one
  WHERE name IS NOT NULL)
SELECT name FROM each_one
WHERE (SELECT min(next_at) FROM delivery WHERE endpoint = name AND next_at IS NOT NULL) <= ?
"""


class Deliveries(Base):
    """The facet of the same name."""

    async def webhook_mark(self) -> WebhookMark:
        """See the contract."""
        query = "SELECT pos, callbacks_since FROM webhook_mark"
        return await self.db.read(lambda connection: WebhookMark(*connection.execute(query).fetchone()))

    async def want_callbacks(self) -> None:
        """See the contract."""
        statement = (
            "UPDATE webhook_mark SET callbacks_since = (SELECT coalesce(max(pos), 0) FROM feed) "
            "WHERE callbacks_since IS NULL"
        )
        await self.db.write(lambda connection: connection.execute(statement))

    async def plan_deliveries(self, deliveries: Sequence[DeliveryRow], mark: int, pos: int) -> bool:
        """See the contract."""
        return await self.db.write(_plan, deliveries, mark, pos, self.clock.now())

    async def plan_idle(self, deliveries: Sequence[DeliveryRow]) -> list[int]:
        """See the contract."""
        return await self.db.write(_plan_idle, deliveries, self.clock.now())

    async def add_delivery(self, delivery: DeliveryRow) -> None:
        """See the contract."""
        await self.db.write(lambda connection: connection.execute(_INSERT, delivery))

    async def waiting_endpoints(self) -> list[str]:
        """See the contract."""
        now = self.clock.now()
        return await self.db.read(lambda connection: [row[0] for row in connection.execute(_ENDPOINTS, (now,))])

    async def due_deliveries(self, wanted: Sequence[tuple[str, int]]) -> list[DeliveryRow]:
        """See the contract."""
        now = self.clock.now()

        def run(connection: Connection) -> list[DeliveryRow]:
            where = "WHERE endpoint = ? AND next_at <= ? ORDER BY next_at, id LIMIT ?"
            return [row for name, limit in wanted for row in _rows(connection, where, (name, now, limit))]

        return await self.db.read(run)

    async def settle_deliveries(self, changes: Sequence[DeliveryChange]) -> None:
        """See the contract."""
        await self.db.write(_settle, changes, self.clock.now())

    async def delivery(self, delivery_id: int) -> DeliveryRow | None:
        """See the contract."""
        return await self.db.read(lambda connection: next(_rows(connection, "WHERE id = ?", (delivery_id,)), None))

    async def deliveries(self, wanted: DeliveryFilter, limit: int, after: int | None) -> list[DeliveryRow]:
        """See the contract."""
        where, parameters = _conditions(wanted, after)
        order = "ORDER BY id DESC LIMIT ?"
        return await self.db.read(lambda connection: list(_rows(connection, f"{where} {order}", (*parameters, limit))))

    async def redeliver(self, delivery_ids: Sequence[int]) -> int:
        """See the contract."""
        now = self.clock.now()

        def run(connection: Connection) -> int:
            statement = (
                f"UPDATE delivery SET status = {Status.PENDING:d}, tries = 0, next_at = ? "
                f"WHERE id IN (SELECT value FROM json_each(?)) AND NOT {_OPEN}"
            )
            return connection.execute(statement, (now, as_array(delivery_ids))).rowcount

        begun = await self.db.write(run)
        self.wake(Topic.FEED)
        return begun

    async def prune_deliveries(self, before: int, limit: int) -> int:
        """See the contract."""

        def run(connection: Connection) -> int:
            statement = (
                "DELETE FROM delivery WHERE id IN "
                f"(SELECT id FROM delivery WHERE id < ? AND NOT {_OPEN} ORDER BY id LIMIT ?)"
            )
            return connection.execute(statement, (floor_id(before), limit)).rowcount

        return await self.db.write(run)


def _rows(connection: Connection, where: str, parameters: Sequence[Any]) -> Iterator[DeliveryRow]:
    for row in connection.execute(f"{_ROW} {where}", parameters):
        yield DeliveryRow._make(row)._replace(status=Status(row[9]))


def _plan(connection: Connection, deliveries: Sequence[DeliveryRow], mark: int, pos: int, now: int) -> bool:
    if not connection.execute("UPDATE webhook_mark SET pos = ? WHERE pos = ?", (pos, mark)).rowcount:
        return False
    for row in deliveries:
        behind = connection.execute(_LINE, (row.endpoint, row.task_id)).fetchone() is not None
        connection.execute(_INSERT, row._replace(next_at=None if behind else now))
    return True


def _plan_idle(connection: Connection, deliveries: Sequence[DeliveryRow], now: int) -> list[int]:
    stored = []
    for row in deliveries:
        if connection.execute(_LINE, (row.endpoint, row.task_id)).fetchone() is None:
            connection.execute(_INSERT, row._replace(next_at=now))
            stored.append(row.id)
    return stored


def _settle(connection: Connection, changes: Sequence[DeliveryChange], now: int) -> None:
    lines = set()
    for change in changes:
        line = connection.execute(
            f"UPDATE delivery SET status = ?, tries = ?, next_at = ?, log = ? WHERE id = ? AND {_OPEN} "
            "RETURNING endpoint, task_id",
            (change.status, change.tries, change.next_at, change.log, change.id),
        ).fetchone()
        if line is not None and change.next_at is None:
            lines.add(line)
    gone = as_array(change.id for change in changes if not change.kept)
    connection.execute(f"DELETE FROM delivery WHERE id IN (SELECT value FROM json_each(?)) AND NOT {_OPEN}", (gone,))
    for line in lines:
        first = connection.execute(_LINE, line).fetchone()
        if first is not None and first[1] is None:
            connection.execute("UPDATE delivery SET next_at = ? WHERE id = ?", (now, first[0]))


def _conditions(wanted: DeliveryFilter, after: int | None) -> tuple[str, list[Any]]:
    statuses = None if wanted.status is None else as_array(int(each) for each in wanted.status)
    found = [
        ("owner = ?", wanted.owner),
        ("endpoint = ?", wanted.endpoint),
        ("status IN (SELECT value FROM json_each(?))", statuses),
        ("task_id = ?", wanted.task_id),
        ("event = ?", wanted.event),
        ("id >= ?", None if wanted.since is None else floor_id(wanted.since)),
        ("id < ?", None if wanted.before is None else floor_id(wanted.before)),
        ("id < ?", after),
    ]
    given = [(text, value) for text, value in found if value is not None]
    where = " AND ".join(text for text, _ in given)
    return (f"WHERE {where}" if where else ""), [value for _, value in given]
