"""The Task resource: what everybody outside sees of a task, told from the facts."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Final, overload

import msgspec

from taskyard.domain import sequence
from taskyard.domain.definition import Kind
from taskyard.domain.facts import (
    EMPTY_EXTRA,
    NO_DETAIL,
    AttemptDetail,
    AttemptFact,
    Extra,
    Facts,
    Place,
    PlaceKind,
    Progress,
)
from taskyard.domain.forms.secrets import without_secrets
from taskyard.domain.forms.start import input_schema
from taskyard.domain.ids import made_at
from taskyard.domain.lifecycle import Outcome, State
from taskyard.domain.policy import Policy
from taskyard.domain.priority import Priority

Time = Annotated[datetime, msgspec.Meta(tz=True, extra_json_schema={"pattern": "^($|[^019]|19[7-9])"})]
"""A time with its zone, of the years 1970 to 8999; in JSON as ISO-8601."""

LATEST: Final = 221_845_391_999_000_000
"""The last second of the year 8999 in UTC: what is later is no time here, and some zones cannot tell it."""


class Task(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One request to run a definition with an input; its id is also the run id. Times to the millisecond."""

    task_id: str
    task_definition_id: str
    definition_version: str
    title: str
    task_type: str
    status: State
    priority: str
    severity: str | None = None
    service: str | None = None
    workflow_id: str | None = None
    step_id: str | None = None
    workflow_context: dict[str, Any] | None = None
    correlation_id: str | None = None
    cause_type: str | None = None
    cause: str | None = None
    parent_task_id: str | None = None
    client: dict[str, Any] | None = None
    hash: str | None = None
    input: Any = None
    output: Any = None
    error: dict[str, Any] | None = None
    warnings: list[dict[str, Any]] = []
    progress: dict[str, Any] | None = None
    attempt: int = 0
    retry_count: int = 0
    max_retries: int = 0
    next_retry_time: Time | None = None
    created_at: Time
    available_at: Time | None = None
    start_time: Time | None = None
    end_time: Time | None = None
    execution_time: int | None = None
    executor_id: str | None = None
    assignee_type: str | None = None
    assignee_id: str | None = None
    assignee_name: str | None = None
    claimed_by: str | None = None
    due_date: Time | None = None
    dead_lettered_at: Time | None = None
    fallback: bool = False
    tags: list[str] = []
    metadata: dict[str, Any] | None = None
    version: int = 0


class WorkflowTask(Task, frozen=True, rename="camel", kw_only=True):
    """A task that a workflow asked for: `workflow_id` is set."""

    def __post_init__(self) -> None:
        if self.workflow_id is None:
            raise ValueError("a WorkflowTask needs its workflow_id")


class UserTask(Task, frozen=True, rename="camel", kw_only=True):
    """A manual task as its person sees it."""


