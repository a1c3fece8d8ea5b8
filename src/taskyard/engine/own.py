"""The engine's own tasks: what it does for itself is a task as any other, but is told to nobody outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from taskyard.contracts.records import Entry
from taskyard.domain.definition import Definition, Kind
from taskyard.engine.connection_book import lane_of
from taskyard.engine.engine import Engine
from taskyard.engine.freeze import freeze

NOTIFY: Final = Definition(
    key="taskyard.notify",
    title="Tell a person",
    description="Sends somebody what they are to know of their tasks, by the first of their ways that works.",
    implementation={"kind": "system", "name": "people.notify"},
    timeout=300.0,
    retry_policy={"maxRetries": 8, "initialDelay": 10.0, "multiplier": 3.0, "maxDelay": 3600.0},
)


class OwnTasks:
    """Makes tasks of one of the engine's own definitions. Nobody is offered it, so that nobody else asks for it."""

    def __init__(self, engine: Engine, definition: Definition) -> None:
        self._engine = engine
        self._definition = definition
        self._kind: Kind | None = None

    async def draft(self, inputs: Sequence[Any]) -> list[Entry]:
        """A task for each input, ready to be stored with what it is about."""
        engine, key = self._engine, self._definition.key
        if not inputs:
            return []
        if self._kind is None:
            kind = (await engine.store.save_kinds([self._definition]))[0]
            await engine.store.retire(key)
            self._kind = engine.catalog.learn(kind).kind
        _, policy_id = await freeze(engine, self._kind, None)
        priority = self._definition.default_priority
        lane_id = await engine.catalog.lane_id(lane_of(self._definition, priority))
        ids = engine.store.new_ids(len(inputs))
        return [
            Entry(id_, self._kind.id, policy_id, lane_id, priority, msgspec.json.encode(value))
            for id_, value in zip(ids, inputs, strict=True)
        ]
