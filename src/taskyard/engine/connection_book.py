"""What is known of connections, kept near: read again when they are asked for, at most once a second."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

import msgspec

from taskyard.contracts.connections import ConnectionRow, Mark
from taskyard.contracts.store import Store
from taskyard.domain.breaker import CONNECTION, Breaker, BreakerState
from taskyard.domain.connection import Connection
from taskyard.domain.definition import Definition
from taskyard.domain.gate import CallGate, RateGate
from taskyard.domain.queue import LaneKey, Queue
from taskyard.domain.rate import parse_rate

_FRESH = 1.0
_TRICKLE = parse_rate("1/s")


class Known(NamedTuple):
    """A connection, and its breaker."""

    row: ConnectionRow
    breaker: Breaker


class ConnectionBook:
    """The connections by id."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: dict[str, ConnectionRow] = {}
        self._breakers: dict[str, Breaker] = {}
        self._until = 0.0
        self._reading = asyncio.Lock()

    async def find(self, connection_id: str) -> Known | None:
        """A connection as of a second ago at the latest; None where there is none."""
        await self._keep_fresh()
        return self._find(connection_id)

    async def find_now(self, connection_id: str) -> Known | None:
        """A connection as it is now."""
        await self.refresh()
        return self._find(connection_id)

    async def gates(self, connection_id: str) -> tuple[RateGate | CallGate, ...]:
        """What stands before the tasks that go over a connection: its limits, and while its circuit is not closed a
        trickle, by which they learn that they have to wait, or that they need not any more.
        """
        known = await self.find(connection_id)
        if known is None:
            return ()
        gates = limits_of(known.row.connection)
        if known.breaker.state(CONNECTION, await self._store.now()) is not BreakerState.CLOSED:
            gates.append(RateGate(f"circuit/{known.row.id}", _TRICKLE))
        return tuple(gates)

    async def refresh(self) -> None:
        """Read again what has changed."""
        async with self._reading:
            await self._read()

    async def _keep_fresh(self) -> None:
        if time.monotonic() >= self._until:
            async with self._reading:
                if time.monotonic() >= self._until:
                    await self._read()

    async def _read(self) -> None:
        marks = await self._store.connection_marks()
        kept = {mark.id: self._rows[mark.id] for mark in marks if self._is_known(mark)}
        changed = [mark.id for mark in marks if mark.id not in kept]
        if changed:
            kept |= {row.id: row for row in await self._store.connections_by_id(changed)}
        self._rows = kept
        self._breakers = {m.id: msgspec.json.decode(m.breaker.state, type=Breaker) for m in marks if m.breaker}
        self._until = time.monotonic() + _FRESH

    def _is_known(self, mark: Mark) -> bool:
        row = self._rows.get(mark.id)
        return row is not None and row.revision == mark.revision

    def _find(self, connection_id: str) -> Known | None:
        row = self._rows.get(connection_id)
        return None if row is None else Known(row, self._breakers.get(connection_id, Breaker()))


def connection_of(definition: Definition) -> str | None:
    """The id of the connection that a definition's tasks go over; None for those that need none."""
    return str(definition.implementation["connectionId"]) if definition.kind == "integration" else None


def lane_of(definition: Definition, priority: int, target: str = "") -> LaneKey:
    """Where the tasks of a version begin; `target` is the one that they ask for."""
    queue = Queue.of(definition.task_type)
    return LaneKey(queue, queue, definition.key, priority, 0, target, connection_of(definition) or "")


def limits_of(connection: Connection) -> list[RateGate | CallGate]:
    """How many calls over a connection may start, and be made at once."""
    rate, most = connection.limits.rate_limit, connection.limits.max_concurrent
    gates: list[RateGate | CallGate] = []
    if rate is not None:
        gates.append(RateGate(f"connection/{connection.connection_id}", parse_rate(rate)))
    if most is not None:
        gates.append(CallGate(connection.connection_id, most))
    return gates
