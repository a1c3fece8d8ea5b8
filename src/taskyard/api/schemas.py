"""The shapes of bodies and answers that the engine has no type for, and the limits of those it has."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from taskyard.api.shapes import Shape
from taskyard.domain.definition import Definition
from taskyard.domain.lifecycle import State
from taskyard.domain.outcome import TaskError
from taskyard.domain.task import Task
from taskyard.engine.lease import DequeueRequest, HeartbeatRequest
from taskyard.engine.request import TaskRequest
from taskyard.engine.status import StatusChange

Limit = Annotated[int, Meta(ge=1, le=200)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
TaskId = Annotated[str, Meta(pattern="^[0-9]{1,19}$")]

_LONGEST_VISIBILITY = 7 * 24 * 3600
_MOST_TASKS = 1000


class _Body(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    pass


# ---- bodies
class Reason(_Body):
    """Why something is done, for the audit trail."""

    reason: Annotated[str, Meta(max_length=2000)] | None = None


class Reassignment(_Body):
    """To whom a manual task goes."""

    assignee_type: Literal["USER", "GROUP"]
    assignee_id: Name
    reason: Annotated[str, Meta(max_length=2000)] | None = None


class Bulk(_Body):
    """Many create bodies, stored all or none."""

    tasks: Annotated[list[TaskRequest], Meta(min_length=1, max_length=_MOST_TASKS)]


class Settled(_Body):
    """An attempt's result."""

    lease_token: str
    output: Any = None


class Failure(_Body):
    """An attempt's failure."""

    lease_token: str
    error: TaskError


class Postponement(_Body):
    """A wish to be tried again: `delay` in seconds, else the policy's; without `error` no budget is burnt."""

    lease_token: str
    delay: Annotated[float, Meta(ge=0, le=31_536_000)] | None = None
    error: TaskError | None = None


class Output(_Body):
    """The result a person gives."""

    output: Any = None
    version: int | None = None


class PageQuery(_Body):
    """Which page of a list."""

    limit: Limit = 50
    cursor: str | None = None


CREATE = Shape[TaskRequest](TaskRequest)
BULK = Shape[Bulk](Bulk)
STATUS_CHANGE = Shape[StatusChange](StatusChange)
REASON = Shape[Reason](Reason)
REASSIGNMENT = Shape[Reassignment](Reassignment)
DEQUEUE = Shape[DequeueRequest](
    DequeueRequest,
    {
        "workerId": {"minLength": 1, "maxLength": 255},
        "maxMessages": {"minimum": 1, "maximum": 100},
        "visibilityTimeout": {"exclusiveMinimum": 0, "maximum": _LONGEST_VISIBILITY},
        "waitTime": {"minimum": 0, "maximum": 30},
    },
)
HEARTBEAT = Shape[HeartbeatRequest](
    HeartbeatRequest,
    {"visibilityTimeout": {"exclusiveMinimum": 0, "maximum": _LONGEST_VISIBILITY}, "logs": {"maxItems": 1000}},
)
SETTLED = Shape[Settled](Settled)
FAILURE = Shape[Failure](Failure)
POSTPONEMENT = Shape[Postponement](Postponement)
OUTPUT = Shape[Output](Output)
PAGE_QUERY = Shape[PageQuery](PageQuery)


# ---- answers
class _Answer(msgspec.Struct, rename="camel", kw_only=True):
    pass


class ReusedTask(Task, frozen=True, rename="camel", kw_only=True):
    """A task that had been there before."""

    reused: bool


class TaskPage(_Answer):
    """Some tasks."""

    items: list[Task]
    next_cursor: str | None


class TaskItems(_Answer):
    """The tasks of a bulk request, in its order."""

    items: list[Task]


