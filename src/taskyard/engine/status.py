"""Status: what `PUT …/status` may set, and which verb that is."""

from __future__ import annotations

from typing import Any

import msgspec

from taskyard.domain.lifecycle import State
from taskyard.domain.outcome import Handed, TaskError
from taskyard.domain.policy import invalid
from taskyard.domain.task import Task, state_of
from taskyard.engine import assign, lease
from taskyard.engine.cancel import cancel
from taskyard.engine.engine import Engine
from taskyard.engine.query import get_task, know_one, token_now
from taskyard.errors import Conflict, IllegalTransition
from taskyard.security.caller import Caller
from taskyard.security.lease import LeaseSigner


class StatusChange(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """The body of a status change; `leaseToken` for tasks that run, `version` to guard the others."""

    status: str
    output: Any = None
    error: TaskError | None = None
    progress: lease.Report | None = None
    lease_token: str | None = None
    correlation_id: str | None = None
    version: int | None = None


async def set_status(
    engine: Engine, signer: LeaseSigner, caller: Caller, task_id: int, change: StatusChange, token: str | None = None
) -> Task:
    """Carry out the verb that the wanted state stands for; `token` is the one that the caller was called under, so that
    an answer to what was asked before the task was requeued does not end it.

    Raises NotFound, ValidationFailed, IllegalTransition, StaleLease, Conflict; then nothing has changed.
    """
    known = await know_one(engine, task_id)
    if token is not None and token != await token_now(engine, task_id):
        raise Conflict("this answers what was asked before the task was requeued, and is not awaited any more")
    state = _wanted(change.status)
    present = state_of(known.facts.place, known.facts.last)
    if state is State.CANCELED:
        return await cancel(engine, task_id, caller.subject, "set by status", change.version)
    if present is State.RUNNING:
        return await _of_running(engine, signer, caller, task_id, state, change)
    if state is State.COMPLETED:
        return await assign.complete_open(engine, caller, task_id, change.output, change.version)
    if state is State.FAILED:
        return await assign.fail_open(engine, caller, task_id, _error(change), change.version)
    raise IllegalTransition(
        f"a task that is {present} cannot be set to {state}", details={"from": present, "to": state}
    )


def _wanted(text: str) -> State:
    try:
        state = State.parse(text)
    except ValueError:
        known = ", ".join(State)
        raise invalid("/status", f"must be one of {known}", "enum") from None
    if state in (State.PENDING, State.RETRYING, State.ASSIGNED):
        raise IllegalTransition(f"{state} is the engine's to set; use cancel, retry or reassign", details={"to": state})
    return state


async def _of_running(
    engine: Engine, signer: LeaseSigner, caller: Caller, task_id: int, state: State, change: StatusChange
) -> Task:
    if change.lease_token is None:
        raise IllegalTransition(
            "the task is RUNNING: only who holds its leaseToken may change it", details={"from": "RUNNING", "to": state}
        )
    if change.version is not None and (await get_task(engine, task_id)).version != change.version:
        raise Conflict("the task has changed; read it again")
    token = change.lease_token
    if state is State.COMPLETED:
        return await lease.complete(engine, signer, caller, task_id, token, change.output)
    if state is State.FAILED:
        return await lease.fail(engine, signer, caller, task_id, token, _error(change))
    if state is State.WAITING:
        return await _wait(engine, signer, caller, task_id, change)
    request = lease.HeartbeatRequest(lease_token=token, progress=change.progress)
    await lease.heartbeat(engine, signer, caller, task_id, request)
    return await get_task(engine, task_id)


async def _wait(engine: Engine, signer: LeaseSigner, caller: Caller, task_id: int, change: StatusChange) -> Task:
    """The worker has asked elsewhere: the task waits for the answer without a lease."""
    held = lease.read_token(signer, caller, task_id, change.lease_token or "")
    result = Handed(to_person=False, correlation_id=change.correlation_id)
    return await lease.hand_over(engine, held, result)


def _error(change: StatusChange) -> TaskError:
    return change.error or TaskError("EXECUTION_ERROR", "failed without a reason being given")
