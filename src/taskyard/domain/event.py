"""Events: one fact about a task as everybody outside is told it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from taskyard.domain import sequence
from taskyard.domain.definition import Definition
from taskyard.domain.event_data import (
    CanceledData,
    CompletedData,
    CreatedData,
    EventData,
    FailedData,
    ProgressData,
    RetryData,
    StartedData,
)
from taskyard.domain.facts import FORMER_INPUT, AttemptFact, Body, Note, Progress
from taskyard.domain.ids import made_at
from taskyard.domain.lifecycle import EventType
from taskyard.domain.priority import Priority
from taskyard.domain.task import detail_of, iso, progress_json, time_of, written

SOURCE = "task-execution-layer"
_SUMMARY_LENGTH = 1024


class EventName(NamedTuple):
    """How one type of event is called: routing key, envelope type, and the state its triggers name (if any)."""

    key: str
    type: str
    trigger: str | None = None


NAMES: dict[EventType, EventName] = {
    EventType.CREATED: EventName("task.created", "task.instance.created", "Created"),
    EventType.STARTED: EventName("task.started", "task.instance.started", "Running"),
    EventType.COMPLETED: EventName("task.completed", "task.instance.completed", "Done"),
    EventType.FAILED: EventName("task.failed", "task.instance.failed", "Failed"),
    EventType.RETRY: EventName("task.retry", "task.instance.retry", "Retrying"),
    EventType.CANCELED: EventName("task.canceled", "task.instance.canceled", "Canceled"),
    EventType.ASSIGNED: EventName("task.assigned", "task.manual.assigned"),
    EventType.PROGRESS: EventName("task.progress", "task.instance.progress"),
    EventType.WAITING: EventName("task.waiting", "task.instance.waiting"),
    EventType.DEADLETTERED: EventName("task.deadlettered", "task.instance.deadlettered"),
    EventType.REQUEUED: EventName("task.requeued", "task.instance.requeued"),
    EventType.CLAIMED: EventName("task.claimed", "task.manual.claimed"),
    EventType.RELEASED: EventName("task.released", "task.manual.released"),
    EventType.DELEGATED: EventName("task.delegated", "task.manual.delegated"),
    EventType.COMMENTED: EventName("task.commented", "task.manual.commented"),
    EventType.OVERDUE: EventName("task.overdue", "task.manual.overdue"),
    EventType.REMINDER: EventName("task.reminder", "task.manual.reminder"),
    EventType.ESCALATED: EventName("task.escalated", "task.manual.escalated"),
    EventType.EMITTED: EventName("task.emitted", "task.instance.emitted"),
    EventType.RESOLVED: EventName("task.resolved", "task.manual.resolved"),
    EventType.DRAFTED: EventName("task.drafted", "task.manual.drafted"),
    EventType.FOLLOW_UP: EventName("task.follow-up", "task.manual.follow-up"),
    EventType.RESCHEDULED: EventName("task.rescheduled", "task.manual.rescheduled"),
    EventType.DECIDED: EventName("task.decided", "task.manual.decided"),
}
_TRIGGERS = {name.key: name.trigger for name in NAMES.values() if name.trigger is not None}


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """What an envelope says of itself."""

    correlation_id: str
    source: str = SOURCE


class TaskEvent(msgspec.Struct, frozen=True, rename="camel"):
    """One event. `key` is its routing key, by which subscribers choose; the others are the envelope."""

    key: str
    type: str
    id: str
    sequence: int
    timestamp: datetime
    data: dict[str, Any]
    metadata: Metadata

    def envelope(self) -> dict[str, Any]:
        """The JSON object of the contract, without the routing key."""
        return {
            "type": self.type,
            "id": self.id,
            "sequence": self.sequence,
            "timestamp": written(self.timestamp),
            "data": self.data,
            "metadata": {"correlationId": self.metadata.correlation_id, "source": self.metadata.source},
        }


class Ground(NamedTuple):
    """What an event is told from: the task, its definition, the attempt it belongs to, and a note if there is one.

    `attempt` may still be running: then it has only its start and its worker.
    """

    body: Body
    definition: Definition
    attempt: AttemptFact | None
    note: Note | None
    max_retries: int


def tell_event(type_: EventType, number: int, at: int, ground: Ground) -> TaskEvent:
    """The event with this sequence number, which happened at `at` (microseconds since the epoch)."""
    body, name = ground.body, NAMES[type_]
    if type_ in _DATA:
        data = _plain(_DATA[type_](ground, at))
    else:
        data = _plain(EventData(*_task(ground))) | _MORE.get(type_, _noted)(ground, at)
    return _told(name, body, number, at, data)


def tell_progress(body: Body, progress: Progress) -> TaskEvent:
    """How far a task says it is, as an event; such are not kept, and told to those who name them."""
    data = msgspec.to_builtins(ProgressData(str(body.id), progress_json(progress) or {}))
    return _told(NAMES[EventType.PROGRESS], body, progress.sequence, progress.at, data)


def trigger_names(event: TaskEvent, body: Body, definition_key: str, *, fallback: bool) -> list[str]:
    """The names under which code in the process listens: three forms, for the states that have triggers."""
    state = _TRIGGERS.get(event.key)
    if state is None:
        return []
    states = [state, "Fallback"] if fallback and state == "Done" else [state]
    camel = _camel(definition_key)
    names = []
    for each in states:
        names += [f"task{each}", f"task{camel}{each}"]
        if body.cause_type is not None and body.cause is not None:
            names.append(f"{body.cause_type}_{body.cause}OwnedTask{camel}{each}")
    return names


@lru_cache(1024)
def _camel(definition_key: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in definition_key.replace("_", "-").split("-"))


def _told(name: EventName, body: Body, number: int, at: int, data: dict[str, Any]) -> TaskEvent:
    identity = sequence.event_id(body.id, number)
    metadata = Metadata(body.correlation_id or sequence.correlation_id(body.id))
    return TaskEvent(name.key, name.type, identity, number, time_of(at), data, metadata)


def _plain(data: EventData) -> dict[str, Any]:
    return dict(msgspec.to_builtins(data))


def _task(ground: Ground) -> tuple[str, str | None, str]:
    """What every event says of its task."""
    return str(ground.body.id), ground.body.workflow_id, ground.definition.task_type.value


def _created(ground: Ground, at: int) -> CreatedData:
    del at
    return CreatedData(
        *_task(ground),
        task_definition_id=ground.definition.key,
        status="PENDING",
        priority=Priority(ground.body.priority).name,
        created_at=iso(made_at(ground.body.id)),
    )


def _started(ground: Ground, at: int) -> StartedData:
    worker = ground.attempt.worker if ground.attempt else None
    return StartedData(*_task(ground), executor_id=worker, start_time=iso(at))


def _ended(ground: Ground, at: int) -> dict[str, Any]:
    """Who ended it and when; of what a person or time has ended also why, and whose it was."""
    attempt, detail = ground.attempt, detail_of(ground.attempt)
    told: dict[str, Any] = {
        "executor_id": attempt.worker if attempt else None,
        "start_time": iso(attempt.started_at) if attempt else None,
        "end_time": iso(at),
    }
    if detail.by is not None:
        told |= {"by": detail.by, "reason": detail.reason, "outcome": detail.decision}
        told |= {"assignee_type": detail.assignee_type, "assignee_id": detail.assignee_id}
    return told


def _completed(ground: Ground, at: int) -> CompletedData:
    attempt = ground.attempt
    return CompletedData(
        *_task(ground),
        **_ended(ground, at),
        execution_time=attempt.run_ms if attempt else None,
        output_summary=summarize(attempt.result if attempt else None),
    )


def _failed(ground: Ground, at: int) -> FailedData:
    attempt = ground.attempt
    error = detail_of(attempt).error or {}
    return FailedData(
        *_task(ground),
        **_ended(ground, at),
        error_code=error.get("code"),
        error_message=error.get("message"),
        stack_trace=error.get("stackTrace"),
        retryable=bool(error.get("retryable", False)),
    )


def _canceled(ground: Ground, at: int) -> CanceledData:
    detail = detail_of(ground.attempt)
    return CanceledData(*_task(ground), end_time=iso(at), reason=detail.reason, canceled_by=detail.by)


def _retry(ground: Ground, at: int) -> RetryData:
    detail = detail_of(ground.attempt)
    error = detail.error or {}
    delay = detail.delay or 0.0
    return RetryData(
        *_task(ground),
        retry_count=detail.retry_count or 0,
        max_retries=ground.max_retries,
        retry_delay=delay,
        next_retry_time=iso(at + int(delay * 1_000_000)),
        last_error_code=error.get("code"),
        last_error_message=error.get("message"),
    )


def _noted(ground: Ground, at: int) -> dict[str, Any]:
    """Who, when and why, from the note or else from the attempt."""
    if ground.note is not None:
        told = {key: value for key, value in ground.note.body.items() if key != FORMER_INPUT}
        return {"at": iso(at), **told, **({"inputChanged": True} if len(told) < len(ground.note.body) else {})}
    detail = detail_of(ground.attempt)
    error = detail.error or {}
    changed = {} if detail.former_input is None else {"inputChanged": True}
    return {"at": iso(at), "by": detail.by, "reason": detail.reason or error.get("message"), **changed}


def _assigned(ground: Ground, at: int) -> dict[str, Any]:
    detail = detail_of(ground.attempt)
    return {
        "assigneeType": detail.assignee_type,
        "assigneeId": detail.assignee_id,
        "assigneeName": detail.assignee_id,
        "taskName": ground.definition.title or ground.definition.key,
        "taskDescription": ground.definition.description,
        "priority": Priority(ground.body.priority).name,
        "dueDate": iso(detail.due_at),
        **_noted(ground, at),
    }


_DATA: dict[EventType, Callable[[Ground, int], EventData]] = {
    EventType.CREATED: _created,
    EventType.STARTED: _started,
    EventType.COMPLETED: _completed,
    EventType.FAILED: _failed,
    EventType.CANCELED: _canceled,
    EventType.RETRY: _retry,
}


def _decided(ground: Ground, at: int) -> dict[str, Any]:
    """One of several has decided; what they would have it come to is told as short as any result."""
    told = _noted(ground, at)
    output = msgspec.json.encode(told.pop("output", None))
    return {**told, "outputSummary": summarize(output)}


_MORE: dict[EventType, Callable[[Ground, int], dict[str, Any]]] = {
    EventType.ASSIGNED: _assigned,
    EventType.DECIDED: _decided,
}


NOTED = frozenset(EventType) - _DATA.keys()
"""The types that are told from notes."""


def summarize(result: bytes | None) -> dict[str, Any]:
    """An output as an object that is never large: itself when it is small and an object, else its shape."""
    if result is None:
        return {}
    if len(result) > _SUMMARY_LENGTH:
        return {"truncated": True, "bytes": len(result)}
    value = msgspec.json.decode(result)
    return value if isinstance(value, dict) else {"value": value}
