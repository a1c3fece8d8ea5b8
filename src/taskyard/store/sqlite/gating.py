"""Claims from lanes with gates. There is one writer, so what a gate lets through is what it says at that moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from taskyard.contracts.records import GatedLease, Topic
from taskyard.domain.gate import Ceiling, Gate, GatedLane, RateGate, share, telling
from taskyard.domain.priority import AGED, HeadStarts
from taskyard.domain.rate import Bucket
from taskyard.store.sqlite.base import Connection
from taskyard.store.sqlite.execution import Execution, Head, Taken, Wanted, any_ready, heads, lease, take
from taskyard.store.sqlite.workers import is_dead


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
    return {
        gate: max(0, gate.limit - _busy(connection, gate))
        if isinstance(gate, Ceiling)
        else gate.rate.free(_bucket(connection, gate), now)
        for gate in gates
    }


def _busy(connection: Connection, gate: Ceiling) -> int:
    return int(connection.execute("SELECT count(*) FROM busy WHERE home = ?", (gate.home,)).fetchone()[0])


def _bucket(connection: Connection, gate: RateGate) -> Bucket:
    row = connection.execute("SELECT taken_at, full_at FROM gate WHERE name = ?", (gate.name,)).fetchone()
    return Bucket() if row is None else Bucket(*row)


def _count(connection: Connection, head: Head, lanes: dict[int, GatedLane], rooms: dict[Gate, int], limit: int) -> int:
    """How many wait in a lane, counted as far as it matters."""
    most = telling(lanes[head.lane_id], rooms, limit)
    query = "SELECT count(*) FROM (SELECT 1 FROM ready WHERE lane_id = ? LIMIT ?)"
    return int(connection.execute(query, (head.lane_id, most)).fetchone()[0])


def _spend(connection: Connection, passed: list[Gate], now: int) -> None:
    """Take from the buckets what was claimed."""
    for gate in set(passed):
        if isinstance(gate, RateGate):
            bucket = gate.rate.take(_bucket(connection, gate), now, passed.count(gate))
            connection.execute(
                "INSERT OR REPLACE INTO gate (name, taken_at, full_at) VALUES (?, ?, ?)", (gate.name, *bucket)
            )