class QueueMessage(_Answer):
    """A task under lease, as its worker gets it."""

    task_id: str
    workflow_id: str | None
    workflow_context: dict[str, Any] | None
    task_type: str
    task_definition_id: str
    priority: str
    execution_config: dict[str, Any]
    input: Any
    correlation_id: str | None
    enqueue_time: str | None
    visibility_timeout: float
    dequeue_count: int
    lease_token: str | None


class Messages(_Answer):
    """What a dequeue yields; nothing is an empty list."""

    messages: list[QueueMessage]


class Heartbeat(_Answer):
    """Whether the worker should stop."""

    cancel_requested: bool


class TaskIds(_Answer):
    """Which tasks it concerned."""

    task_ids: list[str]


class Requeued(TaskIds):
    """Which dead letters were moved; `pending` more follow at the rate that was asked for."""

    pending: int = 0


class DefinitionVersion(Definition, frozen=True, rename="camel", omit_defaults=False, kw_only=True):
    """A definition as it is stored: `version` names its content, `number` counts from 1."""

    version: str
    number: int
    created_at: datetime | None
    retired: bool


class DefinitionPage(_Answer):
    """Some definitions."""

    items: list[DefinitionVersion]
    next_cursor: str | None


class Attempt(_Answer):
    """One ended try at a task; `executionTime` in milliseconds, `delay` in seconds until the next."""

    attempt: int
    outcome: str
    executor_id: str | None
    start_time: datetime | None
    end_time: datetime | None
    execution_time: int | None
    error: dict[str, Any] | None
    warnings: list[dict[str, Any]]
    delay: float | None
    by: str | None
    reason: str | None
    tier: str | None


class AttemptPage(_Answer):
    """Some attempts, oldest first."""

    items: list[Attempt]
    next_cursor: str | None


class Envelope(_Answer):
    """One event."""

    type: str
    id: str
    sequence: int
    timestamp: datetime
    data: dict[str, Any]
    metadata: dict[str, Any]


class EventPage(_Answer):
    """Some events of one task, oldest first."""

    items: list[Envelope]
    next_cursor: str | None


class FeedPage(EventPage):
    """Some events of all tasks; `position` is where to go on with `after`."""

    position: str


class LogLine(_Answer):
    """One line a task logged."""

    sequence: int
    at: str | None
    level: str
    text: str


class LogPage(_Answer):
    """Some lines, oldest first."""

    items: list[LogLine]
    next_cursor: str | None


class Why(_Answer):
    """Why a task is not running: one sentence, and fields that depend on it."""

    task_id: str
    status: State
    reason: str


class QueueFigures(_Answer):
    """One queue; ages in seconds, rates per second."""

    name: str
    paused: bool
    depth: int
    in_flight: int
    oldest_age: float | None
    add_rate: float
    dispatch_rate: float


class QueuePage(_Answer):
    """The queues."""

    items: list[QueueFigures]
    next_cursor: str | None


class Worker(_Answer):
    """One worker process; `heartbeatAge` in seconds, `cpu` as a share of one core."""

    worker_id: str
    host: str
    pid: int
    version: str
    queues: list[str]
    slots: int
    running: int
    started_at: str | None
    heartbeat_age: float
    cpu: float | None
    memory_mb: float | None
    tiers: list[str]


class WorkerPage(_Answer):
    """The workers that live."""

    items: list[Worker]
    next_cursor: str | None


class UploadAnswer(_Answer):
    """A file that was taken; its `uploadId` is the value of a file field."""

    upload_id: str
    name: str
    size: int
    sha256: str


class Me(_Answer):
    """Who is asking."""

    subject: str
    scopes: list[str]
    groups: list[str]


class RunAnswer(_Answer):
    """A run that has ended; `elapsed` in milliseconds."""

    run_id: str
    status: State
    output: Any
    error: dict[str, Any] | None
    logs: list[LogLine]
    start_time: datetime | None
    elapsed: int | None


class Started(_Answer):
    """A run that is under way."""

    run_id: str


class Taken(_Answer):
    """An event that was taken, and the tasks it started."""

    id: str
    task_ids: list[str]
