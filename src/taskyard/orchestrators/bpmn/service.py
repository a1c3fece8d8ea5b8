"""Taking instances on: what has ended of each leads to its next steps, whose tasks are stored with its new state.

What an instance has come to is one row; a change of it counts only if nobody else has changed it since it was read. So
whoever is killed, and however many do this at once, each step has one task. That a task has ended is heard of in the
feed, but only as a hint to look: what counts is how the tasks are.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec
import structlog

from taskyard.contracts.instances import NEVER, Instance, InstanceWrite
from taskyard.contracts.records import Entry
from taskyard.domain.facts import Facts, PlaceKind
from taskyard.domain.forms.start import input_schema
from taskyard.domain.lifecycle import FINAL, EventType, State
from taskyard.domain.outcome import TaskError
from taskyard.domain.people.document import askers_of, read_extra
from taskyard.domain.people.spec import parse_time
from taskyard.domain.priority import Priority
from taskyard.domain.schema import let_in
from taskyard.domain.task import detail_of, state_of, time_of
from taskyard.engine.answers import answer_waiting
from taskyard.engine.draft import draft_all
from taskyard.engine.engine import Engine
from taskyard.engine.events import latest_position
from taskyard.engine.query import Known, join
from taskyard.engine.request import Assignee, PriorityName, TaskRequest
from taskyard.errors import (
    ConfigurationError,
    Maintenance,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    TaskyardError,
    ValidationFailed,
)
from taskyard.orchestrators.bpmn.executor import is_installed
from taskyard.orchestrators.bpmn.files import check_files
from taskyard.orchestrators.bpmn.withdrawal import task_ids, withdraw
from taskyard.orchestrators.bridge import OUR_CODES
from taskyard.security.caller import SYSTEM

if TYPE_CHECKING:
    from taskyard.orchestrators.bpmn.machine import Ended, Machine
    from taskyard.orchestrators.bpmn.model import Step

_AT_ONCE = 100
_FEED_AT_ONCE = 1000
_BEGINNING = (-1, 0)
_SWEEP_EVERY_US = 600 * 1_000_000
_LATER_US = 30 * 1_000_000
_MOST_BYTES = 16 << 20
_ENDS = frozenset({EventType.COMPLETED, EventType.FAILED, EventType.CANCELED, EventType.WAITING})
log = structlog.get_logger("taskyard.bpmn")


class _Look(NamedTuple):
    """An instance as it is: its row, its own task, and the tasks of its steps by their ids."""

    row: Instance
    own: Known
    machine: Machine
    steps: dict[int, Facts]


class Processes:
    """Takes the instances of all processes on; to be done by one at a time, though harmless when done by several."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._heard: int | None = None
        self._swept_at = 0

    async def turn(self) -> None:
        """Take on those that may go on now. Raises ConfigurationError where there are some and their engine is not."""
        store = self._engine.store
        if await self._engine.mode.is_on():
            return
        if not await store.due_instances(None, 1, _BEGINNING):
            self._heard = None
            return
        if not is_installed():
            raise ConfigurationError("processes are under way, but SpiffWorkflow is not: pip install 'taskyard[bpmn]'")
        now = await store.now()
        if self._heard is None or now - self._swept_at >= _SWEEP_EVERY_US:
            heard = await latest_position(self._engine)
            await self._take_on(None)
            self._heard, self._swept_at = heard, now
            return
        try:
            for task_id in await self._hear(self._heard):
                row = await store.instance(task_id)
                if row is not None:
                    await self._guarded(row)
        except TaskyardError:
            self._heard = None  # what was heard is not heard again, so all are looked at
            raise
        await self._take_on(now)

    async def next_timer(self) -> int | None:
        """When the next timer of any instance goes off."""
        rows = await self._engine.store.due_instances(NEVER - 1, 1, _BEGINNING)
        return rows[0].due_at if rows else None

    async def _hear(self, position: int) -> list[int]:
        """The instances of which something has ended since."""
        found: set[int] = set()
        while rows := await self._engine.store.feed(position, _FEED_AT_ONCE):
            position = self._heard = rows[-1].pos
            ended = sorted({task_id for row in rows if row.type in _ENDS for task_id in row.task_ids})
            found.update(await self._engine.store.instances_of(ended) if ended else ())
        return sorted(found)

    async def _take_on(self, until: int | None) -> None:
        after, looked_at = _BEGINNING, set[int]()
        while rows := await self._engine.store.due_instances(until, _AT_ONCE, after):
            for row in rows:
                if row.task_id not in looked_at:  # one that is put off comes again further behind
                    looked_at.add(row.task_id)
                    await self._guarded(row)
            after = (rows[-1].due_at, rows[-1].task_id)

    async def _guarded(self, row: Instance) -> None:
        """One instance must not hold up the others."""
        try:
            await self._look(row)
        except (Maintenance, ConfigurationError):
            raise
        except Overloaded as error:
            if not isinstance(error.details, dict) or "queue" not in error.details:
                raise
            log.warning("an instance waits for room in a queue", task=row.task_id, queue=error.details["queue"])
        except Exception:
            log.exception("an instance cannot go on now; it is looked at again", task=row.task_id)
        else:
            return
        later = row._replace(due_at=await self._engine.store.now() + _LATER_US)
        await self._engine.store.write_instance(InstanceWrite(later, (), task_ids(row.state)))

    async def _look(self, row: Instance) -> None:
        look = await self._read(row)
        if look is None:
            return
        now = await self._engine.store.now()
        ended = [each for token, id_ in look.machine.tasks.items() if (each := _ended(token, look.steps.get(id_), now))]
        await asyncio.to_thread(look.machine.advance, ended, now)
        entries = await self._draft(look)
        machine = look.machine
        gone = machine.withdraw()
        if machine.failure is not None or machine.completed:
            await self._finish(look)
            return
        await withdraw(self._engine, gone)
        state = await asyncio.to_thread(machine.dump)
        if len(state) > _MOST_BYTES:
            machine.fail(TaskError("RESOURCE_LIMIT", f"its variables and tokens take {len(state)} bytes"))
            await self._finish(look)
            return
        changed = row._replace(state=state, due_at=machine.next_timer() or NEVER)
        started = [entry for entry in entries if entry.id not in gone]
        await self._engine.store.write_instance(InstanceWrite(changed, started, sorted(machine.tasks.values())))

    async def _read(self, row: Instance) -> _Look | None:
        """The instance, where it waits to be taken on; one that is over is cleared away."""
        from taskyard.orchestrators.bpmn.machine import Machine, known

        own = next(iter(await self._engine.store.facts([row.task_id])), None)
        state = None if own is None else state_of(own.place, own.last)
        if own is None or state is not State.WAITING:
            if state is None or state in FINAL:
                await self._clear(row)
            return None
        (told,) = await join(self._engine, [own])
        variables = _variables(msgspec.json.decode(own.body.input))
        model = await asyncio.to_thread(known, told.kind.definition.implementation["source"])
        machine = await asyncio.to_thread(Machine.load, model, row.state, variables)
        steps = {each.body.id: each for each in await self._engine.store.facts(sorted(machine.tasks.values()))}
        return _Look(row, told, machine, steps)

    async def _draft(self, look: _Look) -> list[Entry]:
        """The tasks of the steps that are due. One that cannot be asked for has failed, as the process may catch."""
        machine, entries = look.machine, []
        while machine.failure is None and (due := machine.due_steps()):
            token, step = next(iter(due.items()))
            try:
                entry = await self._ask(look, step)
                machine.tasks[token] = entry.id
                entries.append(entry)
            except (ValidationFailed, NotFound, PayloadTooLarge, ValueError, msgspec.ValidationError) as error:
                told = getattr(error, "message", None) or str(error)
                details = error.details if isinstance(error, ValidationFailed) else None
                await asyncio.to_thread(machine.throw, token, TaskError("VALIDATION_ERROR", told, details))
        return entries

    async def _ask(self, look: _Look, step: Step) -> Entry:
        body, variables = look.own.facts.body, look.machine.variables
        known = await self._engine.catalog.current(step.definition)
        if step.inputs is None:
            given = let_in(variables, input_schema(known.kind.definition))
        else:
            given = {name: text.value(variables) for name, text in step.inputs.items()}
        if known.input is not None and known.input.takes_uploads:
            await check_files(self._engine, look.own, known.input, given, "/input")
        due = None if step.due is None else parse_time(str(step.due.value(variables)))
        request = TaskRequest(
            task_definition_id=step.definition, input=given, workflow_id=str(body.id), step_id=step.id,
            correlation_id=body.correlation_id, priority=cast("PriorityName", Priority(body.priority).name),
            assignee=_assignee(step, variables), due_date=None if due is None else time_of(due),
        )  # fmt: skip
        askers = askers_of(read_extra(body.extra))
        return (await draft_all(self._engine, [request], SYSTEM, askers=askers))[0].entry

    async def _finish(self, look: _Look) -> None:
        """The instance is over; who asked for it is told, and nothing more is kept of it."""
        await withdraw(self._engine, sorted(look.steps))
        error, output = look.machine.failure, None
        if error is None:
            output, error = await self._output(look)
        if error is not None:
            error = msgspec.structs.replace(error, retryable=False)
        await answer_waiting(self._engine, look.row.task_id, output, error)
        await self._engine.store.remove_instance(look.row.task_id, look.row.revision)

    async def _output(self, look: _Look) -> tuple[Any, TaskError | None]:
        """What the process has come to, or what is wrong with that."""
        own = look.own
        output = let_in(look.machine.variables, own.kind.definition.output_schema)
        validator = (await self._engine.catalog.versions([own.kind.id]))[own.kind.id].output
        try:
            if validator is not None and validator.takes_uploads:
                await check_files(self._engine, own, validator, output, "/output")
        except ValidationFailed as error:
            return None, TaskError("OUTPUT_VALIDATION_ERROR", error.message, error.details)
        return output, None

    async def _clear(self, row: Instance) -> None:
        """An instance that was ended by somebody else needs its steps no more."""
        await withdraw(self._engine, task_ids(row.state))
        await self._engine.store.remove_instance(row.task_id, row.revision)


