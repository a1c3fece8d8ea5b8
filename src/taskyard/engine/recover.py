"""Recover: tasks whose worker died or whose visibility ran out go back to their queue, or to the dead letters."""

from __future__ import annotations

from taskyard.domain.outcome import Lost
from taskyard.engine.engine import Engine
from taskyard.engine.settle import decide, settlement

_AT_ONCE = 1000


async def recover(engine: Engine) -> int:
    """Settle what was lost; how many tasks moved."""
    lost = await engine.store.lost(_AT_ONCE)
    if not lost:
        return 0
    await engine.catalog.all_lanes()
    policies = await engine.catalog.policies(task.policy_id for task in lost)
    settlements = []
    for task in lost:
        result = Lost(charged=task.started, reason="its worker died or its lease ran out")
        decision = decide(task, policies[task.policy_id], result)
        settlements.append(await settlement(engine, task.claim_id, task, result, decision, crashed=task.crashed))
    closing = sorted({task.claim_id for task in lost}) if len(lost) < _AT_ONCE else []
    return len(await engine.store.settle(None, settlements, closing))
