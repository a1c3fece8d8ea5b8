"""Repair: what has failed for good goes to a person, if its definition says so, and stays the one task it was.

They correct its input and have it run again, complete it by hand, or give it up.
"""

from __future__ import annotations

from typing import Any

import structlog
from msgspec.structs import replace

from taskyard.domain.definition import Kind
from taskyard.domain.json import dumps
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.outcome import Failed, Result
from taskyard.domain.people.document import asked_of
from taskyard.domain.people.spec import work_of
from taskyard.domain.settlement import Decision
from taskyard.domain.task import Task
from taskyard.engine.engine import Engine
from taskyard.engine.people.forms import check_input
from taskyard.engine.people.handing import hand_over
from taskyard.engine.people.holding import check_version, hold, permit
from taskyard.engine.query import get_task, know_one
from taskyard.errors import Conflict
from taskyard.security.caller import Caller

_LOOKS = 20

log = structlog.get_logger("taskyard.repair")


async def or_repair(
    engine: Engine, kind: Kind | None, task_id: int, result: Result, decision: Decision
) -> tuple[Result, Decision]:
    """The result and its decision; a failure for good becomes a handing over where the version has a repair."""
    if kind is None or kind.definition.repair is None:
        return result, decision
    if decision.outcome is not Outcome.FAILED or decision.error is None:
        return result, decision
    asked = asked_of((await know_one(engine, task_id)).facts.body)
    handed = await hand_over(engine, engine.directory, kind, work_of(kind.definition), asked)
    if isinstance(handed, Failed):
        log.warning("a task cannot be handed over to be repaired", task=task_id, reason=handed.error.message)
        return result, decision
    reason = f"it has failed ({decision.error.code}) and is to be repaired"
    told = replace(handed, reason=f"{reason}; {handed.reason}" if handed.reason else reason)
    return told, decision._replace(outcome=Outcome.ASSIGNED)


async def rerun(
    engine: Engine, caller: Caller, task_id: int, new_input: Any = None, comment: str | None = None,
    version: int | None = None,
) -> Task:  # fmt: skip
    """Have a task that was handed over to be repaired run again, with fresh budgets and a new input or its own.

    Raises NotFound, Forbidden, ValidationFailed, IllegalTransition, Conflict; then nothing has changed.
    """
    for _ in range(_LOOKS):
        holding = await hold(engine, task_id, "rerun")
        check_version(holding, version)
        permit("repair", caller, holding)
        if new_input is not None:
            await check_input(engine, holding, new_input, caller)
        stored = None if new_input is None else dumps(new_input)
        try:
            if await engine.store.rerun(task_id, caller.subject, comment, stored, holding.version):
                return await get_task(engine, task_id)
        except Conflict:  # somebody was quicker: look again, and say so if that matters
            continue
    raise Conflict(f"task {task_id} moves too quickly; try again")
