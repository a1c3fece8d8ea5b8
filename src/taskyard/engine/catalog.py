"""What is known of definitions, lanes and policies, kept near.

Versions, lanes and policies never change once they are there, so only what is current is read again.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import NamedTuple

import msgspec

from taskyard.contracts.store import Store
from taskyard.domain.definition import Kind
from taskyard.domain.forms.start import input_schema
from taskyard.domain.policy import Policy
from taskyard.domain.priority import Priority
from taskyard.domain.queue import LaneKey
from taskyard.domain.schema import Validator, compile_schema
from taskyard.errors import NotFound

_FRESH = 1.0


class Known(NamedTuple):
    """A version with its compiled schemas; None where a definition has none."""

    kind: Kind
    input: Validator | None
    output: Validator | None


class Route(NamedTuple):
    """Where the tasks of a version go that name the same priority and bring no policy of their own."""

    priority: Priority
    lane_id: int
    policy: Policy
    policy_id: int


class Catalog:
    """Names, looked up once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[int, Known] = {}
        self._current: dict[str, Kind] = {}
        self._current_ids: list[tuple[int, bool]] = []
        self._current_until = 0.0
        self._lanes: dict[LaneKey, int] = {}
        self._lane_keys: dict[int, LaneKey] = {}
        self._policies: dict[int, Policy] = {}
        self._policy_ids: dict[bytes, int] = {}
        self.plain_policies: dict[int, tuple[Policy, int]] = {}
        self.routes: dict[tuple[int, str | None], Route] = {}

    # ---- versions
    async def current(self, key: str) -> Known:
        """The definition's current version. Raises NotFound when there is none, or it is retired."""
        if key not in self._current:
            await self.refresh()
        else:
            await self._keep_fresh()
        kind = self._current.get(key)
        if kind is None or kind.retired:
            raise NotFound(f"there is no task definition {key!r}; `taskyard definitions` lists those there are")
        return self.learn(kind)

    async def all_current(self) -> list[Kind]:
        """Every definition's current version, by key."""
        await self.refresh()
        return [self._current[key] for key in sorted(self._current)]

    async def all_fresh(self) -> Collection[Kind]:
        """Every definition's current version as of a second ago at the latest."""
        await self._keep_fresh()
        return self._current.values()

    async def refresh(self) -> None:
        """Read again what is current."""
        ids = await self._store.current_kinds()
        if ids != self._current_ids:
            known = await self.versions(id_ for id_, _ in ids)
            kinds = [msgspec.structs.replace(known[id_].kind, retired=retired) for id_, retired in ids]
            self._current, self._current_ids = {kind.definition.key: kind for kind in kinds}, ids
        self._current_until = time.monotonic() + _FRESH

    async def _keep_fresh(self) -> None:
        if time.monotonic() >= self._current_until:
            await self.refresh()

    def learn(self, kind: Kind) -> Known:
        """Keep a version that has just been read or stored."""
        known = self._known.get(kind.id)
        if known is None:
            known = self._known[kind.id] = _compile(kind)
        return known

    def publish(self, kind: Kind) -> Known:
        """Keep a version that has just become current, until it is read again what is."""
        self._current[kind.definition.key] = kind
        self._current_ids = []
        return self.learn(kind)

    async def versions(self, ids: Iterable[int]) -> dict[int, Known]:
        """The versions with these ids."""
        wanted = set(ids)
        missing = wanted - self._known.keys()
        if missing:
            for kind in await self._store.kinds(sorted(missing)):
                self.learn(kind)
        return {id_: self._known[id_] for id_ in wanted if id_ in self._known}

    # ---- policies
    async def policy_id(self, policy: Policy) -> int:
        """The id of a policy."""
        fingerprint = policy.fingerprint()
        found = self._policy_ids.get(fingerprint)
        if found is None:
            found = (await self._store.policies([policy]))[0]
            self._policies[found] = policy
            self._policy_ids[fingerprint] = found
        return found

    async def policies(self, ids: Iterable[int]) -> dict[int, Policy]:
        """The policies with these ids."""
        wanted = set(ids)
        missing = wanted - self._policies.keys()
        if missing:
            self._policies.update(await self._store.policies_by_id(sorted(missing)))
        return {id_: self._policies[id_] for id_ in wanted if id_ in self._policies}

    # ---- lanes
    def has_lane(self, key: LaneKey) -> bool:
        """Whether the lane is known here."""
        return key in self._lanes

    async def lane_id(self, key: LaneKey) -> int:
        """The id of a lane, made where it is new."""
        if key not in self._lanes:
            await self.lane_ids([key])
        return self._lanes[key]

    async def lane_ids(self, keys: list[LaneKey]) -> list[int]:
        """The ids of lanes, made where they are new."""
        missing = [key for key in keys if key not in self._lanes]
        if missing:
            self._learn_lanes(zip(await self._store.lanes(missing), missing, strict=True))
        return [self._lanes[key] for key in keys]

    def lane_key(self, lane_id: int) -> LaneKey:
        """The lane with this id, which must have been read before."""
        return self._lane_keys[lane_id]

    async def all_lanes(self) -> dict[int, LaneKey]:
        """Every lane there is now."""
        self._learn_lanes(await self._store.all_lanes())
        return self._lane_keys

    async def latest_lanes(self) -> dict[int, LaneKey]:
        """The same for less, without those that appeared late: only ids beyond the greatest known are read."""
        self._learn_lanes(await self._store.all_lanes(beyond=max(self._lane_keys, default=0)))
        return self._lane_keys

    def _learn_lanes(self, lanes: Iterable[tuple[int, LaneKey]]) -> None:
        for id_, key in lanes:
            self._lanes[key] = id_
            self._lane_keys[id_] = key


def _compile(kind: Kind) -> Known:
    definition = kind.definition
    asked = input_schema(definition)
    return Known(
        kind,
        compile_schema(asked) if asked is not None else None,
        compile_schema(definition.output_schema) if definition.output_schema is not None else None,
    )
