"""What commands ask of Taskyard, whichever way they reach it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

Json = dict[str, Any]
Message = dict[str, Any]


class Started(NamedTuple):
    """A task that was asked for, as JSON; `reused` when it had been there before."""

    task: Json
    reused: bool


class WebhookAccess(Protocol):
    """The verbs of webhooks."""

    async def subscriptions(self, limit: int, cursor: str | None) -> Json:
        """A page of the subscriptions, by id."""

    async def subscription(self, subscription_id: str) -> Json:
        """One subscription, and how its endpoint fares."""

    async def subscribe(self, body: Json) -> Json:
        """Make a subscription; with its `secret`."""

    async def change_subscription(self, subscription_id: str, body: Json) -> Json:
        """Change the fields that are given; the subscription."""

    async def remove_subscription(self, subscription_id: str) -> None:
        """Forget a subscription."""

    async def rotate_subscription(self, subscription_id: str, overlap: float) -> Json:
        """Give it a new secret; with its `secret`."""

    async def ping_subscription(self, subscription_id: str) -> Json:
        """Send it a ping, once; the delivery."""

    async def deliveries(self, query: Mapping[str, Any]) -> Json:
        """A page of deliveries; `query` as the parameters of `GET /api/v1/deliveries`."""

    async def delivery(self, delivery_id: str) -> Json:
        """One delivery, with its `payload`."""

    async def redeliver(self, delivery_id: str) -> Json:
        """Send one again, now; the delivery."""

    async def redeliver_all(self, filter_: Json) -> Json:
        """Send all again that fit and are over: `{count}`."""

    async def callback_secret(self) -> Json:
        """What signs callbacks: `{secret}`."""


class PeopleAccess(Protocol):
    """What people do; `user`: as whom, None for oneself."""

    async def inbox(self, query: Mapping[str, Any], user: str | None) -> Json:
        """A page of an inbox; `query` as the parameters of `GET /api/v1/inbox`."""

    async def act(self, task_id: str, verb: str, body: Json, user: str | None) -> Json:
        """The task after a verb that people have for it, such as `claim` or `complete`."""

    async def notifications(self, query: Mapping[str, Any], user: str | None) -> Json:
        """A page of what somebody was told; `query` as the parameters of `GET /api/v1/notifications`."""

    async def mark_notifications(self, body: Json, user: str | None) -> Json:
        """Have notices (`{noticeIds?, read}`) read or unread: `{count}`."""

    async def preferences(self, wanted: Any, user: str | None) -> Json:
        """How somebody wants to be told; first changed to `wanted`, if that is given."""


class AuditAccess(Protocol):
    """The history of tasks."""

    async def history(self, task_id: str, format_: str) -> str:
        """All that has happened to a task, as `text`, `jsonl` or `csv`."""

    async def verify_audit(self, head: str | None) -> Json:
        """Whether it is as it was sealed: `{entries, forgotten, findings, head}`; `head`: one that was noted before."""


class WorkflowAccess(Protocol):
    """The verbs of workflows, each at the orchestrator that `engine` names."""

    async def workflows(self, engine: str) -> list[Json]:
        """The processes that can be started, by key."""

    async def workflow(self, key: str, engine: str) -> Json:
        """One of them."""

    async def deploy_workflow(self, source: str, engine: str) -> Json:
        """Deploy the process in a BPMN file; the workflow."""

    async def start_workflow(self, key: str, body: Json, engine: str) -> Json:
        """Start an instance from a create body; the instance."""


class ConnectionAccess(Protocol):
    """The verbs of connections."""

    async def connections(self, limit: int, cursor: str | None) -> Json:
        """A page of the connections, by id."""

    async def connection(self, connection_id: str) -> Json:
        """One connection, and how its breaker stands."""

    async def put_connection(self, connection: Json) -> Json:
        """Keep a connection under its `connectionId`."""

    async def remove_connection(self, connection_id: str) -> None:
        """Forget a connection."""

    async def try_connection(self, connection_id: str) -> Json:
        """What comes of a test: `{ok, latencyMs, error}`."""


def told_of(person: Json) -> Json:
    """A person as they are entered: without the id."""
    return {key: value for key, value in person.items() if key != "id"}


class UserAccess(Protocol):
    """The verbs of the people who are kept here."""

    async def users(self, limit: int, cursor: str | None) -> Json:
        """A page of them, by id."""

    async def user(self, user: str) -> Json:
        """What is known of a person, as `put_user` takes it; nothing where there is none."""

    async def put_user(self, user: str, body: Json) -> None:
        """Enter a person, or change them; `body` as that of `PUT /api/v1/users/{userId}`."""

    async def give_password(self, user: str, password: str, scopes: Sequence[str] | None) -> None:
        """Have a person log in with this password, with these scopes; None: with those they had."""

    async def take_password(self, user: str) -> None:
        """Have a person log in with a password no longer."""


class Access(WebhookAccess, PeopleAccess, UserAccess, AuditAccess, WorkflowAccess, ConnectionAccess, Protocol):
    """The verbs. All speak the JSON of the HTTP interface and raise the TaskyardErrors of the engine."""

    async def start(self, body: Json) -> Started:
        """Store a task from a create body."""

    async def task(self, task_id: str) -> Json:
        """One task."""

    async def tasks(self, query: Mapping[str, Any]) -> Json:
        """A page of tasks; `query` as the parameters of `GET /api/v1/tasks`, several values as a list."""

    async def attempts(self, task_id: str) -> list[Json]:
        """A task's ended attempts, oldest first."""

    def follow(self, task_id: str, after: int = 0) -> AsyncIterator[Message]:
        """A run's live messages with a sequence above `after`, until it ends."""

    async def cancel(self, task_id: str, reason: str | None) -> Json:
        """The canceled task."""

    async def retry(self, task_id: str) -> Json:
        """The task, requeued, or hurried when it waited for its retry."""

    async def why(self, task_id: str) -> Json:
        """Why the task is not running: `reason`, and fields."""

    async def upload(self, path: Path) -> str:
        """Hand over a file; the upload's id."""

    async def queues(self) -> list[Json]:
        """The five queues with their figures."""

    async def pause(self, queue: str, *, paused: bool) -> Json:
        """Pause a queue, or let it go on; its figures."""

    async def dead_letters(self, limit: int, cursor: str | None) -> Json:
        """A page of the dead letters."""

    async def requeue(self, body: Json) -> Json:
        """Requeue dead letters (`{taskIds | filter, cursor?, input?, delay?, ratePerSecond?}`), a page of those that
        fit a filter: `{taskIds, nextCursor}`.
        """

    async def discard(self, body: Json) -> Json:
        """Give dead letters up (`{taskIds | filter, cursor?}`), in the same way: `{taskIds, nextCursor}`."""

    async def definitions(self) -> list[Json]:
        """The definitions that can be run, by key."""

    async def definition(self, key: str) -> Json:
        """A definition's current version."""

    async def versions(self, key: str) -> list[Json]:
        """A definition's versions, newest first."""

    async def push(self, definition: Json) -> Json:
        """Store a definition; equal content is the version it was before."""

    async def schedules(self, limit: int, cursor: str | None) -> Json:
        """A page of the schedules, by id."""

    async def schedule(self, schedule_id: str) -> Json:
        """One schedule, with what it did last and does next."""

    async def put_schedule(self, schedule: Json) -> Json:
        """Store a schedule under its `scheduleId`."""

    async def remove_schedule(self, schedule_id: str) -> None:
        """Forget a schedule; its tasks go on."""

    async def pause_schedule(self, schedule_id: str, *, paused: bool) -> Json:
        """Pause a schedule, or let it go on; the schedule."""

    async def run_schedule(self, schedule_id: str) -> Json:
        """Start a schedule's task once, now; the task."""

    async def backfill(self, schedule_id: str, body: Json) -> Json:
        """Start a task for each tick (`{from, to}`) that has none: `{taskIds}`."""
