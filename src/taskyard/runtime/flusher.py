"""Settling what has ended: one transaction for as many attempts as have gathered."""

from __future__ import annotations

import asyncio

from taskyard.contracts.records import Settlement
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.outcome import Completed
from taskyard.engine.engine import Engine
from taskyard.engine.settle import completed, fallback, settlement
from taskyard.runtime.desk import Desk, Ended
from taskyard.runtime.insistence import Wait, insist
from taskyard.runtime.reporter import Reporter

_AT_ONCE = 1024
_GATHER = 0.005
_FLUSH_AT = 256


class Flusher:
    """The one who settles for this worker. What the store cannot take now is kept in hand until it can."""

    def __init__(
        self, engine: Engine, desk: Desk, reporter: Reporter, worker_id: int, wait: Wait = asyncio.sleep
    ) -> None:
        self._engine = engine
        self._desk = desk
        self._reporter = reporter
        self.worker_id = worker_id
        self._wait = wait
        self._flushing = asyncio.Lock()

    async def run(self) -> None:
        """Settle until cancelled."""
        desk = self._desk
        while True:
            await desk.settle.wait()
            desk.settle.clear()
            if 0 < len(desk.ended) < _FLUSH_AT and (desk.waiting or len(desk.running) > 1):
                await asyncio.sleep(_GATHER)
            while desk.ended:
                await self.flush()

    async def flush(self) -> None:
        """Settle what has gathered, after what is being settled; waits for the store as long as it is away."""
        async with self._flushing:
            batch, self._desk.ended = self._desk.ended[:_AT_ONCE], self._desk.ended[_AT_ONCE:]
            if batch:
                await self._settle(batch)

    async def _settle(self, batch: list[Ended]) -> None:
        closing = self._closed(batch)

        async def store() -> None:
            settlements = await self._settlements(batch)
            if self._reporter.waiting:
                await self._reporter.flush()
            await self._engine.store.settle(self.worker_id, settlements, closing)

        await insist(store, f"{len(batch)} results wait for the store", self._wait)
        for ended in batch:
            self._reporter.forget(ended.claimed.task_id, ended.claimed.attempt)

    def _closed(self, batch: list[Ended]) -> list[int]:
        """The claims of which nothing is left after this batch."""
        left, closed = self._desk.left, []
        for ended in batch:
            left[ended.claim_id] -= 1
            if left[ended.claim_id] <= 0:
                del left[ended.claim_id]
                closed.append(ended.claim_id)
        return closed

    async def _settlements(self, batch: list[Ended]) -> list[Settlement]:
        """What becomes of each; those about which somebody has to be asked, at once."""
        undecided = [ended for ended in batch if not _is_done(ended)]
        decided = iter(await asyncio.gather(*map(self._settlement, undecided)) if undecided else ())
        return [_completed(ended) if _is_done(ended) else next(decided) for ended in batch]

    async def _settlement(self, ended: Ended) -> Settlement:
        claim_id, claimed, known, result, decision, run_ms, site = ended
        assert decision is not None  # noqa: S101 - only completion needs none
        if decision.outcome is Outcome.FALLBACK and isinstance(result, Completed):
            return fallback(claim_id, claimed, decision, result.output, run_ms or 0, site)
        policy = (await self._engine.catalog.policies([claimed.policy_id]))[claimed.policy_id]
        return await settlement(
            self._engine, known.kind, claim_id, claimed, result, decision, run_ms, site, target=policy.target
        )


def _is_done(ended: Ended) -> bool:
    return ended.decision is None and isinstance(ended.result, Completed)


def _completed(ended: Ended) -> Settlement:
    assert isinstance(ended.result, Completed)  # noqa: S101 - `_is_done` has said so
    return completed(ended.claim_id, ended.claimed, ended.run_ms or 0, ended.result, ended.site)
