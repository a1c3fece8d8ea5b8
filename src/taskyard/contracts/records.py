"""What is handed to a store and what it hands back: plain records.

Times are microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from taskyard.contracts.insight import AttemptFilter
from taskyard.domain.due import Progress
from taskyard.domain.facts import AttemptFact, Facts, Line, Note
from taskyard.domain.gate import RateGate
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.domain.media import UNKNOWN
from taskyard.domain.priority import Priority
from taskyard.domain.queue import Queue, TaskType
from taskyard.domain.schedule import Schedule

WORKER_TTL_US = 11_000_000
"""A worker whose last heartbeat is older than this is dead."""

LEADER_GAP_US = 6_000_000
"""The longest silence of leaders that is not taken for a pause of the database: a new leader comes sooner, and
workers that beat before a shorter pause and after it have not been silent for too long.
"""


class Topic(StrEnum):
    """What a process may want to be woken for. Wake-ups are hints: they may be late, doubled or missing."""

    READY = "ready"
    REVOKED = "revoked"
    FEED = "feed"
    BACK = "back"  # the store that could not be used can be used again


class SlotKey(NamedTuple):
    """A limit a task falls under: at most `limit` tasks with this `key` at once (None: any number).

    Of a `shared` one no more slots are given out than the workers can take soon, so that whoever comes late does not
    stand behind all who came before. A task may fall under one of these.
    """

    key: str
    limit: int | None
    shared: bool = False


class Entry(NamedTuple):
    """One task to store. `run_at` None means now. Its slots are taken before it becomes ready.

    A limit's slots are given out fairly between the fairness keys ("" for none) of those that wait for them.
    """

    id: int
    kind_id: int
    policy_id: int
    lane_id: int
    priority: int
    input: bytes
    run_at: int | None = None
    extra: bytes | None = None
    workflow_id: str | None = None
    correlation_id: str | None = None
    cause_type: str | None = None
    cause: str | None = None
    parent_id: int | None = None
    hash: bytes | None = None
    tags: tuple[str, ...] = ()
    slots: tuple[SlotKey, ...] = ()
    fairness_key: str = ""


class Unique(NamedTuple):
    """A key under which only one task may stand until `expires_at` (None: as long as the task is kept).

    `fingerprint` tells whether two requests under the key are the same; None: they always are.
    A key that is `forgiving` is free again once its task FAILED or was CANCELED.
    `newer_than`: a task made before that moment does not count.
    """

    key: bytes
    fingerprint: bytes | None
    expires_at: int | None
    forgiving: bool
    newer_than: int | None = None


class Found(NamedTuple):
    """The task that holds a unique key already, and whether its request was the same."""

    task_id: int
    same: bool


class ScheduleRow(NamedTuple):
    """A schedule as it is stored; `due_at` is when something has to be decided, None for never.

    `revision` changes with every change; 0 is that of one which is not stored yet.
    """

    schedule: Schedule
    progress: Progress
    due_at: int | None
    revision: int = 0

    @property
    def id(self) -> str:
        """The schedule's id."""
        return self.schedule.schedule_id


class ScheduledEntry(NamedTuple):
    """A task of a schedule; only one is ever kept under a `key`, and any number without one."""

    entry: Entry
    key: bytes | None = None


class ScheduleWrite(NamedTuple):
    """What a schedule is to become, at the revision it was read with, and the tasks it starts by that."""

    row: ScheduleRow
    entries: tuple[ScheduledEntry, ...] = ()


class Claimed(NamedTuple):
    """One task under a lease."""

    task_id: int
    attempt: int
    lane_id: int
    kind_id: int
    policy_id: int
    priority: int
    failures: int
    losses: int
    queued_at: int
    input: bytes
    extra: bytes | None
    workflow_id: str | None
    correlation_id: str | None
    cause_type: str | None
    cause: str | None
    parent_id: int | None


class Lease(NamedTuple):
    """A claim on a batch of tasks; `claimed_at` by the store's clock."""

    id: int
    claimed_at: int
    tasks: list[Claimed]


class GatedLease(NamedTuple):
    """What passed the gates, and for each rate that keeps somebody back the moment when it lets the next one pass."""

    lease: Lease | None
    opens_at: dict[RateGate, int]


class Opened(NamedTuple):
    """Where a task waits for a person or an external system; times in microseconds.

    `wake_at`: when something is to be done about it. `sheet`: what is kept of a person's task, `urgency` its priority.
    """

    assignee_type: str | None = None
    assignee_id: str | None = None
    claimed_by: str | None = None
    correlation_id: str | None = None
    due_at: int | None = None
    wake_at: int | None = None
    sheet: bytes | None = None
    urgency: int | None = None


