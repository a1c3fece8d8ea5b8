"""The shapes of bodies and answers that the engine has no type for, and the limits of those it has."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from taskyard.api.shapes import Shape
from taskyard.domain.definition import Definition
from taskyard.domain.event import Metadata
from taskyard.domain.lifecycle import State
from taskyard.domain.outcome import TaskError
from taskyard.domain.task import Task, Time
from taskyard.engine.lease import DequeueRequest, HeartbeatRequest
from taskyard.engine.request import TaskRequest
from taskyard.engine.status import StatusChange

Limit = Annotated[int, Meta(ge=1, le=200)]
Cursor = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]+$", max_length=1000)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
Status = Literal[
    "PENDING", "RUNNING", "RETRYING", "ASSIGNED", "WAITING", "COMPLETED", "FAILED", "CANCELED", "CANCELLED"
]
TaskId = Annotated[str, Meta(pattern="^[0-9]{1,19}$")]
Sequence = Annotated[int, Meta(ge=0, le=(1 << 62))]

_LONGEST_VISIBILITY = 7 * 24 * 3600
_MOST_TASKS = 1000


class Strict(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What a client sends: nothing that is not known."""


def us(when: datetime | None) -> int | None:
    """A time in microseconds since the epoch."""
    return None if when is None else int(when.timestamp() * 1_000_000)


# ---- bodies
class Reason(Strict):
    """Why something is done, for the audit trail; with `version` only if that is the task's present one."""

    reason: Annotated[str, Meta(max_length=2000)] | None = None
    version: int | None = None


class Bulk(Strict):
    """Many create bodies, stored all or none."""

    tasks: Annotated[list[TaskRequest], Meta(min_length=1, max_length=_MOST_TASKS)]


class Settled(Strict):
    """An attempt's result."""

    lease_token: str
    output: Any = None


class Failure(Strict):
    """An attempt's failure."""

    lease_token: str
    error: TaskError


class Postponement(Strict):
    """A wish to be tried again: `delay` in seconds, else the policy's; without `error` no budget is burnt."""

    lease_token: str
    delay: Annotated[float, Meta(ge=0, le=31_536_000)] | None = None
    error: TaskError | None = None


class FileForm(Strict):
    """A form with one file, and what is said of it; that has to be true. `size` in bytes, `sha256` in hex."""

    file: bytes
    size: int | None = None
    sha256: str | None = None


class PageQuery(Strict):
    """Which page of a list."""

    limit: Limit = 50
    cursor: Cursor | None = None


class DefinitionQuery(PageQuery):
    """A page of definitions; `q` is part of a key or title."""

    category: str | None = None
    tag: str | None = None
    q: str | None = None


CREATE = Shape[TaskRequest](TaskRequest)
BULK = Shape[Bulk](Bulk)
STATUS_CHANGE = Shape[StatusChange](StatusChange, {"status": {"enum": list(get_args(Status))}})
REASON = Shape[Reason](Reason)
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
FILE = Shape[FileForm](FileForm)
PAGE_QUERY = Shape[PageQuery](PageQuery)
DEFINITION_QUERY = Shape[DefinitionQuery](DefinitionQuery)


# ---- answers
class Answer(msgspec.Struct, rename="camel", kw_only=True):
    """What the server sends."""


class ReusedTask(Task, frozen=True, rename="camel", kw_only=True):
    """A task that had been there before."""

    reused: bool


class TriggeredTask(Task, frozen=True, rename="camel", kw_only=True):
    """A task that a trigger has started, and the others that it has."""

    other_task_ids: list[str]


class TaskPage(Answer):
    """Some tasks."""

    items: list[Task]
    next_cursor: str | None


class TaskItems(Answer):
    """The tasks of a bulk request, in its order."""

    items: list[Task]


class QueueMessage(Answer):
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
    enqueue_time: Time | None
    visibility_timeout: float
    dequeue_count: int
    lease_token: str | None


class Messages(Answer):
    """What a dequeue yields; nothing is an empty list."""

    messages: list[QueueMessage]


class Heartbeat(Answer):
    """Whether the worker should stop."""

    cancel_requested: bool


class TaskIds(Answer):
    """Which tasks it concerned."""

    task_ids: list[str]


