"""Callbacks: what the `callbackUrl` of a task is told when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from taskyard.domain import sequence
from taskyard.domain.facts import AttemptFact, Body, Extra
from taskyard.domain.task import detail_of
from taskyard.domain.webhook import CALLBACK_KEYS
from taskyard.engine.engine import Engine
from taskyard.engine.events import FeedEvent
from taskyard.engine.query import know
from taskyard.security.caller import LOCAL

_STATUS = {"task.completed": "COMPLETED", "task.failed": "FAILED", "task.canceled": "CANCELED"}


class Callback(NamedTuple):
    """What is to be told of an event, where, and for whom; `body` is JSON."""

    source: FeedEvent
    url: str
    owner: str
    body: bytes


async def callbacks_of(engine: Engine, events: Sequence[FeedEvent]) -> list[Callback]:
    """The callbacks that these events call for, in their order."""
    ends = [each for each in events if each.event.key in CALLBACK_KEYS]
    bodies = {k.facts.body.id: k.facts.body for k in await know(engine, sorted({_task_id(each) for each in ends}))}
    wanted = [(each, bodies[_task_id(each)]) for each in ends if _task_id(each) in bodies]
    told = [(each, body, extra) for each, body in wanted if (extra := _extra(body)) and extra.callback_url]
    pairs = sorted({(body.id, _attempt(each)) for each, body, _ in told})
    attempts = {(fact.task_id, fact.attempt): fact for fact in await engine.store.attempt_facts(pairs)} if pairs else {}
    return [
        Callback(
            each,
            str(extra.callback_url),
            extra.caller or LOCAL.subject,
            msgspec.json.encode(_tell(each, body, attempts.get((body.id, _attempt(each))))),
        )
        for each, body, extra in told
    ]


def _tell(source: FeedEvent, body: Body, attempt: AttemptFact | None) -> dict[str, Any]:
    event = source.event
    told: dict[str, Any] = {
        "taskId": str(body.id),
        "workflowId": body.workflow_id,
        "status": _STATUS[event.key],
        "correlationId": event.metadata.correlation_id,
    }
    if event.key == "task.completed":
        told["output"] = msgspec.Raw(attempt.result) if attempt and attempt.result else None
    elif event.key == "task.failed":
        told["error"] = detail_of(attempt).error
    else:
        told["error"] = {"code": "CANCELED", "message": event.data.get("reason") or "canceled"}
    return told


def _extra(body: Body) -> Extra | None:
    return msgspec.json.decode(body.extra, type=Extra) if body.extra else None


def _task_id(source: FeedEvent) -> int:
    return int(source.event.data["taskId"])


def _attempt(source: FeedEvent) -> int:
    return sequence.attempt_of(source.event.sequence)
