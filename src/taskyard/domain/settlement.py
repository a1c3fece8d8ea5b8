"""What follows from an attempt's result: the one pure decision that every way out of a claim goes through."""

from __future__ import annotations

from typing import NamedTuple

from taskyard.domain.lifecycle import Outcome
from taskyard.domain.outcome import Completed, Failed, Handed, Lost, Postponed, Released, Result, TaskError
from taskyard.domain.policy import Policy
from taskyard.domain.retry import NEVER_RETRIED


class Budgets(NamedTuple):
    """What a task has used up: failed attempts, and attempts lost with their worker."""

    failures: int = 0
    losses: int = 0


class Decision(NamedTuple):
    """The outcome, the budgets from now on, and for a retry the delay in seconds."""

    outcome: Outcome
    budgets: Budgets
    delay: float | None = None
    error: TaskError | None = None


def settle(result: Result, budgets: Budgets, policy: Policy, chance: float) -> Decision:
    """Decide what follows; `chance` in [0, 1) feeds the jitter."""
    match result:
        case Completed():
            return Decision(Outcome.COMPLETED, budgets)
        case Failed(error, delay):
            return _failed(error, delay, budgets, policy, chance)
        case Postponed(delay):
            wait = policy.retry.delay(budgets.failures + 1, chance) if delay is None else delay
            return Decision(Outcome.RETRY, budgets, wait)
        case Released():
            return Decision(Outcome.RELEASED, budgets)
        case Lost(charged, reason):
            return _lost(charged, reason, budgets, policy)
        case Handed(to_person):
            return Decision(Outcome.ASSIGNED if to_person else Outcome.WAITING, budgets)


def while_open(postponed: Postponed, due_at: int | None, now: int) -> Postponed | Failed:
    """A task that waits for an open circuit: it looks again when it is due, and if nothing has changed then, it failed.

    `due_at` and `now` in microseconds; a task without a due date waits for as long as it takes.
    """
    if due_at is None:
        return postponed
    if now >= due_at:
        message = f"{postponed.reason or 'a circuit is open'}, and the task was due meanwhile"
        return Failed(TaskError("CIRCUIT_OPEN", message, {"circuit": postponed.circuit}, retryable=False))
    left = (due_at - now) / 1e6
    return Postponed(min(left, postponed.delay or left), postponed.reason, postponed.circuit)


def may_retry(error: TaskError, policy: Policy) -> bool:
    """Whether the kind of error allows another attempt, budget aside."""
    if error.code in NEVER_RETRIED or error.code in policy.retry.non_retryable:
        return False
    return error.retryable is not False


def _failed(error: TaskError, delay: float | None, budgets: Budgets, policy: Policy, chance: float) -> Decision:
    used = Budgets(budgets.failures + 1, budgets.losses)
    if used.failures > policy.retry.max_retries or not may_retry(error, policy):
        return Decision(Outcome.FAILED, budgets, error=error)
    wait = policy.retry.delay(used.failures, chance) if delay is None else delay
    return Decision(Outcome.RETRY, used, wait, error)


def _lost(charged: bool, reason: str, budgets: Budgets, policy: Policy) -> Decision:
    if not charged:
        return Decision(Outcome.RELEASED, budgets)
    used = Budgets(budgets.failures, budgets.losses + 1)
    if used.losses < policy.max_deliveries:
        return Decision(Outcome.LOST, used)
    error = TaskError(
        "WORKER_LOST",
        f"{used.losses} workers were lost while running this task ({reason}); it may be what ends them",
        retryable=False,
    )
    return Decision(Outcome.FAILED, used, error=error)