class DefinitionVersion(Definition, frozen=True, rename="camel", omit_defaults=False, kw_only=True):
    """A definition as it is stored: `version` names its content, `number` counts from 1."""

    version: str
    number: int
    created_at: Time | None
    retired: bool


class DefinitionPage(Answer):
    """Some definitions."""

    items: list[DefinitionVersion]
    next_cursor: str | None


class Attempt(Answer):
    """One ended try at a task; `queueWait` (null: it was not queued) and `executionTime` in milliseconds, `delay` in
    seconds until the next. `formerInput` is what it was given where a requeue has changed the input since.
    `lock`: the hash of the lock of the packages that its code was given.
    """

    attempt: int
    outcome: str
    executor_id: str | None
    queue_wait: int | None
    start_time: Time | None
    end_time: Time | None
    execution_time: int | None
    error: dict[str, Any] | None
    warnings: list[dict[str, Any]]
    delay: float | None
    by: str | None
    reason: str | None
    decision: str | None
    decisions: list[dict[str, Any]]
    tier: str | None
    lock: str | None
    former_input: Any


class AttemptPage(Answer):
    """Some attempts, oldest first."""

    items: list[Attempt]
    next_cursor: str | None


class Envelope(Answer):
    """One event."""

    type: str
    id: str
    sequence: int
    timestamp: Time
    data: dict[str, Any]
    metadata: Metadata


class EventPage(Answer):
    """Some events of one task, oldest first."""

    items: list[Envelope]
    next_cursor: str | None


class FeedPage(EventPage):
    """Some events of all tasks; `position` is where to go on with `after`."""

    position: str


class LoggedLine(Answer):
    """One line a task logged."""

    sequence: int
    at: Time | None
    level: str
    text: str


class LogPage(Answer):
    """Some lines, oldest first."""

    items: list[LoggedLine]
    next_cursor: str | None


class Why(Answer):
    """Why a task is not running: one sentence, and fields that depend on it."""

    task_id: str
    status: State
    reason: str


class QueueSlots(Answer):
    """How many tasks of a queue's type run on all machines, and how many may; without a `limit` any number."""

    used: int
    limit: int | None


class QueueFigures(Answer):
    """One queue; ages in seconds, rates per second."""

    name: str
    paused: bool
    depth: int
    in_flight: int
    oldest_age: float | None
    add_rate: float
    dispatch_rate: float
    slots: QueueSlots


class QueuePage(Answer):
    """The queues."""

    items: list[QueueFigures]
    next_cursor: str | None


class Worker(Answer):
    """One worker process; `heartbeatAge` in seconds, `cpu` as a share of one core."""

    worker_id: str
    host: str
    pid: int
    version: str
    queues: list[str]
    slots: int
    running: int
    started_at: Time | None
    heartbeat_age: float
    cpu: float | None
    memory_mb: float | None
    tiers: list[str]


class WorkerPage(Answer):
    """The workers that live."""

    items: list[Worker]
    next_cursor: str | None


class UploadAnswer(Answer):
    """A file that was taken; its `uploadId` is the value of a file field."""

    upload_id: str
    name: str
    size: int
    sha256: str
    media_type: str


class Me(Answer):
    """Who is asking."""

    subject: str
    scopes: list[str]
    groups: list[str]


class RunAnswer(Answer):
    """A run that has ended; `elapsed` in milliseconds."""

    run_id: str
    status: State
    output: Any
    error: dict[str, Any] | None
    logs: list[LoggedLine]
    start_time: Time | None
    elapsed: int | None


class Started(Answer):
    """A run that is under way."""

    run_id: str


class Taken(Answer):
    """An event that was taken, and the tasks it started."""

    id: str
    task_ids: list[str]


class Metrics(Answer):
    """What operators watch: queues by name; figures by definition, task type and implementation kind; people, as at
    `/api/v1/people/metrics`; workers.
    """

    queues: dict[str, dict[str, Any]]
    definitions: dict[str, dict[str, Any]]
    task_types: dict[str, dict[str, Any]]
    implementation_kinds: dict[str, dict[str, Any]]
    people: dict[str, list[dict[str, Any]]]
    workers: list[Worker]
    dependencies: dict[str, dict[str, Any]]
