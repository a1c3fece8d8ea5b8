"""What a store knows about tasks, as plain records: the ground from which tasks and events are told.

All times are microseconds since the epoch. Inputs, outputs and details are JSON bytes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import msgspec

from taskyard.domain.lifecycle import EventType, Outcome
from taskyard.domain.people.sheet import Decision


class Extra(msgspec.Struct, frozen=True, omit_defaults=True):
    """The less common facts of a request, stored as one JSON document; times in microseconds.

    `caller` None: a program in the same process, or the command line. `askers`: who asked for the task, or the process,
    that asked for this one, and for the one before. `correctors`: who has replaced its input since.
    """

    step_id: str | None = None
    workflow_context: dict[str, Any] | None = None
    client: dict[str, Any] | None = None
    caller: str | None = None
    askers: list[str] = []
    correctors: list[str] = []
    severity: str | None = None
    tags: list[str] = []
    metadata: dict[str, Any] | None = None
    callback_url: str | None = None
    available_at: int | None = None
    due_at: int | None = None
    assignee_type: str | None = None
    assignee_id: str | None = None
    concurrency_key: str | None = None
    fairness_key: str | None = None


EMPTY_EXTRA = Extra()


class Body(NamedTuple):
    """What was asked for. Written once; `revision` counts the audited changes made afterwards."""

    id: int
    kind_id: int
    policy_id: int
    priority: int
    workflow_id: str | None
    correlation_id: str | None
    cause_type: str | None
    cause: str | None
    parent_id: int | None
    hash: bytes | None
    input: bytes
    extra: bytes | None
    revision: int = 0


class AttemptFact(NamedTuple):
    """One ended attempt. `worker` is its executor's name, `run_ms` the handler's own time."""

    task_id: int
    attempt: int
    outcome: Outcome
    worker: str | None
    started_at: int | None
    finished_at: int
    run_ms: int | None
    result: bytes | None
    detail: bytes | None


class AttemptDetail(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What an attempt's `detail` holds, as far as it applies."""

    error: dict[str, Any] | None = None
    warnings: list[dict[str, Any]] = []
    delay: float | None = None
    retry_count: int | None = None
    by: str | None = None
    reason: str | None = None
    circuit: str | None = None
    tier: str | None = None
    lock: str | None = None
    assignee_type: str | None = None
    assignee_id: str | None = None
    due_at: int | None = None
    decision: str | None = None
    decisions: list[Decision] = []
    former_input: Any = None


NO_DETAIL = AttemptDetail()


class PlaceKind(IntEnum):
    """Where a task that is not final is kept."""

    READY = 1
    DELAYED = 2
    RETRYING = 3
    PARKED = 4
    RUNNING = 5
    ASSIGNED = 6
    WAITING = 7
    DEAD = 8


class Place(NamedTuple):
    """The one place a task is in. `at`: due (delayed, retrying), claimed (running), entered (the others).

    `sheet` and `urgency` (a priority) belong to a person's task.
    """

    kind: PlaceKind
    at: int
    attempt: int
    failures: int
    losses: int
    worker: str | None = None
    expires_at: int | None = None
    assignee_type: str | None = None
    assignee_id: str | None = None
    claimed_by: str | None = None
    due_at: int | None = None
    correlation_id: str | None = None
    changes: int = 0
    sheet: bytes | None = None
    urgency: int | None = None


class Progress(NamedTuple):
    """How far a task has come, by its own count; `sequence` is the place of the latest report."""

    sequence: int
    at: int
    current: float
    total: float | None
    action: str | None


class Facts(NamedTuple):
    """Everything known about one task now, read in one snapshot."""

    body: Body
    place: Place | None
    last: AttemptFact | None
    progress: Progress | None = None


FORMER_INPUT = "formerInput"
"""In the note of a requeue with another input, and in the detail of a repair: what the attempts before were given."""


class Note(NamedTuple):
    """One rarer fact of a task's story that no attempt records: who did what, and why."""

    task_id: int
    sequence: int
    at: int
    type: EventType
    body: dict[str, Any]


class Line(NamedTuple):
    """One line that a task logged."""

    task_id: int
    sequence: int
    at: int
    level: str
    text: str
