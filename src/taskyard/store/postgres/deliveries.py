"""Events on their way to webhook endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskyard.contracts.records import Topic
from taskyard.contracts.webhooks import DeliveryChange, DeliveryFilter, DeliveryRow, WebhookMark
from taskyard.domain.ids import floor_id
from taskyard.domain.webhook import Status
from taskyard.store.postgres.base import Base
from taskyard.store.postgres.shapes import columns
from taskyard.store.postgres.statements import fill, statement

_OPEN = f"status IN ({Status.PENDING:d}, {Status.RETRYING:d})"
_COLUMNS = "id, endpoint, owner, task_id, pos, event, event_id, body, url, status, tries, next_at, log"
_ROW = fill("SELECT @columns FROM taskyard.delivery", columns=_COLUMNS)
_WIDTH = len(DeliveryRow._fields)
_LARGEST = (1 << 63) - 1

_MARK = "SELECT pos, callbacks_since FROM taskyard.webhook_mark"
_HOLD_MARK = "SELECT pos FROM taskyard.webhook_mark FOR UPDATE"
_MOVE_MARK = "UPDATE taskyard.webhook_mark SET pos = $1"
_WANT = (
    "UPDATE taskyard.webhook_mark SET callbacks_since = (SELECT pos FROM taskyard.sequencer) "
    "WHERE callbacks_since IS NULL"
)
_PLAN = statement("plan_deliveries", open=_OPEN)
_PLAN_IDLE = statement("plan_idle_deliveries", open=_OPEN)
_SETTLE = statement("settle_deliveries", open=_OPEN)
_NEXT = statement("next_deliveries", open=_OPEN)
_ENDPOINTS = statement("waiting_endpoints")
_DUE = statement("due_deliveries")
_ADD = fill(
    "INSERT INTO taskyard.delivery (@columns) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    columns=_COLUMNS,
)
_ONE = f"{_ROW} WHERE id = $1"
_LIST = (
    f"{_ROW} WHERE ($1::text IS NULL OR owner = $1) AND ($2::text IS NULL OR endpoint = $2) "
    "AND ($3::int[] IS NULL OR status = ANY ($3)) AND ($4::bigint IS NULL OR task_id = $4) "
    "AND ($5::text IS NULL OR event = $5) AND id >= $6::bigint AND id < $7::bigint ORDER BY id DESC LIMIT $8"
)
_AGAIN = fill(
    "UPDATE taskyard.delivery SET status = 1, tries = 0, next_at = @now "
    "WHERE id = ANY ($2::bigint[]) AND NOT @open RETURNING true",
    open=_OPEN,
)
_FORGET = fill("DELETE FROM taskyard.delivery WHERE id = ANY ($1::bigint[]) AND NOT @open", open=_OPEN)
_PRUNE = fill(
    "DELETE FROM taskyard.delivery WHERE id = ANY (ARRAY ("
    "SELECT id FROM taskyard.delivery WHERE id < $1::bigint AND NOT @open ORDER BY id LIMIT $2::int)) RETURNING true",
    open=_OPEN,
)


class Deliveries(Base):
    """The facet of the same name."""

    async def webhook_mark(self) -> WebhookMark:
        """See the contract."""
        return WebhookMark(*await self.db.relaxed.only(_MARK))

    async def want_callbacks(self) -> None:
        """See the contract."""
        await self.db.durable.fetch(_WANT)

    async def plan_deliveries(self, deliveries: Sequence[DeliveryRow], mark: int, pos: int) -> bool:
        """See the contract."""
        async with self.db.durable.transaction() as connection:
            if await connection.fetchval(_HOLD_MARK) != mark:
                return False
            await connection.execute(_MOVE_MARK, pos)
            if deliveries:
                await connection.fetch(_PLAN, self.clock.moment, *columns(deliveries, _WIDTH)[:9])
        return True

    async def plan_idle(self, deliveries: Sequence[DeliveryRow]) -> list[int]:
        """See the contract."""
        async with self.db.durable.transaction() as connection:
            await connection.fetchval(_HOLD_MARK)
            rows = await connection.fetch(_PLAN_IDLE, self.clock.moment, *columns(deliveries, _WIDTH)[:9])
            return [row[0] for row in rows]

    async def add_delivery(self, delivery: DeliveryRow) -> None:
        """See the contract."""
        await self.db.durable.fetch(_ADD, *delivery)

    async def waiting_endpoints(self) -> list[str]:
        """See the contract."""
        return [row[0] for row in await self.db.relaxed.fetch(_ENDPOINTS, self.clock.moment)]

    async def due_deliveries(self, wanted: Sequence[tuple[str, int]]) -> list[DeliveryRow]:
        """See the contract."""
        rows = await self.db.relaxed.fetch(_DUE, self.clock.moment, *columns(list(wanted), 2))
        return [_row(row) for row in rows]

    async def settle_deliveries(self, changes: Sequence[DeliveryChange]) -> None:
        """See the contract."""
        async with self.db.durable.transaction() as connection:
            await connection.fetchval(_HOLD_MARK)
            over = await connection.fetch(_SETTLE, *columns([tuple(each) for each in changes], 6)[:5])
            if over:
                await connection.fetch(_NEXT, self.clock.moment, *columns([tuple(row) for row in over], 2))
            if gone := [each.id for each in changes if not each.kept]:
                await connection.execute(_FORGET, gone)

    async def delivery(self, delivery_id: int) -> DeliveryRow | None:
        """See the contract."""
        row = await self.db.reading.row(_ONE, delivery_id)
        return None if row is None else _row(row)

    async def deliveries(self, wanted: DeliveryFilter, limit: int, after: int | None) -> list[DeliveryRow]:
        """See the contract."""
        statuses = None if wanted.status is None else [int(each) for each in wanted.status]
        since = 0 if wanted.since is None else floor_id(wanted.since)
        ends = [_LARGEST if wanted.before is None else floor_id(wanted.before), _LARGEST if after is None else after]
        found = await self.db.reading.fetch(
            _LIST, wanted.owner, wanted.endpoint, statuses, wanted.task_id, wanted.event, since, min(ends), limit
        )
        return [_row(row) for row in found]

    async def redeliver(self, delivery_ids: Sequence[int]) -> int:
        """See the contract."""
        begun = len(await self.db.durable.fetch(_AGAIN, self.clock.moment, list(delivery_ids)))
        self.wake(Topic.FEED)
        return begun

    async def prune_deliveries(self, before: int, limit: int) -> int:
        """See the contract."""
        return len(await self.db.relaxed.fetch(_PRUNE, floor_id(before), limit))


def _row(row: Any) -> DeliveryRow:
    return DeliveryRow._make(row)._replace(status=Status(row["status"]))
