"""Definitions, lanes and policies: content in, short numbers out."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from taskyard.domain.definition import Definition, Kind
from taskyard.domain.policy import Policy
from taskyard.domain.queue import LaneKey
from taskyard.store.sqlite.base import Base, Connection, as_array

_KIND = (
    "SELECT k.id, k.number, k.hash, k.spec, k.created_at, coalesce(d.retired, 0) "
    "FROM kind k LEFT JOIN definition d ON d.key = k.key"
)

_LANES = "SELECT id, queue, home, definition, priority, solo, target, connection FROM lane WHERE id > ?"


class Names(Base):
    """The facet of the same name."""

    async def save_kinds(self, definitions: Sequence[Definition]) -> list[Kind]:
        """See the contract."""
        return await self.db.write(_save_kinds, definitions, self.clock.now())

    async def current_kinds(self) -> list[tuple[int, bool]]:
        """See the contract."""
        current = "SELECT kind_id, retired FROM definition ORDER BY key"
        return await self.db.read(lambda c: [(id_, bool(retired)) for id_, retired in c.execute(current)])

    async def kinds(self, ids: Sequence[int]) -> list[Kind]:
        """See the contract."""
        where = "WHERE k.id IN (SELECT value FROM json_each(?))"
        return await self.db.read(lambda c: _kinds(c, where, (as_array(ids),)))

    async def versions(self, key: str) -> list[Kind]:
        """See the contract."""
        return await self.db.read(lambda c: _kinds(c, "WHERE k.key = ? ORDER BY k.number DESC", (key,)))

    async def retire(self, key: str) -> bool:
        """See the contract."""

        def run(connection: Connection) -> bool:
            return connection.execute("UPDATE definition SET retired = 1 WHERE key = ?", (key,)).rowcount > 0

        return await self.db.write(run)

    async def lanes(self, keys: Sequence[LaneKey]) -> list[int]:
        """See the contract."""
        return await self.db.write(_lanes, keys)

    async def all_lanes(self, beyond: int = 0) -> list[tuple[int, LaneKey]]:
        """See the contract."""

        def run(connection: Connection) -> list[tuple[int, LaneKey]]:
            rows = connection.execute(_LANES, (beyond,))
            return [(row[0], LaneKey._make(row[1:])) for row in rows]

        return await self.db.read(run)

    async def policies(self, policies: Sequence[Policy]) -> list[int]:
        """See the contract."""
        return await self.db.write(_policies, policies)

    async def policies_by_id(self, ids: Sequence[int]) -> list[tuple[int, Policy]]:
        """See the contract."""

        def run(connection: Connection) -> list[tuple[int, Policy]]:
            rows = connection.execute(
                "SELECT id, spec FROM policy WHERE id IN (SELECT value FROM json_each(?))", (as_array(ids),)
            )
            return [(row[0], msgspec.json.decode(row[1], type=Policy)) for row in rows]

        return await self.db.read(run)


def _kinds(connection: Connection, where: str, parameters: Sequence[object]) -> list[Kind]:
    rows = connection.execute(f"{_KIND} {where}", parameters)
    return [
        Kind(id_, number, hash_, msgspec.json.decode(spec, type=Definition), created_at, bool(retired))
        for id_, number, hash_, spec, created_at, retired in rows
    ]


def _save_kinds(connection: Connection, definitions: Sequence[Definition], now: int) -> list[Kind]:
    saved = []
    for definition in definitions:
        hash_ = definition.content_hash()
        connection.execute(
            "INSERT INTO kind (key, number, hash, spec, created_at) "
            "SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4 FROM kind WHERE key = ?1 ON CONFLICT DO NOTHING",
            (definition.key, hash_, msgspec.json.encode(definition), now),
        )
        connection.execute(
            "INSERT INTO definition (key, kind_id) SELECT key, id FROM kind WHERE key = ? AND hash = ? "
            "ON CONFLICT (key) DO UPDATE SET kind_id = excluded.kind_id, retired = 0",
            (definition.key, hash_),
        )
        saved += _kinds(connection, "WHERE k.key = ? AND k.hash = ?", (definition.key, hash_))
    return saved


def _lanes(connection: Connection, keys: Sequence[LaneKey]) -> list[int]:
    connection.executemany(
        "INSERT INTO lane (queue, home, definition, priority, solo, target, connection) VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT DO NOTHING",
        keys,
    )
    where = "queue = ? AND home = ? AND definition = ? AND priority = ? AND solo = ? AND target = ? AND connection = ?"
    return [connection.execute(f"SELECT id FROM lane WHERE {where}", key).fetchone()[0] for key in keys]


def _policies(connection: Connection, policies: Sequence[Policy]) -> list[int]:
    ids = []
    for policy in policies:
        hash_ = policy.fingerprint()
        connection.execute(
            "INSERT INTO policy (hash, spec) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (hash_, msgspec.json.encode(policy)),
        )
        ids.append(connection.execute("SELECT id FROM policy WHERE hash = ?", (hash_,)).fetchone()[0])
    return ids
