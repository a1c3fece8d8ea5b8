"""Take: what follows from an event from outside. However often one event comes, it has its effect once."""

from __future__ import annotations

import fnmatch
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import structlog

from taskyard.contracts.bus import Direction, Letter, LetterFilter, LetterStatus
from taskyard.domain.incoming import (
    MAINTENANCE_MODE,
    METHOD_EXECUTED,
    METHOD_FAILED,
    RESPONSE_RECEIVED,
    SHUTDOWN_REQUESTED,
    TASK_REQUESTED,
    Incoming,
    read_incoming,
)
from taskyard.domain.json import detail, loads, refusal
from taskyard.domain.mapping import Mapping
from taskyard.engine.answers import receive_response
from taskyard.engine.define import list_definitions
from taskyard.engine.engine import Engine
from taskyard.engine.letters import all_letters, bury, caller_of, keep_event
from taskyard.engine.reject import reject
from taskyard.engine.request import TaskRequest, parse_request
from taskyard.engine.submit import submit
from taskyard.errors import (
    Conflict,
    Maintenance,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    TaskyardError,
    ValidationFailed,
)
from taskyard.security.caller import ADMIN, Caller

Shutdown = Callable[[str], None]
"""Stops this process gracefully, on behalf of somebody."""

_TAKES = "tasks:write"
_LONGEST = 255

log = structlog.get_logger("taskyard.events")


class _Start(NamedTuple):
    """A task that an event is to start; `purpose` tells it from the event's other tasks."""

    purpose: str
    key: str
    input: Any


async def take(engine: Engine, event: Incoming, caller: Caller, shutdown: Shutdown) -> list[int]:
    """Carry out what the event asks for, with the caller's rights; the tasks that it started or ended.

    An event that nobody waits for changes nothing. Raises Forbidden, Maintenance, Overloaded, and what is wrong with
    the event; what could be done of it is done then, and is not repeated when it comes again.
    """
    if event.key in _SYSTEM:
        caller.require(ADMIN)
        await _SYSTEM[event.key](engine, event, caller, shutdown)
        return []
    await engine.mode.check()
    caller.require(_TAKES)
    handler = _HANDLERS.get(event.key, _start_mapped)
    return await handler(engine, event, caller)


async def take_or_hold(engine: Engine, event: Incoming, caller: Caller, shutdown: Shutdown) -> list[int]:
    """The same for an event that cannot be asked to come again: during maintenance it is kept."""
    try:
        return await take(engine, event, caller, shutdown)
    except Maintenance:
        await keep_event(engine, event, caller, LetterStatus.HELD, "came during maintenance")
        return []


async def take_kept(engine: Engine, shutdown: Shutdown) -> int:
    """Take what was held during maintenance, once that is over, and what is to be tried again; how many."""
    if await engine.mode.is_on():
        return 0
    count = 0
    for status in (LetterStatus.HELD, LetterStatus.REPLAY):
        for letter in await all_letters(engine, status, Direction.IN):
            count += await _take_letter(engine, letter, shutdown)
    return count


async def _take_letter(engine: Engine, letter: Letter, shutdown: Shutdown) -> bool:
    facts = letter.facts
    try:
        value = loads(letter.body)
        message_id = str(facts.get("messageId", letter.event_id))[:_LONGEST]
        event = read_incoming(value, message_id=message_id, headers=facts.get("headers"), topic=facts.get("topic", ""))
        await take(engine, event, caller_of(letter), shutdown)
    except (Overloaded, Maintenance):
        return False
    except TaskyardError as error:
        await bury(engine, [letter], error.message)
        return False
    kept = await engine.store.letters(LetterFilter(frozenset(LetterStatus), ids=(letter.id,)), 1, None)
    if kept and kept[0].status is letter.status:  # else it is an answer that came early
        await engine.store.drop_letters([letter.id])
    return True


async def _request_task(engine: Engine, event: Incoming, caller: Caller) -> list[int]:
    """`workflow.task_requested`: its data is a create body. One that is not makes a task that has FAILED."""
    data = event.payload
    if isinstance(data, dict) and event.correlation_id is not None:
        data = {"correlationId": event.correlation_id, **data}
    once = event.identity_for("task")
    try:
        return [(await submit(engine, parse_request(data, "/data"), caller, once=once)).id]
    except (ValidationFailed, NotFound, PayloadTooLarge, Conflict) as error:
        return [await reject(engine, data, caller, error, once)]


async def _start_mapped(engine: Engine, event: Incoming, caller: Caller) -> list[int]:
    """Start what is mapped to the event, and what declared a trigger of its key."""
    started: list[int] = []
    failures: list[TaskyardError] = []
    for start in await _starts(engine, event, failures):
        request = TaskRequest(
            task_definition_id=start.key, input=start.input, cause_type="event", cause=event.id,
            correlation_id=event.correlation_id,
        )  # fmt: skip
        try:
            started.append((await submit(engine, request, caller, once=event.identity_for(start.purpose))).id)
        except NotFound:
            failures.append(Conflict(f"the event {event.key!r} is to start {start.key!r}, which there is no more"))
        except (ValidationFailed, PayloadTooLarge, Conflict) as error:
            failures.append(error)
    if failures:
        raise failures[0]
    if not started:
        log.debug("nobody waits for this event", key=event.key, id=event.id)
    return started


async def _starts(engine: Engine, event: Incoming, failures: list[TaskyardError]) -> list[_Start]:
    document = event.document()
    starts = [
        _Start(f"trigger {kind.definition.key}", kind.definition.key, event.payload)
        for kind in await list_definitions(engine)
        if kind.definition.trigger == event.key
    ]
    for mapping in await engine.store.mappings():
        if mapping.kind == "event" and fnmatch.fnmatchcase(event.key, mapping.source):
            starts += _mapped(mapping, document, failures)
    return starts


def _mapped(mapping: Mapping, document: dict[str, Any], failures: list[TaskyardError]) -> list[_Start]:
    try:
        if mapping.wants(document):
            return [_Start(f"mapping {mapping.mapping_id}", mapping.target, mapping.input_for(document))]
    except ValueError as error:
        told = detail("/filter", f"or input of the mapping {mapping.mapping_id} cannot be told: {error}", "expression")
        failures.append(refusal([told]))
    return []


async def _shut_down(engine: Engine, event: Incoming, caller: Caller, shutdown: Shutdown) -> None:
    if await engine.store.see(event.identity):
        log.warning("a shutdown was requested", by=caller.subject, id=event.id)
        shutdown(caller.subject)


async def _set_maintenance(engine: Engine, event: Incoming, caller: Caller, _: Shutdown) -> None:
    enabled = event.payload.get("enabled") if isinstance(event.payload, dict) else None
    if not isinstance(enabled, bool):
        raise refusal([detail("/data/enabled", "must be true or false", "type")])
    if await engine.store.has_seen(event.identity):
        return
    await engine.mode.set(enabled=enabled, by=caller.subject)
    await engine.store.see(event.identity)


_Handler = Callable[[Engine, Incoming, Caller], Awaitable[list[int]]]

_HANDLERS: dict[str, _Handler] = {
    TASK_REQUESTED: _request_task,
    RESPONSE_RECEIVED: receive_response,
    METHOD_EXECUTED: receive_response,
    METHOD_FAILED: receive_response,
}
_SYSTEM: dict[str, Callable[[Engine, Incoming, Caller, Shutdown], Awaitable[None]]] = {
    SHUTDOWN_REQUESTED: _shut_down,
    MAINTENANCE_MODE: _set_maintenance,
}
