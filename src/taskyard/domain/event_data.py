"""What the events of a task's life tell: the `data` of each, by its type."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from taskyard.domain.lifecycle import EventType

Moment: TypeAlias = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


class EventData(msgspec.Struct, frozen=True, rename="camel"):
    """What every event says of its task."""

    task_id: str
    workflow_id: str | None
    task_type: str


class CreatedData(EventData, frozen=True, rename="camel", kw_only=True):
    """What was asked for."""

    task_definition_id: str
    status: str
    priority: str
    created_at: Moment


class StartedData(EventData, frozen=True, rename="camel", kw_only=True):
    """Who began an attempt."""

    executor_id: str | None
    start_time: Moment


class EndedData(EventData, frozen=True, rename="camel", kw_only=True):
    """Who ended the task, and when; one that never started has no executor.

    Only of what no worker has ended, but a person, time (`system`), or who answers for another system or has asked for
    what cannot run: `by` whom and why, by which name of the decision, and whose it was.
    """

    executor_id: str | None
    start_time: Moment | None
    end_time: Moment
    by: str | UnsetType = UNSET
    reason: str | UnsetType | None = UNSET
    outcome: str | UnsetType | None = UNSET
    assignee_type: str | UnsetType | None = UNSET
    assignee_id: str | UnsetType | None = UNSET


class CompletedData(EndedData, frozen=True, rename="camel", kw_only=True):
    """What came of it; `executionTime` in milliseconds."""

    execution_time: int | None
    output_summary: dict[str, Any]


class FailedData(EndedData, frozen=True, rename="camel", kw_only=True):
    """What went wrong for good."""

    error_code: str | None
    error_message: str | None
    stack_trace: str | None
    retryable: bool


class CanceledData(EventData, frozen=True, rename="camel", kw_only=True):
    """Why it ended, and by whom."""

    end_time: Moment
    reason: str | None
    canceled_by: str | None


class RetryData(EventData, frozen=True, rename="camel", kw_only=True):
    """What went wrong for now; `retryDelay` in seconds."""

    retry_count: int
    max_retries: int
    retry_delay: float
    next_retry_time: Moment
    last_error_code: str | None
    last_error_message: str | None


class NotedData(EventData, frozen=True, rename="camel", kw_only=True):
    """When it was, and as far as it applies who did it and why; a type may tell more."""

    at: Moment
    by: str | None = None
    reason: str | None = None


class AssignedData(NotedData, frozen=True, rename="camel", kw_only=True):
    """Whose task it is now."""

    assignee_type: str | None
    assignee_id: str | None
    assignee_name: str | None
    task_name: str
    task_description: str
    priority: str
    due_date: Moment | None


class EmittedData(EventData, frozen=True, rename="camel", kw_only=True):
    """What the task itself has told."""

    at: Moment
    name: str
    data: Any


class ProgressData(msgspec.Struct, frozen=True, rename="camel"):
    """How far a task says it is."""

    task_id: str
    progress: dict[str, Any]


DATA: dict[EventType, type[msgspec.Struct]] = {
    **dict.fromkeys(EventType, NotedData),
    EventType.CREATED: CreatedData,
    EventType.STARTED: StartedData,
    EventType.COMPLETED: CompletedData,
    EventType.FAILED: FailedData,
    EventType.CANCELED: CanceledData,
    EventType.RETRY: RetryData,
    EventType.ASSIGNED: AssignedData,
    EventType.EMITTED: EmittedData,
    EventType.PROGRESS: ProgressData,
}
"""What each type of event tells, as `data`."""
