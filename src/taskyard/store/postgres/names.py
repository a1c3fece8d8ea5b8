"""Definitions, lanes and policies: content in, short numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskyard.domain.definition import Definition, Kind
from taskyard.domain.policy import Policy
from taskyard.domain.queue import LaneKey
from taskyard.store.postgres.base import Base
from taskyard.store.postgres.shapes import columns, decode, encode
from taskyard.store.postgres.statements import statement

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('taskyard.kind'))"
_SAVE_KIND = statement("save_kind")
_CURRENT_KINDS = "SELECT kind_id, retired FROM taskyard.definition ORDER BY key"
_KINDS = statement("kinds")
_RETIRE = "UPDATE taskyard.definition SET retired = true WHERE key = $1 RETURNING true"
_SAVE_LANES = statement("save_lanes")
_LANES_BY_KEY = statement("lanes_by_key")
_LANES = statement("lanes")
_SAVE_POLICIES = statement("save_policies")
_POLICIES_BY_HASH = statement("policies_by_hash")
_POLICIES = statement("policies")


class Names(Base):
    """The facet of the same name."""

    async def save_kinds(self, definitions: Sequence[Definition]) -> list[Kind]:
        """See the contract. Processes that start together save the same things: one at a time."""
        saved = []
        async with self.db.durable.transaction() as connection:
            await connection.execute(_LOCK)
            for definition in definitions:
                key, hash_, tags = definition.key, definition.content_hash(), list(definition.tags)
                content = (key, hash_, definition.task_type.value, tags, encode(definition))
                row = await connection.fetchrow(_SAVE_KIND, self.clock.moment, *content)
                saved.append(Kind(row["id"], row["number"], hash_, definition, row["created_at"]))
        return saved

    async def current_kinds(self) -> list[tuple[int, bool]]:
        """See the contract."""
        return [tuple(row) for row in await self.db.relaxed.fetch(_CURRENT_KINDS)]

    async def kinds(self, ids: Sequence[int]) -> list[Kind]:
        """See the contract."""
        return await self._kinds(ids, None)

    async def versions(self, key: str) -> list[Kind]:
        """See the contract."""
        return await self._kinds(None, key)

    async def retire(self, key: str) -> bool:
        """See the contract."""
        return bool(await self.db.durable.value(_RETIRE, key))

    async def lanes(self, keys: Sequence[LaneKey]) -> list[int]:
        """See the contract."""
        parts = columns(keys, len(LaneKey._fields))
        rows = await self.db.relaxed.fetch(_LANES_BY_KEY, *parts)
        if len(rows) < len(keys):
            await self.db.durable.fetch(_SAVE_LANES, *parts)
            rows = await self.db.relaxed.fetch(_LANES_BY_KEY, *parts)
        return [row["id"] for row in rows]

    async def all_lanes(self, beyond: int = 0) -> list[tuple[int, LaneKey]]:
        """See the contract."""
        return [(row["id"], LaneKey(*row[1:])) for row in await self.db.relaxed.fetch(_LANES, beyond)]

    async def policies(self, policies: Sequence[Policy]) -> list[int]:
        """See the contract."""
        specs = {policy.fingerprint(): encode(policy) for policy in policies}
        ids = await self._policy_ids(list(specs))
        if len(ids) < len(specs):
            await self.db.durable.fetch(_SAVE_POLICIES, list(specs), list(specs.values()))
            ids = await self._policy_ids(list(specs))
        return [ids[policy.fingerprint()] for policy in policies]

    async def policies_by_id(self, ids: Sequence[int]) -> list[tuple[int, Policy]]:
        """See the contract."""
        rows = await self.db.relaxed.fetch(_POLICIES, list(ids))
        return [(row["id"], decode(row["spec"], type=Policy)) for row in rows]

    async def _policy_ids(self, hashes: list[bytes]) -> dict[bytes, int]:
        return {row["hash"]: row["id"] for row in await self.db.relaxed.fetch(_POLICIES_BY_HASH, hashes)}

    async def _kinds(self, ids: Sequence[int] | None, key: str | None) -> list[Kind]:
        rows: list[Any] = await self.db.relaxed.fetch(_KINDS, None if ids is None else list(ids), key)
        return [
            Kind(id_, number, hash_, decode(spec, type=Definition), created_at, retired)
            for id_, number, hash_, spec, created_at, retired in rows
        ]
