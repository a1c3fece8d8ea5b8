"""Webhook endpoints, and the client apps that subscribe by themselves."""

from __future__ import annotations

from typing import Any

import msgspec

from taskyard.contracts.records import Topic
from taskyard.contracts.webhooks import ClientApp, SubscriptionRow, owner_reader
from taskyard.domain.webhook import Endpoint, Health, Status
from taskyard.store.postgres.base import Base
from taskyard.store.postgres.shapes import encode
from taskyard.store.postgres.statements import fill

_ROW = "SELECT id, owner, created_at, since, endpoint, secrets, health, app, revision FROM taskyard.subscription"
_ONE = f"{_ROW} WHERE id = $1"
_PAGE = f"{_ROW} WHERE id > $1 ORDER BY id LIMIT $2"
_PAGE_OF_OWNER = f"{_ROW} WHERE id > $1 AND owner = $3 ORDER BY id LIMIT $2"
_ENABLED = f"{_ROW} WHERE enabled ORDER BY id"
_DISABLED = f"{_ROW} WHERE NOT enabled ORDER BY id"
_INSERT = (
    "INSERT INTO taskyard.subscription "
    "(id, owner, created_at, since, endpoint, secrets, health, app, enabled, revision) "
    "SELECT $1, $2, $3::bigint, $4::bigint, $5::bytea, $6::bytea, $7::bytea, $8::text, $9::bool, 1 "
    "WHERE $8 IS NULL OR EXISTS (SELECT FROM taskyard.client_app WHERE key = $8 FOR KEY SHARE) "
    "ON CONFLICT DO NOTHING RETURNING true"
)
_UPDATE = (
    "UPDATE taskyard.subscription SET owner = $2, created_at = $3, since = $4, endpoint = $5, secrets = $6, "
    "health = $7, app = $8, enabled = $9, revision = revision + 1 WHERE id = $1 AND revision = $10 RETURNING true"
)
_HEALTH = "UPDATE taskyard.subscription SET health = $2, enabled = enabled AND $3 WHERE id = $1"
_LEAVE = fill(
    "UPDATE taskyard.delivery SET status = @dead, next_at = NULL "
    "WHERE endpoint = ANY ($1::text[]) AND status IN (@pending, @retrying)",
    **{status.name.lower(): str(int(status)) for status in Status},
)
_HOLD_MARK = "SELECT pos FROM taskyard.webhook_mark FOR UPDATE"
_END_READERS = "DELETE FROM taskyard.reader WHERE name = ANY ($1::text[])"
_REMOVE = "DELETE FROM taskyard.subscription WHERE id = ANY ($1::text[]) RETURNING true"
_OF_APP = "SELECT id FROM taskyard.subscription WHERE app = $1"
_APP = "SELECT key, name, owner, created_at, secret FROM taskyard.client_app"
_ONE_APP = f"{_APP} WHERE key = $1"
_APPS = f"{_APP} WHERE owner = coalesce($1, owner) AND key > $2 ORDER BY key LIMIT $3"
_ADD_APP = (
    "INSERT INTO taskyard.client_app (key, name, owner, created_at, secret) VALUES ($1, $2, $3, $4, $5) "
    "ON CONFLICT DO NOTHING RETURNING true"
)
_CHANGE_APP = "UPDATE taskyard.client_app SET secret = $1 WHERE key = $2 AND secret = $3 RETURNING true"
_REMOVE_APP = "DELETE FROM taskyard.client_app WHERE key = $1 RETURNING true"


class Subscriptions(Base):
    """The facet of the same name."""

    async def save_subscription(self, row: SubscriptionRow) -> bool:
        """See the contract."""
        content = (
            row.id, row.owner, row.created_at, row.since, encode(row.endpoint), row.secrets, encode(row.health),
            row.app, row.endpoint.enabled and row.health.disabled_at is None,
        )  # fmt: skip
        if row.revision == 0:
            saved = await self.db.durable.value(_INSERT, *content)
        else:
            saved = await self.db.durable.value(_UPDATE, *content, row.revision)
        self.wake(Topic.FEED)
        return bool(saved)

    async def subscription(self, subscription_id: str) -> SubscriptionRow | None:
        """See the contract."""
        row = await self.db.reading.row(_ONE, subscription_id)
        return None if row is None else _row(row)

    async def subscriptions(self, owner: str | None, limit: int, after: str) -> list[SubscriptionRow]:
        """See the contract."""
        if owner is None:
            rows = await self.db.reading.fetch(_PAGE, after, limit)
        else:
            rows = await self.db.reading.fetch(_PAGE_OF_OWNER, after, limit, owner)
        return [_row(row) for row in rows]

    async def enabled_subscriptions(self) -> list[SubscriptionRow]:
        """See the contract."""
        return [_row(row) for row in await self.db.relaxed.fetch(_ENABLED)]

    async def given_up_subscriptions(self) -> list[SubscriptionRow]:
        """See the contract."""
        rows = [_row(row) for row in await self.db.relaxed.fetch(_DISABLED)]
        return [row for row in rows if row.health.disabled_at is not None]

    async def save_health(self, subscription_id: str, health: Health) -> None:
        """See the contract."""
        await self.db.durable.fetch(_HEALTH, subscription_id, encode(health), health.disabled_at is None)

    async def remove_subscription(self, subscription_id: str) -> bool:
        """See the contract."""
        async with self.db.durable.transaction() as connection:
            return await _remove(connection, [subscription_id])

    async def save_client_app(self, app: ClientApp, before: bytes | None = None) -> bool:
        """See the contract."""
        change = (_ADD_APP, *app) if before is None else (_CHANGE_APP, app.secret, app.key, before)
        return bool(await self.db.durable.value(*change))

    async def client_app(self, key: str) -> ClientApp | None:
        """See the contract."""
        row = await self.db.reading.row(_ONE_APP, key)
        return None if row is None else ClientApp(*row)

    async def client_apps(self, owner: str | None, limit: int, after: str) -> list[ClientApp]:
        """See the contract."""
        return [ClientApp(*row) for row in await self.db.reading.fetch(_APPS, owner, after, limit)]

    async def remove_client_app(self, key: str) -> bool:
        """See the contract."""
        async with self.db.durable.transaction() as connection:
            gone = await connection.fetchval(_REMOVE_APP, key)  # first, so that nobody subscribes as it meanwhile
            await _remove(connection, [row["id"] for row in await connection.fetch(_OF_APP, key)])
            return bool(gone)


async def _remove(connection: Any, ids: list[str]) -> bool:
    await connection.execute(_HOLD_MARK)
    await connection.execute(_LEAVE, ids)
    await connection.execute(_END_READERS, [owner_reader(id_) for id_ in ids])
    return bool(await connection.fetch(_REMOVE, ids))


def _row(row: Any) -> SubscriptionRow:
    return SubscriptionRow(
        row["id"],
        row["owner"],
        row["created_at"],
        row["since"],
        msgspec.json.decode(row["endpoint"], type=Endpoint),
        row["secrets"],
        msgspec.json.decode(row["health"], type=Health),
        row["app"],
        row["revision"],
    )