@lru_cache(4096)
def time_of(us: int) -> datetime:
    """The time `us` (microseconds since the epoch), cut to the millisecond, in UTC; from 1970 to `LATEST`."""
    return datetime.fromtimestamp(min(max(us, 0), LATEST) // 1000 / 1000, UTC)


def moment(us: int | None) -> datetime | None:
    """The same, where there may be none."""
    return None if us is None else time_of(us)


@overload
def iso(us: int) -> str: ...
@overload
def iso(us: int | None) -> str | None: ...
def iso(us: int | None) -> str | None:
    """The time `us` as ISO-8601 in UTC with milliseconds; from 1970 to `LATEST`."""
    return None if us is None else _millisecond(us // 1000)


@lru_cache(4096)
def _millisecond(ms: int) -> str:
    """What the many lines that a run says within it have in common."""
    seconds, rest = divmod(min(max(ms, 0), LATEST // 1000), 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache(1024)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


@lru_cache(4096)
def written(when: datetime) -> str:
    """The time as ISO-8601 in UTC with milliseconds."""
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_json(task: Task) -> dict[str, Any]:
    """The task as the JSON object of the contract."""
    plain = msgspec.to_builtins(task, builtin_types=(datetime,))
    for name, value in plain.items():
        if isinstance(value, datetime):
            plain[name] = written(value)
    return dict(plain)


def tell(facts: Facts, kind: Kind, policy: Policy) -> Task:
    """The task that the facts make, with its definition's version and its frozen policy; of its input no secrets."""
    body, place, last, progress = facts
    definition = kind.definition
    extra = msgspec.json.decode(body.extra, type=Extra) if body.extra else EMPTY_EXTRA
    status = state_of(place, last)
    final = last if place is None or place.kind is PlaceKind.DEAD else None
    detail = detail_of(last)
    person = detail if place is None or place.kind is PlaceKind.DEAD else place
    model = WorkflowTask if body.workflow_id else UserTask if definition.task_type == "MANUAL" else Task
    return model(
        task_id=str(body.id),
        task_definition_id=definition.key,
        definition_version=kind.version,
        title=definition.title or definition.key,
        task_type=definition.task_type.value,
        status=status,
        priority=Priority((place.urgency if place else None) or body.priority).name,
        severity=extra.severity,
        service=definition.service or None,
        workflow_id=body.workflow_id,
        step_id=extra.step_id,
        workflow_context=extra.workflow_context,
        correlation_id=body.correlation_id or sequence.correlation_id(body.id),
        cause_type=body.cause_type,
        cause=body.cause,
        parent_task_id=None if body.parent_id is None else str(body.parent_id),
        client=extra.client,
        hash=body.hash.hex() if body.hash else None,
        input=without_secrets(input_schema(definition), msgspec.json.decode(body.input)),
        output=_output(status, last),
        error=_error(status, detail),
        warnings=detail.warnings if final else [],
        progress=progress_json(progress),
        attempt=_attempt(place, last),
        retry_count=_retries(place, detail),
        max_retries=policy.retry.max_retries,
        next_retry_time=moment(place.at) if place and place.kind is PlaceKind.RETRYING else None,
        created_at=time_of(made_at(body.id)),
        available_at=moment(_delayed_until(place) or extra.available_at),
        assignee_type=person.assignee_type or extra.assignee_type,
        assignee_id=person.assignee_id or extra.assignee_id,
        claimed_by=place.claimed_by if place else None,
        due_date=moment(person.due_at or extra.due_at),
        dead_lettered_at=moment(place.at) if place and place.kind is PlaceKind.DEAD else None,
        fallback=bool(final and final.outcome is Outcome.FALLBACK),
        tags=extra.tags,
        metadata=extra.metadata,
        version=version_of(place, last),
        **_times(place, last, final),
    )


def state_of(place: Place | None, last: AttemptFact | None) -> State:
    """The state a task is in, from its place and the way its latest attempt ended."""
    if place is not None:
        return _PLACE_STATES[place.kind]
    if last is None:
        return State.PENDING
    return _OUTCOME_STATES[last.outcome]


_PLACE_STATES = {
    PlaceKind.READY: State.PENDING,
    PlaceKind.DELAYED: State.PENDING,
    PlaceKind.PARKED: State.PENDING,
    PlaceKind.RETRYING: State.RETRYING,
    PlaceKind.RUNNING: State.RUNNING,
    PlaceKind.ASSIGNED: State.ASSIGNED,
    PlaceKind.WAITING: State.WAITING,
    PlaceKind.DEAD: State.FAILED,
}

_OUTCOME_STATES = {
    Outcome.COMPLETED: State.COMPLETED,
    Outcome.FALLBACK: State.COMPLETED,
    Outcome.FAILED: State.FAILED,
    Outcome.CANCELED: State.CANCELED,
    Outcome.RETRY: State.RETRYING,
    Outcome.LOST: State.PENDING,
    Outcome.RELEASED: State.PENDING,
    Outcome.ASSIGNED: State.ASSIGNED,
    Outcome.WAITING: State.WAITING,
    Outcome.REPAIRED: State.PENDING,
}


def _delayed_until(place: Place | None) -> int | None:
    """A requeue may delay a task that was not to be delayed when it was asked for."""
    return place.at if place is not None and place.kind is PlaceKind.DELAYED else None


def version_of(place: Place | None, last: AttemptFact | None) -> int:
    """A number that grows with every stored change: the sequence of the latest event."""
    if place is None or place.kind is PlaceKind.DEAD:
        return sequence.settled(last.attempt) if last else 0
    if place.kind in (PlaceKind.ASSIGNED, PlaceKind.WAITING):
        return sequence.line(place.attempt + 1, place.changes)
    if place.kind is PlaceKind.RUNNING:
        return sequence.started(place.attempt)
    if place.kind is PlaceKind.RETRYING:
        return sequence.queued(place.attempt) - 1
    return sequence.queued(place.attempt)


def progress_json(progress: Progress | None) -> dict[str, Any] | None:
    """`{current, total, action, percent}`, percent from 0 to 100 where a total is known."""
    if progress is None:
        return None
    percent = None
    if progress.total:
        percent = round(min(100.0, 100.0 * progress.current / progress.total), 2)
    return {
        "current": progress.current,
        "total": progress.total,
        "action": progress.action,
        "percent": percent,
    }


def detail_of(last: AttemptFact | None) -> AttemptDetail:
    """What the latest attempt has to say beside its result."""
    return msgspec.json.decode(last.detail, type=AttemptDetail) if last and last.detail else NO_DETAIL


def _retries(place: Place | None, detail: AttemptDetail) -> int:
    if place is None or place.kind is PlaceKind.DEAD:
        return detail.retry_count or 0
    return place.failures


def _attempt(place: Place | None, last: AttemptFact | None) -> int:
    if place is not None and place.kind is not PlaceKind.DEAD:
        return place.attempt
    return last.attempt if last else 0


def _output(status: State, last: AttemptFact | None) -> Any:
    if status is not State.COMPLETED or last is None or last.result is None:
        return None
    return msgspec.json.decode(last.result)


def _error(status: State, detail: AttemptDetail) -> dict[str, Any] | None:
    if status is State.CANCELED:
        return {"code": "CANCELED", "message": detail.reason or "canceled"}
    return None if status is State.COMPLETED else detail.error


def _times(place: Place | None, last: AttemptFact | None, final: AttemptFact | None) -> dict[str, Any]:
    if place is not None and place.kind is PlaceKind.RUNNING:
        return {"start_time": moment(place.at), "executor_id": place.worker}
    times: dict[str, Any] = {}
    if last is not None:
        times = {"start_time": moment(last.started_at), "executor_id": last.worker}
    if final is not None:
        times |= {"end_time": moment(final.finished_at), "execution_time": final.run_ms}
    return times
