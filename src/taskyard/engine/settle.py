"""Settle: from an attempt's result to the store's way out of its claim. Workers, HTTP and recovery all pass here."""

from __future__ import annotations

import random
from typing import Any, Protocol

import msgspec

from taskyard.contracts.records import Opened, Settlement
from taskyard.domain.definition import Kind
from taskyard.domain.facts import AttemptDetail
from taskyard.domain.json import dumps
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.outcome import Completed, Handed, Postponed, Result, Site, TaskError
from taskyard.domain.policy import Policy
from taskyard.domain.queue import LaneKey, Queue
from taskyard.domain.settlement import Budgets, Decision, settle
from taskyard.domain.suspicion import suspicion
from taskyard.engine.engine import Engine
from taskyard.engine.people.repair import or_repair


class Leased(Protocol):
    """What is known of a task under lease; both `Claimed` and `LostTask` are such."""

    @property
    def task_id(self) -> int: ...  # noqa: D102 - its name says it
    @property
    def attempt(self) -> int: ...  # noqa: D102 - its name says it
    @property
    def lane_id(self) -> int: ...  # noqa: D102 - its name says it
    @property
    def failures(self) -> int: ...  # noqa: D102 - its name says it
    @property
    def losses(self) -> int: ...  # noqa: D102 - its name says it


def completed(claim_id: int, leased: Leased, run_ms: int, result: Completed, site: Site | None = None) -> Settlement:
    """The hot way out: done, nothing to decide."""
    detail = None
    if result.warnings or leased.failures or site:
        retry_count = leased.failures or None
        detail = encode_detail(AttemptDetail(warnings=list(result.warnings), retry_count=retry_count, **_at(site)))
    return Settlement(claim_id, leased.task_id, leased.attempt, Outcome.COMPLETED, run_ms, result.output, detail)


def decide(leased: Leased, policy: Policy, result: Result) -> Decision:
    """What follows from the result, chance included."""
    return settle(result, Budgets(leased.failures, leased.losses), policy, random.random())  # noqa: S311 - jitter


async def settlement(
    engine: Engine, kind: Kind | None, claim_id: int, leased: Leased, result: Result, decision: Decision,
    run_ms: int | None = None, site: Site | None = None, *, crashed: bool = False, target: str = "",
) -> Settlement:  # fmt: skip
    """The decision as the store applies it; `crashed`: it follows from a worker's crash. `target`: what the task asks
    for, where it may have been queued as if it asked for none.

    What has failed for good goes to a person where its version, `kind`, has a repair; else that does not matter.
    """
    result, decision = await or_repair(engine, kind, leased.task_id, leased.attempt, result, decision)
    lane = engine.catalog.lane_key(leased.lane_id)
    lane = lane._replace(target=target or lane.target)
    return Settlement(
        claim_id,
        leased.task_id,
        leased.attempt,
        decision.outcome,
        run_ms,
        result.output if isinstance(result, Completed) else None,
        encode_detail(_detail(result, decision, site)),
        None if decision.delay is None else int(decision.delay * 1_000_000),
        decision.budgets.failures,
        decision.budgets.losses,
        await engine.catalog.lane_id(next_lane(lane, decision, crashed=crashed)),
        _opened(result),
    )


def next_lane(lane: LaneKey, decision: Decision, *, crashed: bool = False) -> LaneKey:
    """Where the task queues next: retries in the retry queue, tasks that lost a worker apart."""
    queue = Queue.RETRY if decision.outcome is Outcome.RETRY else lane.queue
    return lane._replace(queue=int(queue), solo=suspicion(decision.budgets.losses, lane.solo, crashed=crashed))


def fallback(
    claim_id: int, leased: Leased, decision: Decision, output: bytes, run_ms: int, site: Site | None = None
) -> Settlement:
    """A failure that the definition's fallback has turned into a result."""
    detail = AttemptDetail(error=error_json(decision.error), retry_count=decision.budgets.failures, **_at(site))
    return Settlement(claim_id, leased.task_id, leased.attempt, Outcome.FALLBACK, run_ms, output, encode_detail(detail))


def encode_detail(detail: AttemptDetail) -> bytes | None:
    """The detail as it is stored; None when it says nothing."""
    encoded = msgspec.json.encode(detail)
    return None if encoded == b"{}" else encoded


def fallback_value(kind: Kind) -> bytes | None:
    """The constant that a definition falls back to, as JSON; None when it has none."""
    value = kind.definition.fallback
    return None if value is None else dumps(value)


def _at(site: Site | None) -> dict[str, Any]:
    """What the record of an attempt says of where it ran."""
    return {"tier": site.tier, "lock": site.lock or None} if site else {}


def _detail(result: Result, decision: Decision, site: Site | None) -> AttemptDetail:
    if isinstance(result, Completed):
        return AttemptDetail(warnings=list(result.warnings), **_at(site))
    if isinstance(result, Handed):
        return AttemptDetail(
            assignee_type=result.assignee_type,
            assignee_id=result.assignee_id,
            due_at=result.due_at,
            reason=result.reason,
            error=error_json(decision.error),
            retry_count=decision.budgets.failures or None,
            **_at(site),
        )
    return AttemptDetail(
        error=error_json(decision.error),
        delay=decision.delay,
        retry_count=decision.budgets.failures,
        reason=getattr(result, "reason", None),
        circuit=result.circuit if isinstance(result, Postponed) else None,
        **_at(site),
    )


def error_json(error: TaskError | None) -> dict[str, Any] | None:
    """An error as it is stored and shown."""
    return None if error is None else dict(msgspec.to_builtins(error))


def _opened(result: Result) -> Opened | None:
    if not isinstance(result, Handed):
        return None
    r = result
    who = (r.assignee_type, r.assignee_id, None)
    return Opened(*who, r.correlation_id, r.due_at, r.wake_at, r.sheet, r.urgency)
