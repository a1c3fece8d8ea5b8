"""Claims from lanes with gates.

Whoever claims holds the gates' rows for one short transaction: what each lets through is counted then, and a rate's
bucket written back by what was really claimed. Somebody who gets stuck in it does not keep others waiting for long.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Final

import asyncpg

from taskyard.contracts.connections import AtWork, Begun
from taskyard.contracts.records import GatedLease, Lease, Topic
from taskyard.domain.gate import CallGate, Ceiling, Gate, GatedLane, RateGate, share, telling
from taskyard.domain.priority import AGED, HeadStarts
from taskyard.domain.rate import Bucket
from taskyard.errors import Overloaded
from taskyard.store.postgres.execution import Execution, by_number, leased
from taskyard.store.postgres.statements import fill, statement

_STANDING = statement("standing")
_LOCK = statement("lock_gates")
_NOW: Final = fill("SELECT @now")
_ADD = "INSERT INTO taskyard.gate (name) SELECT unnest($1::text[]) ORDER BY 1 ON CONFLICT DO NOTHING"
_SAVE = "UPDATE taskyard.gate SET taken_at = $2, full_at = $3 WHERE name = $1"
_BUSY = "SELECT home, count(*) FROM taskyard.busy WHERE home = ANY ($1::smallint[]) GROUP BY home"
_CLAIM = statement("claim", most="($8::int[])[array_position($3::int[], l.id)]")
_BUCKET: Final = fill("SELECT @now, taken_at, full_at FROM (SELECT) one LEFT JOIN taskyard.gate ON name = $2")

_TASKS = "FROM taskyard.running r JOIN taskyard.lane l ON l.id = r.lane_id WHERE l.connection = $1"
_CALLS = "SELECT count(*) FROM taskyard.open_call WHERE connection_id = $1 AND ends_at > $2"
_AT_WORK = f"SELECT (SELECT count(*) {_TASKS}), ({_CALLS})"
_FIRST = f"SELECT r.task_id {_TASKS} ORDER BY 1 LIMIT $2"
_END_OLD = "DELETE FROM taskyard.open_call WHERE connection_id = $1 AND ends_at <= $2"
_BEGIN = "INSERT INTO taskyard.open_call (id, connection_id, ends_at) VALUES ($1, $2, $3)"
_END = "DELETE FROM taskyard.open_call WHERE id = $1 RETURNING true"

_NOTHING: Final = GatedLease(None, {})


class Gating(Execution):
    """The facet of the same name."""

    async def claim_gated(
        self, worker_id: int, lanes: Sequence[GatedLane], limit: int, visibility_us: int | None = None,
        head_starts: HeadStarts = AGED,
    ) -> GatedLease:  # fmt: skip
        """See the contract. Where the answer is lost on its way, what was leased is given back."""
        starts = by_number(head_starts)
        guarded = [lane.id for lane in lanes if lane.gates]
        if not await self.db.relaxed.fetch(_STANDING, guarded, [1] * len(guarded), starts):
            return _NOTHING
        claim_id = self.new_ids(1)[0]
        passage = _Passage(self.clock.moment, worker_id, claim_id, lanes, limit, visibility_us, starts)
        try:
            async with self.db.gated.transaction() as connection:
                return await passage.claim(connection)
        except BaseException as error:
            if _is_crowd(error):
                return _NOTHING
            self.spawn(self.give_back(worker_id, claim_id, 0 if visibility_us is None else 1))
            raise

    async def rate_opens_at(self, gate: RateGate) -> int:
        """See the contract."""
        now, *bucket = await self.db.reading.only(_BUCKET, self.clock.moment, gate.name)
        return gate.rate.opens_at(Bucket() if None in bucket else Bucket(*bucket), now)

    async def begin_call(self, gates: Sequence[RateGate | CallGate], lasts_us: int) -> Begun:
        """See the contract. Where the answer is lost on its way, what was begun is ended."""
        call_id = self.new_ids(1)[0]
        try:
            async with self.db.gated.transaction() as connection:
                return await _begin(connection, self.clock.moment, gates, call_id, lasts_us)
        except BaseException as error:
            if _is_crowd(error):
                return Begun(None, None, await self._now())
            self.spawn(self._end_lost(call_id))
            raise

    async def end_call(self, call_id: int) -> None:
        """See the contract."""
        if await self.db.durable.value(_END, call_id):
            self.wake(Topic.READY)

    async def _end_lost(self, call_id: int) -> None:
        with suppress(Overloaded):  # then its time ends it
            await self.end_call(call_id)

    async def _now(self) -> int:
        return int(await self.db.reading.value(_NOW, self.clock.moment))

    async def at_work(self, gate: CallGate, most: int) -> AtWork:
        """See the contract."""
        first = await self.db.reading.fetch(_FIRST, gate.connection_id, most)
        counts = await self.db.reading.only(_AT_WORK, gate.connection_id, await self._now())
        return AtWork([row[0] for row in first], *counts)


class _Passage:
    """One claim through gates, within a transaction."""

    def __init__(
        self, moment: int | None, worker_id: int, claim_id: int, lanes: Sequence[GatedLane], limit: int,
        visibility_us: int | None, starts: list[int],
    ) -> None:  # fmt: skip
        self._moment = moment
        self._worker_id = worker_id
        self._claim_id = claim_id
        self._lanes = {lane.id: lane for lane in lanes}
        self._gates = frozenset(gate for lane in lanes for gate in lane.gates)
        self._limit = limit
        self._visibility_us = visibility_us
        self._starts = starts

    async def claim(self, connection: asyncpg.Connection) -> GatedLease:
        """Lease what the gates let through, and say when those that kept somebody back will open."""
        buckets = await _lock(connection, sorted(gate.name for gate in self._gates))
        now = int(await connection.fetchval(_NOW, self._moment))
        rooms = await self._rooms(connection, buckets, now)
        most = [telling(lane, rooms, self._limit) for lane in self._lanes.values()]
        waiting = await connection.fetch(_STANDING, list(self._lanes), most, self._starts)
        counts, shut = share([(self._lanes[id_], count) for id_, count in waiting], rooms, self._limit)
        lease = await self._lease(connection, counts, now) if counts else None
        if lease is not None:
            await self._spend(connection, lease, buckets)
        return GatedLease(lease, {g: g.rate.opens_at(buckets[g.name], now) for g in shut if isinstance(g, RateGate)})

    async def _rooms(self, connection: asyncpg.Connection, buckets: dict[str, Bucket], now: int) -> dict[Gate, int]:
        homes = [gate.home for gate in self._gates if isinstance(gate, Ceiling)]
        busy: dict[int, int] = dict(await connection.fetch(_BUSY, homes)) if homes else {}
        rooms: dict[Gate, int] = {}
        for gate in self._gates:
            if isinstance(gate, RateGate):
                rooms[gate] = gate.rate.free(buckets[gate.name], now)
            elif isinstance(gate, CallGate):
                rooms[gate] = await _calls_left(connection, gate, now)
            else:
                rooms[gate] = max(0, gate.limit - busy.get(gate.home, 0))
        return rooms

    async def _lease(self, connection: asyncpg.Connection, counts: dict[int, int], now: int) -> Lease | None:
        rows = await connection.fetch(
            _CLAIM, now, self._worker_id, list(counts), sum(counts.values()), self._claim_id, self._visibility_us,
            self._starts, list(counts.values()),
        )  # fmt: skip
        return leased(self._claim_id, rows)

    async def _spend(self, connection: asyncpg.Connection, lease: Lease, buckets: dict[str, Bucket]) -> None:
        """Take from the buckets what was claimed."""
        for gate in self._gates:
            taken = sum(gate in self._lanes[task.lane_id].gates for task in lease.tasks)
            if taken and isinstance(gate, RateGate):
                bucket = buckets[gate.name] = gate.rate.take(buckets[gate.name], lease.claimed_at, taken)
                await connection.execute(_SAVE, gate.name, *bucket)


async def _begin(
    connection: asyncpg.Connection, moment: int | None, gates: Sequence[RateGate | CallGate], call_id: int,
    lasts_us: int,
) -> Begun:  # fmt: skip
    """Within a transaction; see the contract."""
    buckets = await _lock(connection, sorted(gate.name for gate in gates))
    now = int(await connection.fetchval(_NOW, moment))
    for gate in gates:
        if isinstance(gate, CallGate):
            if not await _calls_left(connection, gate, now):
                return Begun(None, gate, now)
        elif not gate.rate.free(buckets[gate.name], now):
            return Begun(None, gate, gate.rate.opens_at(buckets[gate.name], now))
    for gate in gates:
        if isinstance(gate, CallGate):
            await connection.execute(_END_OLD, gate.connection_id, now)
            await connection.execute(_BEGIN, call_id, gate.connection_id, now + lasts_us)
        else:
            await connection.execute(_SAVE, gate.name, *gate.rate.take(buckets[gate.name], now, 1))
    return Begun(call_id)


async def _calls_left(connection: asyncpg.Connection, gate: CallGate, now: int) -> int:
    tasks, calls = await connection.fetchrow(_AT_WORK, gate.connection_id, now)
    return max(0, gate.limit - int(tasks) - int(calls))


def _is_crowd(error: BaseException) -> bool:
    """Whether others are at these gates, and have been for as long as we may wait."""
    return isinstance(error, Overloaded) and isinstance(error.__cause__, asyncpg.LockNotAvailableError)


async def _lock(connection: asyncpg.Connection, names: Collection[str]) -> dict[str, Bucket]:
    """Hold the gates for the rest of the transaction; their buckets."""
    rows = await connection.fetch(_LOCK, names)
    if len(rows) < len(names):
        await connection.execute(_ADD, names)
        rows = await connection.fetch(_LOCK, names)
    return {row["name"]: Bucket(row["taken_at"], row["full_at"]) for row in rows}
