"""Assign: how somebody from outside ends a task that waits for a person or a system."""

from __future__ import annotations

from typing import Any

from taskyard.contracts.records import Settlement
from taskyard.domain.facts import AttemptDetail
from taskyard.domain.json import dumps
from taskyard.domain.lifecycle import Outcome, State, check_move
from taskyard.domain.outcome import TaskError
from taskyard.domain.task import Task, state_of
from taskyard.engine.engine import Engine
from taskyard.engine.people import ending
from taskyard.engine.query import Known, get_task, know_one
from taskyard.engine.settle import encode_detail, error_json
from taskyard.engine.upload import check_value
from taskyard.errors import Conflict
from taskyard.security.caller import Caller


async def complete_open(engine: Engine, caller: Caller, task_id: int, output: Any, version: int | None = None) -> Task:
    """End an ASSIGNED or WAITING task as COMPLETED with a result that fits its output schema.

    Raises NotFound, Forbidden, ValidationFailed, IllegalTransition, Conflict.
    """
    known = await know_one(engine, task_id)
    if _open_state(known) is State.ASSIGNED:
        return await ending.complete(engine, caller, task_id, output, version=version)
    check_move("complete", _open_state(known))
    versions = await engine.catalog.versions([known.kind.id])
    validator = versions[known.kind.id].output
    if validator is not None:
        await check_value(engine, validator, output, caller, "/output")
    detail = encode_detail(AttemptDetail(by=caller.subject))
    return await _end(engine, task_id, Outcome.COMPLETED, dumps(output), detail, version)


async def fail_open(engine: Engine, caller: Caller, task_id: int, error: TaskError, version: int | None = None) -> Task:
    """End an ASSIGNED or WAITING task as FAILED. Raises NotFound, Forbidden, IllegalTransition, Conflict."""
    known = await know_one(engine, task_id)
    if _open_state(known) is State.ASSIGNED:
        return await ending.reject(engine, caller, task_id, error, version)
    check_move("fail", _open_state(known))
    detail = encode_detail(AttemptDetail(error=error_json(error), by=caller.subject))
    return await _end(engine, task_id, Outcome.FAILED, None, detail, version)


def _open_state(known: Known) -> State:
    """The state; a running task is its worker's to end, so it counts as not open."""
    state = state_of(known.facts.place, known.facts.last)
    return State.PENDING if state is State.RUNNING else state


async def _end(
    engine: Engine, task_id: int, outcome: Outcome, result: bytes | None, detail: bytes | None, version: int | None
) -> Task:
    settlement = Settlement(0, task_id, 0, outcome, None, result, detail)
    if not await engine.store.settle_open(task_id, settlement, version):
        known = await know_one(engine, task_id)
        check_move("complete", _open_state(known))
        raise Conflict(f"task {task_id} has changed meanwhile; read it again")
    return await get_task(engine, task_id)
