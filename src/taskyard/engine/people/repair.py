"""Repair: what has failed for good goes to a person, if its definition says so, and stays the one task it was.

They correct its input and have it run again, complete it by hand, or give it up.
"""

from __future__ import annotations

from typing import Any

import structlog
from msgspec.structs import replace

from taskyard.contracts.records import Opened
from taskyard.domain.definition import Kind
from taskyard.domain.forms.secrets import with_secrets
from taskyard.domain.forms.start import input_schema
from taskyard.domain.json import dumps, loads
from taskyard.domain.lifecycle import Outcome, State, check_move
from taskyard.domain.outcome import Failed, Result
from taskyard.domain.people.document import asked_of
from taskyard.domain.people.rights import target_refusal
from taskyard.domain.people.sheet import Held, read_sheet
from taskyard.domain.people.spec import work_of
from taskyard.domain.settlement import Decision
from taskyard.domain.task import Task, state_of, version_of
from taskyard.engine.engine import Engine
from taskyard.engine.people import verbs
from taskyard.engine.people.forms import check_input
from taskyard.engine.people.handing import hand_over
from taskyard.engine.people.holding import check_version, hold, permit, refused
from taskyard.engine.people.persons import as_known, room_of, target
from taskyard.engine.query import Known, get_task, know_one
from taskyard.errors import Conflict
from taskyard.security.caller import Caller

_LOOKS = 20

log = structlog.get_logger("taskyard.repair")


async def or_repair(
    engine: Engine, kind: Kind | None, task_id: int, attempt: int, result: Result, decision: Decision
) -> tuple[Result, Decision]:
    """The result and its decision; a failure for good becomes a handing over where the version has a repair."""
    if kind is None or kind.definition.repair is None:
        return result, decision
    if decision.outcome is not Outcome.FAILED or decision.error is None:
        return result, decision
    asked = asked_of((await know_one(engine, task_id)).facts.body)
    handed = await hand_over(engine, engine.directory, kind, work_of(kind.definition), asked, attempt)
    if isinstance(handed, Failed):
        log.warning("a task cannot be handed over to be repaired", task=task_id, reason=handed.error.message)
        return result, decision
    reason = f"it has failed ({decision.error.code}) and is to be repaired"
    told = replace(handed, reason=f"{reason}; {handed.reason}" if handed.reason else reason)
    return told, decision._replace(outcome=Outcome.ASSIGNED)


async def assign(
    engine: Engine, caller: Caller, known: Known, user: str, reason: str | None = None, version: int | None = None
) -> Task:
    """Give a task that nobody has to a person; one that has failed for good, so that they repair it.

    Raises what `verbs.assign` and `take_up` raise.
    """
    if state_of(known.facts.place, known.facts.last) is State.FAILED:
        return await take_up(engine, caller, known.facts.body.id, user, reason, version)
    return await verbs.assign(engine, caller, known, user, reason, version)


async def take_up(
    engine: Engine, caller: Caller, task_id: int, user: str, reason: str | None = None, version: int | None = None
) -> Task:
    """Give a dead letter to a person, to be repaired; so is done whatever its version says of a repair.

    What people have rejected, or let pass, only who runs the queues gives anew, or a service.
    Raises NotFound, Forbidden, IllegalTransition, Conflict; then nothing has changed.
    """
    known = await know_one(engine, task_id)
    if known.kind.definition.task_type == "MANUAL" and not caller.allows("service"):
        caller.require("queues:manage")
    check_move("repair", state_of(known.facts.place, known.facts.last))
    present = version_of(known.facts.place, known.facts.last)
    if version not in (None, present):
        raise Conflict(f"the task has changed: it is at version {present}, not {version}; read it again")
    asked = asked_of(known.facts.body)
    asked = asked._replace(extra=replace(asked.extra, assignee_type="USER", assignee_id=user))
    work, attempt = work_of(known.kind.definition), known.facts.last.attempt if known.facts.last else 0
    handed = await hand_over(engine, engine.directory, known.kind, work, asked, attempt)
    if isinstance(handed, Failed):
        raise Conflict(f"task {task_id} cannot be handed over: {handed.error.message}")
    given_to = await target(engine.directory, user, work)
    unfit = target_refusal(given_to, Held("USER", user), read_sheet(handed.sheet), work)
    if unfit is not None:
        raise refused(unfit)
    whose = {"assigneeType": handed.assignee_type, "assigneeId": handed.assignee_id, "assigneeName": handed.assignee_id}
    opened = Opened(
        handed.assignee_type, handed.assignee_id, None, None, handed.due_at, handed.wake_at, handed.sheet,
        handed.urgency,
    )  # fmt: skip
    room = room_of(await as_known(engine.directory, caller), work) if user == caller.subject else None
    told = {"by": caller.subject, "reason": reason, **whose}
    if not await engine.store.take_up(task_id, opened, told, present, room):
        raise Conflict(f"task {task_id} is no dead letter any more; read it again")
    return await get_task(engine, task_id)


async def rerun(
    engine: Engine, caller: Caller, task_id: int, new_input: Any = None, comment: str | None = None,
    version: int | None = None,
) -> Task:  # fmt: skip
    """Have a task that was handed over to be repaired run again, with fresh budgets and a new input or its own.

    Secrets that the new input leaves out stay as they were.

    Raises NotFound, Forbidden, ValidationFailed, IllegalTransition, Conflict; then nothing has changed.
    """
    for _ in range(_LOOKS):
        holding = await hold(engine, task_id, "rerun")
        check_version(holding, version)
        permit("repair", caller, holding)
        if new_input is not None:
            former, definition = loads(holding.known.facts.body.input), holding.known.kind.definition
            new_input = with_secrets(input_schema(definition), new_input, former)
            await check_input(engine, holding, new_input, caller)
        stored = None if new_input is None else dumps(new_input)
        try:
            if await engine.store.rerun(task_id, caller.subject, comment, stored, holding.version):
                return await get_task(engine, task_id)
        except Conflict:  # somebody was quicker: look again, and say so if that matters
            continue
    raise Conflict(f"task {task_id} moves too quickly; try again")
