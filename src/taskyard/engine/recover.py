"""Recover: tasks whose worker died or whose visibility ran out go back to their queue, or to the dead letters."""

from __future__ import annotations

from taskyard.domain.lifecycle import Outcome
from taskyard.domain.outcome import Lost
from taskyard.engine.engine import Engine
from taskyard.engine.query import know
from taskyard.engine.settle import decide, settlement

_AT_ONCE = 1000


async def recover(engine: Engine) -> int:
    """Settle what was lost; how many tasks moved."""
    lost = await engine.store.lost(_AT_ONCE)
    if not lost:
        return 0
    await engine.catalog.all_lanes()
    policies = await engine.catalog.policies(task.policy_id for task in lost)
    results = [Lost(charged=task.started, reason="its worker died or its lease ran out") for task in lost]
    decisions = [decide(task, policies[task.policy_id], result) for task, result in zip(lost, results, strict=True)]
    failed = [task.task_id for task, one in zip(lost, decisions, strict=True) if one.outcome is Outcome.FAILED]
    kinds = {known.facts.body.id: known.kind for known in await know(engine, failed)} if failed else {}
    settlements = [
        await settlement(engine, kinds.get(task.task_id), task.claim_id, task, result, one, crashed=task.crashed)
        for task, result, one in zip(lost, results, decisions, strict=True)
    ]
    closing = sorted({task.claim_id for task in lost}) if len(lost) < _AT_ONCE else []
    return len(await engine.store.settle(None, settlements, closing))
