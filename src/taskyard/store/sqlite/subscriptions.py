"""Webhook endpoints, and the client apps that subscribe by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from taskyard.contracts.records import Topic
from taskyard.contracts.webhooks import ClientApp, SubscriptionRow, owner_reader
from taskyard.domain.webhook import Endpoint, Health, Status
from taskyard.store.sqlite.base import Base, Connection

_ROW = "SELECT id, owner, created_at, since, endpoint, secrets, health, app, revision FROM subscription"
_APP = "SELECT key, name, owner, created_at, secret FROM client_app"
_ADD_APP = "INSERT INTO client_app (key, name, owner, created_at, secret) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_CHANGE_APP = "UPDATE client_app SET secret = ? WHERE key = ? AND secret = ?"
_OPEN = f"status IN ({Status.PENDING:d}, {Status.RETRYING:d})"


class Subscriptions(Base):
    """The facet of the same name."""

    async def save_subscription(self, row: SubscriptionRow) -> bool:
        """See the contract."""
        saved = await self.db.write(_save, row)
        self.wake(Topic.FEED)
        return saved

    async def subscription(self, subscription_id: str) -> SubscriptionRow | None:
        """See the contract."""
        rows = await self.db.read(_rows, "WHERE id = ?", (subscription_id,))
        return rows[0] if rows else None

    async def subscriptions(self, owner: str | None, limit: int, after: str) -> list[SubscriptionRow]:
        """See the contract."""
        if owner is None:
            return await self.db.read(_rows, "WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        return await self.db.read(_rows, "WHERE owner = ? AND id > ? ORDER BY id LIMIT ?", (owner, after, limit))

    async def enabled_subscriptions(self) -> list[SubscriptionRow]:
        """See the contract."""
        return await self.db.read(_rows, "WHERE enabled ORDER BY id", ())

    async def given_up_subscriptions(self) -> list[SubscriptionRow]:
        """See the contract."""
        rows = await self.db.read(_rows, "WHERE NOT enabled ORDER BY id", ())
        return [row for row in rows if row.health.disabled_at is not None]

    async def save_health(self, subscription_id: str, health: Health) -> None:
        """See the contract."""

        def run(connection: Connection) -> None:
            connection.execute(
                "UPDATE subscription SET health = ?, enabled = enabled AND ? WHERE id = ?",
                (msgspec.json.encode(health), health.disabled_at is None, subscription_id),
            )

        await self.db.write(run)

    async def remove_subscription(self, subscription_id: str) -> bool:
        """See the contract."""

        def run(connection: Connection) -> bool:
            return _remove(connection, [subscription_id])

        return await self.db.write(run)

    async def save_client_app(self, app: ClientApp, before: bytes | None = None) -> bool:
        """See the contract."""
        change = (_ADD_APP, app) if before is None else (_CHANGE_APP, (app.secret, app.key, before))
        return await self.db.write(lambda connection: connection.execute(*change).rowcount > 0)

    async def client_app(self, key: str) -> ClientApp | None:
        """See the contract."""

        def run(connection: Connection) -> ClientApp | None:
            row = connection.execute(f"{_APP} WHERE key = ?", (key,)).fetchone()
            return None if row is None else ClientApp(*row)

        return await self.db.read(run)

    async def client_apps(self, owner: str | None, limit: int, after: str) -> list[ClientApp]:
        """See the contract."""

        def run(connection: Connection) -> list[ClientApp]:
            query = f"{_APP} WHERE owner = coalesce(?, owner) AND key > ? ORDER BY key LIMIT ?"
            return [ClientApp(*row) for row in connection.execute(query, (owner, after, limit))]

        return await self.db.read(run)

    async def remove_client_app(self, key: str) -> bool:
        """See the contract."""

        def run(connection: Connection) -> bool:
            _remove(
                connection, [row[0] for row in connection.execute("SELECT id FROM subscription WHERE app = ?", (key,))]
            )
            return connection.execute("DELETE FROM client_app WHERE key = ?", (key,)).rowcount > 0

        return await self.db.write(run)


def _rows(connection: Connection, where: str, parameters: Sequence[Any]) -> list[SubscriptionRow]:
    return [_row(*row) for row in connection.execute(f"{_ROW} {where}", parameters)]


def _row(
    id_: str, owner: str, created_at: int, since: int, endpoint: bytes, secrets: bytes, health: bytes, *rest: Any
) -> SubscriptionRow:
    told = msgspec.json.decode(endpoint, type=Endpoint)
    fares = msgspec.json.decode(health, type=Health)
    return SubscriptionRow(id_, owner, created_at, since, told, secrets, fares, *rest)


def _save(connection: Connection, row: SubscriptionRow) -> bool:
    content = (
        row.owner, row.created_at, row.since, msgspec.json.encode(row.endpoint), row.secrets,
        msgspec.json.encode(row.health), row.app, row.endpoint.enabled and row.health.disabled_at is None, row.id,
    )  # fmt: skip
    if row.revision == 0:
        statement = (
            "INSERT INTO subscription "
            "(owner, created_at, since, endpoint, secrets, health, app, enabled, id, revision) "
            "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1 "
            "WHERE ?7 IS NULL OR EXISTS (SELECT 1 FROM client_app WHERE key = ?7) ON CONFLICT DO NOTHING"
        )
        return connection.execute(statement, content).rowcount > 0
    statement = (
        "UPDATE subscription SET owner = ?, created_at = ?, since = ?, endpoint = ?, secrets = ?, health = ?, app = ?, "
        "enabled = ?, revision = revision + 1 WHERE id = ? AND revision = ?"
    )
    return connection.execute(statement, (*content, row.revision)).rowcount > 0


def _remove(connection: Connection, ids: Sequence[str]) -> bool:
    removed = 0
    for id_ in ids:
        connection.execute(
            f"UPDATE delivery SET status = {Status.DEAD:d}, next_at = NULL WHERE endpoint = ? AND {_OPEN}", (id_,)
        )
        connection.execute("DELETE FROM reader WHERE name = ?", (owner_reader(id_),))
        removed += connection.execute("DELETE FROM subscription WHERE id = ?", (id_,)).rowcount
    return removed > 0
