"""The worker's side over HTTP: take messages from a queue, and say what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from taskyard.client.talk import INTERNAL, JsonObject, Talk, fetch, given, part
from taskyard.client.tasks import read_task
from taskyard.domain.task import Task

AUTOMATED = "task-execution-automated"


class QueueMessage(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A task under lease; `visibility_timeout` in seconds, `lease_token` proves the lease."""

    task_id: str
    task_definition_id: str
    task_type: str
    priority: str
    input: Any
    lease_token: str | None
    execution_config: dict[str, Any]
    visibility_timeout: float
    dequeue_count: int
    enqueue_time: str | None = None
    workflow_id: str | None = None
    workflow_context: dict[str, Any] | None = None
    correlation_id: str | None = None


def dequeue(
    queue: str = AUTOMATED,
    *,
    worker_id: str,
    max_messages: int = 1,
    visibility_timeout: float = 300.0,
    wait_time: float = 20.0,
    definitions: Sequence[str] | None = None,
) -> Talk[list[QueueMessage]]:
    """Lease up to `max_messages` (100 at most) tasks, waiting up to `wait_time` (30 at most) seconds for the first.

    `definitions`: the keys this worker can run. A lease ends after `visibility_timeout` seconds without a heartbeat.
    """
    body = given(
        worker_id=worker_id,
        max_messages=max_messages,
        visibility_timeout=visibility_timeout,
        wait_time=wait_time,
        task_definition_ids=definitions,
    )
    answer = yield from fetch("POST", f"{INTERNAL}/queues/{part(queue)}/dequeue", body=body, waits=wait_time)
    return msgspec.convert(answer["messages"], list[QueueMessage])


def heartbeat(
    message: QueueMessage,
    *,
    visibility_timeout: float | None = None,
    progress: Mapping[str, Any] | None = None,
    logs: Sequence[Mapping[str, str]] | None = None,
) -> Talk[bool]:
    """Keep the lease, for `visibility_timeout` seconds from now; whether the work should stop, as it was canceled.

    `progress` is `{current, total?, action?}`, `logs` a list of `{text, level?}`. Raises StaleLease.
    """
    more = given(visibility_timeout=visibility_timeout, progress=progress, logs=logs)
    answer = yield from _say(message, "heartbeat", more)
    return bool(answer["cancelRequested"])


def complete_message(message: QueueMessage, output: Any = None) -> Talk[Task]:
    """The work is done. Raises StaleLease."""
    return read_task((yield from _say(message, "complete", {"output": output})))


def fail_message(
    message: QueueMessage,
    error: str,
    *,
    code: str = "EXECUTION_ERROR",
    details: Any = None,
    stack_trace: str | None = None,
    retryable: bool | None = None,
) -> Talk[Task]:
    """The attempt failed, and the retry policy decides what follows. Raises StaleLease."""
    told = given(code=code, message=error, details=details, stack_trace=stack_trace, retryable=retryable)
    return read_task((yield from _say(message, "fail", {"error": told})))


def retry_message(
    message: QueueMessage, *, delay: float | None = None, error: str | None = None, code: str = "EXECUTION_ERROR"
) -> Talk[Task]:
    """Have it tried again after `delay` seconds (None: the policy's); without `error` no retry is used up.

    Raises StaleLease.
    """
    told = None if error is None else {"code": code, "message": error}
    return read_task((yield from _say(message, "retry", given(delay=delay, error=told))))


def _say(message: QueueMessage, verb: str, body: JsonObject) -> Talk[JsonObject]:
    path = f"{INTERNAL}/queues/messages/{part(message.task_id)}/{verb}"
    repeatable = verb == "heartbeat" and not body.get("logs")
    answer: JsonObject = yield from fetch(
        "POST", path, body={"leaseToken": message.lease_token, **body}, repeatable=repeatable
    )
    return answer
