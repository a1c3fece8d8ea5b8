"""Gates: which lanes have limits on what may be claimed, and claims that keep to them.

Lanes without a gate are claimed as if there were none. Of a gate that is known to be shut nobody asks before it opens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from taskyard.contracts.records import Lease
from taskyard.contracts.store import Store
from taskyard.domain.definition import Definition
from taskyard.domain.gate import CallGate, Ceiling, GatedLane, RateGate
from taskyard.domain.priority import HeadStarts
from taskyard.domain.queue import LaneKey, Queue
from taskyard.domain.rate import parse_rate
from taskyard.domain.suspicion import BESIDE_ITS_LIKE
from taskyard.engine.catalog import Catalog
from taskyard.engine.connection_book import ConnectionBook, connection_of


class Lanes(NamedTuple):
    """Lanes to claim from, those without and those with gates."""

    free: list[int]
    gated: list[GatedLane]


class Rank(NamedTuple):
    """Lanes of tasks that are equally suspect."""

    suspicion: int
    lanes: Lanes


class Gatekeeper:
    """Claims for all workers of this process. `ceilings`: how many tasks of a home queue may run at once."""

    def __init__(
        self, store: Store, catalog: Catalog, connections: ConnectionBook, ceilings: Mapping[Queue, int],
        head_starts: HeadStarts,
    ) -> None:  # fmt: skip
        self._store = store
        self._catalog = catalog
        self._connections = connections
        self._ceilings = {int(queue): Ceiling(int(queue), limit) for queue, limit in ceilings.items()}
        self._head_starts = head_starts
        self._opens_at: dict[RateGate, int] = {}

    async def sort(self, lanes: Mapping[int, LaneKey]) -> Lanes:
        """These lanes with the gates that stand before them now."""
        rates = await self._rates()
        over = {id_: await self._connections.gates(id_) for id_ in {key.connection for key in lanes.values()} if id_}
        if not rates and not any(over.values()) and not self._ceilings:
            return Lanes(list(lanes), [])
        sorted_ = Lanes([], [])
        for id_, key in lanes.items():
            ceiling = self._ceilings.get(key.home)
            gates = (
                *rates.get(key.definition, ()), *over.get(key.connection, ()), *(() if ceiling is None else (ceiling,))
            )  # fmt: skip
            if gates:
                sorted_.gated.append(GatedLane(id_, gates))
            else:
                sorted_.free.append(id_)
        return sorted_

    async def claim(self, worker_id: int, lanes: Lanes, limit: int, visibility_us: int | None = None) -> Lease | None:
        """Lease up to `limit` tasks, in order, as far as the gates let through; None when there is nothing."""
        if lanes.gated and (lease := await self._claim_gated(worker_id, lanes, limit, visibility_us)):
            return lease
        if not lanes.free:
            return None
        return await self._store.claim(worker_id, lanes.free, limit, visibility_us, self._head_starts)

    async def sort_solo(self, lanes: Mapping[int, LaneKey]) -> list[Rank]:
        """Those of these lanes whose tasks are suspect, the least first."""
        ranks = sorted({key.solo for key in lanes.values() if key.solo})
        return [Rank(n, await self.sort({id_: key for id_, key in lanes.items() if key.solo == n})) for n in ranks]

    async def claim_solo(
        self, worker_id: int, ranks: Sequence[Rank], visibility_us: int | None = None, company: int = 1
    ) -> Lease | None:
        """Lease tasks that may run together, up to `company`, of the first rank that has any."""
        for rank in ranks:
            at_once = company if rank.suspicion == BESIDE_ITS_LIKE else 1
            if lease := await self.claim(worker_id, rank.lanes, at_once, visibility_us):
                return lease
        return None

    async def opens_in(self) -> float | None:
        """Seconds until the first of the gates that are known to be shut opens; None where there is none."""
        if not self._opens_at:
            return None
        now = await self._store.now()
        ahead = [opens_at - now for opens_at in self._opens_at.values() if opens_at > now]
        return min(ahead) / 1_000_000 if ahead else None

    async def rates(self, definition: Definition) -> tuple[RateGate, ...]:
        """The rates that the tasks of a version keep to: its definition's current one, its own connection's."""
        connection_id = connection_of(definition)
        over = await self._connections.gates(connection_id) if connection_id is not None else ()
        rates = (await self._rates()).get(definition.key, ())
        return (*rates, *(gate for gate in over if isinstance(gate, RateGate)))

    async def calls(self, connection_id: str) -> CallGate | None:
        """What limits the calls at once over a connection; None for any number."""
        gates = await self._connections.gates(connection_id)
        return next((gate for gate in gates if isinstance(gate, CallGate)), None)

    def ceiling(self, queue: Queue) -> int | None:
        """How many tasks of a home queue may run at once; None for any number."""
        ceiling = self._ceilings.get(queue)
        return None if ceiling is None else ceiling.limit

    async def _rates(self) -> dict[str, tuple[RateGate, ...]]:
        """Of the definitions whose current versions have one."""
        kinds = await self._catalog.all_fresh()
        told = {kind.definition.key: kind.definition.rate_limit for kind in kinds}
        return {key: (RateGate(key, parse_rate(rate)),) for key, rate in told.items() if rate}

    async def _claim_gated(self, worker_id: int, lanes: Lanes, limit: int, visibility_us: int | None) -> Lease | None:
        """Where anybody waits before an open gate, claim from all lanes, so that nobody goes before their turn."""
        now = await self._store.now()
        self._opens_at = {gate: opens_at for gate, opens_at in self._opens_at.items() if opens_at > now}
        open_ = [lane for lane in lanes.gated if self._opens_at.keys().isdisjoint(lane.gates)]
        if not open_:
            return None
        every = [*open_, *map(GatedLane, lanes.free)]
        lease, opens_at = await self._store.claim_gated(worker_id, every, limit, visibility_us, self._head_starts)
        self._opens_at.update(opens_at)
        return lease
