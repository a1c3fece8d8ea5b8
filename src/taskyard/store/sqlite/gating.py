"""Claims from lanes with gates. There is one writer, so what a gate lets through is what it says at that moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from taskyard.contracts.connections import AtWork, Begun
from taskyard.contracts.records import GatedLease, Topic
from taskyard.domain.gate import CallGate, Ceiling, Gate, GatedLane, RateGate, share, telling
from taskyard.domain.priority import AGED, HeadStarts
from taskyard.domain.rate import Bucket
from taskyard.store.sqlite.base import Connection
from taskyard.store.sqlite.execution import Execution, Head, Taken, Wanted, any_ready, heads, lease, take
from taskyard.store.sqlite.workers import is_dead

_TASKS = "FROM claim c JOIN lane l ON l.id = c.lane_id WHERE NOT c.revoked AND l.connection = ?"
_END_OLD = "DELETE FROM open_call WHERE connection_id = ? AND ends_at <= ?"
_CALLS = "SELECT count(*) FROM open_call WHERE connection_id = ? AND ends_at > ?"


class Gating(Execution):
    """The facet of the same name."""

    async def claim_gated(
        self, worker_id: int, lanes: Sequence[GatedLane], limit: int, visibility_us: int | None = None,
        head_starts: HeadStarts = AGED,
    ) -> GatedLease:  # fmt: skip
        """See the contract."""
        if not await self.db.read(any_ready, [lane.id for lane in lanes if lane.gates]):
            return GatedLease(None, {})
        wanted = Wanted(self.new_ids(1)[0], worker_id, limit, visibility_us, head_starts, self.clock.now())
        passed = await self.db.write(_claim, wanted, lanes)
        if passed.lease is not None:
            self.wake(Topic.FEED)
        return passed

    async def rate_opens_at(self, gate: RateGate) -> int:
        """See the contract."""
        now = self.clock.now()
        return await self.db.read(lambda connection: gate.rate.opens_at(_bucket(connection, gate), now))

    async def begin_call(self, gates: Sequence[RateGate | CallGate], lasts_us: int) -> Begun:
        """See the contract."""
        now, call_id = self.clock.now(), self.new_ids(1)[0]

        def run(connection: Connection) -> Begun:
            rooms = _rooms(connection, gates, now)
            for gate in gates:
                if not rooms[gate]:
                    return Begun(None, gate, _opens_at(connection, gate, now))
            _spend(connection, gates, now)
            for gate in gates:
                if isinstance(gate, CallGate):
                    connection.execute(_END_OLD, (gate.connection_id, now))
                    row = (call_id, gate.connection_id, now + lasts_us)
                    connection.execute("INSERT INTO open_call (id, connection_id, ends_at) VALUES (?, ?, ?)", row)
            return Begun(call_id)

        return await self.db.write(run)

    async def end_call(self, call_id: int) -> None:
        """See the contract."""
        delete = "DELETE FROM open_call WHERE id = ?"
        if await self.db.write(lambda connection: connection.execute(delete, (call_id,)).rowcount):
            self.wake(Topic.READY)

    async def at_work(self, gate: CallGate, most: int) -> AtWork:
        """See the contract."""
        now = self.clock.now()

        def run(connection: Connection) -> AtWork:
            wanted = gate.connection_id, most
            ids = connection.execute(f"SELECT c.task_id {_TASKS} ORDER BY 1 LIMIT ?", wanted).fetchall()
            return AtWork([row[0] for row in ids], _tasks(connection, gate), _calls(connection, gate, now))

        return await self.db.read(run)


def _claim(connection: Connection, wanted: Wanted, lanes: Sequence[GatedLane]) -> GatedLease:
    if is_dead(connection, wanted.worker_id):
        return GatedLease(None, {})
    by_id = {lane.id: lane for lane in lanes}
    rooms = _rooms(connection, {gate for lane in lanes for gate in lane.gates}, wanted.now)
    line = heads(connection, by_id, wanted.head_starts)
    waiting = [(by_id[head.lane_id], _count(connection, head, by_id, rooms, wanted.limit)) for head in line]
    counts, shut = share(waiting, rooms, wanted.limit)
    taken: list[Taken] = []
    for head in line:
        if head.lane_id in counts:
            taken += take(connection, head, counts[head.lane_id])
    _spend(connection, [gate for _, task in taken for gate in by_id[task.lane_id].gates], wanted.now)
    opens_at = {
        gate: gate.rate.opens_at(_bucket(connection, gate), wanted.now) for gate in shut if isinstance(gate, RateGate)
    }
    return GatedLease(lease(connection, wanted, taken), opens_at)


def _rooms(connection: Connection, gates: Iterable[Gate], now: int) -> dict[Gate, int]:
    return {gate: _room(connection, gate, now) for gate in gates}


def _room(connection: Connection, gate: Gate, now: int) -> int:
    if isinstance(gate, RateGate):
        return gate.rate.free(_bucket(connection, gate), now)
    if isinstance(gate, CallGate):
        return max(0, gate.limit - _tasks(connection, gate) - _calls(connection, gate, now))
    return max(0, gate.limit - _busy(connection, gate))


def _tasks(connection: Connection, gate: CallGate) -> int:
    return int(connection.execute(f"SELECT count(*) {_TASKS}", (gate.connection_id,)).fetchone()[0])


def _calls(connection: Connection, gate: CallGate, now: int) -> int:
    return int(connection.execute(_CALLS, (gate.connection_id, now)).fetchone()[0])


def _busy(connection: Connection, gate: Ceiling) -> int:
    return int(connection.execute("SELECT count(*) FROM busy WHERE home = ?", (gate.home,)).fetchone()[0])


def _bucket(connection: Connection, gate: RateGate) -> Bucket:
    row = connection.execute("SELECT taken_at, full_at FROM gate WHERE name = ?", (gate.name,)).fetchone()
    return Bucket() if row is None else Bucket(*row)


def _opens_at(connection: Connection, gate: RateGate | CallGate, now: int) -> int:
    return gate.rate.opens_at(_bucket(connection, gate), now) if isinstance(gate, RateGate) else now


def _count(connection: Connection, head: Head, lanes: dict[int, GatedLane], rooms: dict[Gate, int], limit: int) -> int:
    """How many wait in a lane, counted as far as it matters."""
    most = telling(lanes[head.lane_id], rooms, limit)
    query = "SELECT count(*) FROM (SELECT 1 FROM ready WHERE lane_id = ? LIMIT ?)"
    return int(connection.execute(query, (head.lane_id, most)).fetchone()[0])


def _spend(connection: Connection, passed: Sequence[Gate], now: int) -> None:
    """Take from the buckets what was claimed."""
    for gate in set(passed):
        if isinstance(gate, RateGate):
            bucket = gate.rate.take(_bucket(connection, gate), now, passed.count(gate))
            connection.execute(
                "INSERT OR REPLACE INTO gate (name, taken_at, full_at) VALUES (?, ?, ?)", (gate.name, *bucket)
            )