class Settlement(NamedTuple):
    """One way out of a claim. `lane_id`: where it queues next (RETRY, LOST, RELEASED).

    `delay_us` delays a RETRY. `opened` tells where a handed over task (ASSIGNED, WAITING) waits. `by`: the person who
    has ended an open one, who finds it among what they have done.
    """

    claim_id: int
    task_id: int
    attempt: int
    outcome: Outcome
    run_ms: int | None = None
    result: bytes | None = None
    detail: bytes | None = None
    delay_us: int | None = None
    failures: int = 0
    losses: int = 0
    lane_id: int | None = None
    opened: Opened | None = None
    by: str | None = None


class LostTask(NamedTuple):
    """A task whose lease has ended without a word. `started`: whether it had begun to run; `crashed`: whether its
    worker is known to have crashed.
    """

    claim_id: int
    task_id: int
    attempt: int
    lane_id: int
    policy_id: int
    failures: int
    losses: int
    started: bool
    crashed: bool = False


class WorkerInfo(NamedTuple):
    """A worker process as it registers. `supervised`: somebody will tell exactly what it ran when it died."""

    name: str
    host: str
    pid: int
    version: str
    queues: tuple[str, ...]
    slots: int
    supervised: bool


class WorkerRow(NamedTuple):
    """A registered worker; `beat_at` its last sign of life, `stats` what it last said of itself."""

    id: int
    info: WorkerInfo
    started_at: int
    beat_at: int
    running: int
    stats: dict[str, Any]


class FeedRow(NamedTuple):
    """A batch of events of one type, at positions `pos - len(task_ids) + 1 … pos` of the feed."""

    pos: int
    at: int
    type: EventType
    task_ids: Sequence[int]
    sequences: Sequence[int]


class Story(NamedTuple):
    """Everything that has happened to a task, read in one snapshot; `lines` only after the sequence asked for."""

    facts: Facts
    attempts: list[AttemptFact]
    notes: list[Note]
    lines: list[Line]


class Filter(NamedTuple):
    """Which tasks to list; None means any. `kind_ids` are a definition's versions; a tag may be the version's too.

    `queues`: where they wait now. `attempts`: at least so many have begun. `asker`: who asked, by themselves or through
    a client. `family`: the task with this id, and those that it and its subtasks started, the first 10,000.
    """

    status: frozenset[State] | None = None
    task_types: frozenset[TaskType] | None = None
    kind_ids: tuple[int, ...] | None = None
    workflow_id: str | None = None
    cause_type: str | None = None
    cause: str | None = None
    parent_id: int | None = None
    hash: bytes | None = None
    correlation_id: str | None = None
    correlation_prefix: str | None = None
    id_prefix: str | None = None
    title_kind_ids: tuple[int, ...] | None = None
    assignee: str | None = None
    tag: str | None = None
    created_after: int | None = None
    created_before: int | None = None
    started_after: int | None = None
    started_before: int | None = None
    attempt: AttemptFilter | None = None
    queues: frozenset[Queue] | None = None
    priorities: frozenset[Priority] | None = None
    attempts: int | None = None
    asker: str | None = None
    family: int | None = None


class Page(NamedTuple):
    """Ids newest first, and where the next page begins (None: there is none)."""

    ids: list[int]
    next: int | None


class QueueRow(NamedTuple):
    """One queue's figures: waiting now, under lease from it, age of the oldest waiting in microseconds.

    `running`: of those whose home it is, wherever they waited, how many are under lease, as its ceiling counts them:
    without the parents that wait for a subtask.
    """

    queue: int
    paused: bool
    depth: int
    in_flight: int
    oldest_age: int | None
    running: int


class Turn(NamedTuple):
    """Where a ready task stands: its queue, and how many are before it in its lane."""

    queue: int
    ahead: int


class Taken(NamedTuple):
    """A limit's slots: its size (None: any), how many are held, how many of these by tasks of
    one's own fairness key, and the first of those who hold them.
    """

    key: str
    size: int | None
    held: int
    own: int
    holders: list[int]


class Contention(NamedTuple):
    """What a parked task waits for: in which limit's line, with which fairness key, behind how many of its own key,
    among how many keys; and all limits it falls under.
    """

    line: str
    fairness_key: str
    ahead: int
    waiting: int
    limits: list[Taken]


class Upload(NamedTuple):
    """An uploaded file's description; `size` in bytes, `sha256` in hex, `owner` the subject who handed it over.

    `media_type` is what its content has been found to fit.
    """

    id: str
    name: str
    size: int
    sha256: str
    created_at: int
    owner: str
    media_type: str = UNKNOWN


class Emitted(NamedTuple):
    """An event of a running attempt's own; `body` is the `name` and the `data` it gave."""

    task_id: int
    sequence: int
    body: dict[str, Any]


class ProgressReport(NamedTuple):
    """How far a task says it is; a report with a lower sequence than the kept one is ignored."""

    task_id: int
    sequence: int
    at: int
    current: float
    total: float | None
    action: str | None