def _ended(token: str, facts: Facts | None, now: int) -> Ended | None:
    """How a step's task has ended; None where it has not."""
    from taskyard.orchestrators.bpmn.machine import Ended

    if facts is None:
        return Ended(token, now, error=TaskError("EXECUTION_ERROR", "its task is not kept any more"))
    state, last = state_of(facts.place, facts.last), facts.last
    if state not in FINAL or last is None:
        return None
    if state is State.COMPLETED:
        return Ended(token, last.finished_at, msgspec.json.decode(last.result) if last.result else None)
    if state is State.CANCELED:
        return Ended(token, last.finished_at, error=TaskError("CANCELED", "its task was canceled"))
    error = msgspec.convert(detail_of(last).error or {"code": "EXECUTION_ERROR", "message": "it failed"}, TaskError)
    is_dead = facts.place is not None and facts.place.kind is PlaceKind.DEAD
    return Ended(token, last.finished_at, error=error, held=is_dead and error.code in OUR_CODES)


def _variables(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {} if value is None else {"input": value}


def _assignee(step: Step, variables: dict[str, Any]) -> Assignee | None:
    for type_, text in (("USER", step.assignee), ("GROUP", step.group)):
        value = None if text is None else text.value(variables)
        if value is not None:
            return msgspec.convert({"type": type_, "id": value}, Assignee)
    return None
