"""What operators ask for: definitions, queues, dead letters, workers, figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from taskyard.client.talk import API, INTERNAL, JsonObject, Stream, Talk, fetch, given, pages, part
from taskyard.client.tasks import read_task
from taskyard.domain.task import Task

_DEAD = f"{INTERNAL}/queues/task-execution-deadletter/messages"


def definitions() -> Stream[JsonObject]:
    """The task definitions that may be run."""
    yield from pages(f"{API}/definitions")


def definition(key: str) -> Talk[JsonObject]:
    """A definition's current version. Raises NotFound."""
    answer: JsonObject = yield from fetch("GET", _definition(key))
    return answer


def push_definition(definition: Mapping[str, Any]) -> Talk[JsonObject]:
    """Store a definition under its `key`; equal content is the version it was before. Raises ValidationFailed."""
    body = dict(definition)
    answer: JsonObject = yield from fetch("PUT", _definition(str(body.get("key", ""))), body=body)
    return answer


def retire_definition(key: str) -> Talk[None]:
    """Take a definition out of use; its tasks go on. Raises NotFound."""
    yield from fetch("DELETE", _definition(key))


def definition_versions(key: str) -> Stream[JsonObject]:
    """A definition's versions, newest first."""
    yield from pages(f"{_definition(key)}/versions")


def queues() -> Stream[JsonObject]:
    """The five queues with their figures."""
    yield from pages(f"{API}/queues")


def pause(queue: str) -> Talk[JsonObject]:
    """Let nothing be dequeued from a queue, such as `task-execution-automated`; its figures. Raises NotFound."""
    answer: JsonObject = yield from fetch("POST", f"{API}/queues/{part(queue)}/pause", repeatable=True)
    return answer


def resume(queue: str) -> Talk[JsonObject]:
    """Let a paused queue go on; its figures. Raises NotFound."""
    answer: JsonObject = yield from fetch("POST", f"{API}/queues/{part(queue)}/resume", repeatable=True)
    return answer


def dead_letters(definition: str | None = None) -> Stream[Task]:
    """The tasks in the dead letter queue, newest first; those of one definition where it is named."""
    yield from pages(_DEAD, given(definition=definition), read_task)


def requeue(
    task_ids: Sequence[str] | None = None,
    *,
    filter: Mapping[str, Any] | None = None,  # noqa: A002 - the public name
    input: Any = None,
    rate_per_second: float | None = None,
    reason: str | None = None,
) -> Talk[list[str]]:
    """Have dead letters run again with fresh budgets; the ids of those moved by now.

    They are named by their ids, or by a filter such as `{"definition": "backup"}`. `input` replaces the input of
    each, and is validated first; with `rate_per_second` those beyond the first second follow later.
    """
    body = given(task_ids=task_ids, filter=filter, input=input, rate_per_second=rate_per_second, reason=reason)
    return (yield from _move_all("requeue", body))


def discard(
    task_ids: Sequence[str] | None = None,
    *,
    filter: Mapping[str, Any] | None = None,  # noqa: A002 - the public name
    reason: str | None = None,
) -> Talk[list[str]]:
    """Give dead letters up for good, named as for `requeue`; they stay FAILED. The ids of those given up."""
    return (yield from _move_all("discard", given(task_ids=task_ids, filter=filter, reason=reason)))


def workers() -> Stream[JsonObject]:
    """The workers that live."""
    yield from pages(f"{API}/workers")


def metrics() -> Talk[JsonObject]:
    """Figures of queues, definitions, task types, implementation kinds and workers."""
    answer: JsonObject = yield from fetch("GET", f"{INTERNAL}/tasks/metrics")
    return answer


def _move_all(verb: str, body: JsonObject) -> Talk[list[str]]:
    """Page by page; what is to go at a rate goes on at it from page to page."""
    moved: list[str] = []
    while True:
        page = yield from fetch("POST", f"{INTERNAL}/deadletters/{verb}", body=body)
        moved += page["taskIds"]
        if page["nextCursor"] is None:
            return moved
        body = {**body, "cursor": page["nextCursor"]}
        if "ratePerSecond" in body:
            body["delay"] = len(moved) / body["ratePerSecond"]


def _definition(key: str) -> str:
    return f"{API}/definitions/{part(key)}"
