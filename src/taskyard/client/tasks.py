"""What can be asked for a task, and of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from taskyard.client.talk import (
    API,
    INTERNAL,
    MOST,
    JsonObject,
    Request,
    Stream,
    Talk,
    ask,
    camel,
    fetch,
    given,
    pages,
    part,
    read_json,
)
from taskyard.domain.task import Task, UserTask, WorkflowTask
from taskyard.domain.upload import UploadedFile

OutputFormat = Literal["json", "csv", "xml", "yaml"]
HistoryFormat = Literal["text", "jsonl", "csv"]


class Started(NamedTuple):
    """A task that was asked for; `reused` when it had been there before."""

    task: Task
    reused: bool


def start(key: str, input_: Mapping[str, Any] | None, options: Mapping[str, Any]) -> Talk[Started]:
    """Have a task run. With an idempotency key it is asked for again where the server is overloaded."""
    repeatable = options.get("idempotency_key") is not None
    body = _create_body(key, input_, options)
    answer = yield from fetch("POST", f"{API}/tasks", body=body, repeatable=repeatable)
    return _started(answer)


def start_many(key: str, inputs: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> Talk[list[Started]]:
    """Have a task run once for each input, in one transaction; 1,000 at most."""
    body = {"tasks": [_create_body(key, one, options) for one in inputs]}
    answer = yield from fetch("POST", f"{INTERNAL}/tasks/bulk", body=body)
    return [_started(item) for item in answer["items"]]


def trigger(name: str, properties: Mapping[str, Any] | None) -> Talk[list[Started]]:
    """Start what declared a trigger."""
    first = yield from fetch("POST", f"{API}/triggers/{part(name)}", body=dict(properties or {}))
    started = [_started(first)]
    for task_id in first["otherTaskIds"]:
        task = yield from get_task(task_id)
        started.append(Started(task, reused=False))
    return started


def action(name: str, properties: Mapping[str, Any] | None) -> Talk[Started]:
    """Start what declared an action."""
    return _started((yield from fetch("POST", f"{API}/actions/{part(name)}", body=dict(properties or {}))))


def get_task(task_id: str) -> Talk[Task]:
    """The task. Raises NotFound."""
    return read_task((yield from fetch("GET", _path(task_id))))


def list_tasks(
    *,
    status: str | Sequence[str] | None = None,
    task_type: str | None = None,
    definition: str | None = None,
    workflow_id: str | None = None,
    cause_type: str | None = None,
    cause: str | None = None,
    parent_task_id: str | None = None,
    hash: str | None = None,  # noqa: A002 - the filter's public name
    correlation_id: str | None = None,
    assignee: str | None = None,
    tag: str | None = None,
    q: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    started_after: datetime | None = None,
    started_before: datetime | None = None,
    sort: Literal["created", "started"] | None = None,
    limit: int | None = None,
) -> Stream[Task]:
    """The tasks that fit all filters, newest first, fetched as they are wanted, `limit` (200 at most) at a time.

    `q` is the beginning of an id, a title or a correlation id; times need a zone.
    """
    query = given(**locals())
    yield from pages(f"{API}/tasks", query, read_task)


def cancel(task_id: str, reason: str | None = None) -> Talk[Task]:
    """Cancel the task; a running handler is told at once. Raises IllegalTransition when it is final."""
    return read_task((yield from fetch("POST", f"{_path(task_id)}/cancel", body=given(reason=reason))))


def retry(task_id: str, reason: str | None = None) -> Talk[Task]:
    """Have a FAILED task run again, or one that waits for its retry run now. Raises IllegalTransition."""
    return read_task((yield from fetch("POST", f"{_path(task_id)}/retry", body=given(reason=reason))))


def reassign(task_id: str, assignee_type: str, assignee_id: str, reason: str | None = None) -> Talk[Task]:
    """Give a manual task to another USER or GROUP. Raises IllegalTransition."""
    body = given(assignee_type=assignee_type, assignee_id=assignee_id, reason=reason)
    return read_task((yield from fetch("POST", f"{_path(task_id)}/reassign", body=body)))


def complete(
    task_id: str, output: Any = None, *, outcome: str | None = None, comment: str | None = None,
    version: int | None = None,
) -> Talk[Task]:  # fmt: skip
    """End a manual task with its result; `outcome` names the decision where its form does, and `version` guards
    against changes that were not seen.

    Raises ValidationFailed, IllegalTransition, Forbidden, Conflict.
    """
    body = {"output": output, **given(outcome=outcome, comment=comment, version=version)}
    answer = yield from fetch("POST", f"{_path(task_id)}/complete", body=body)
    return read_task(answer["task"])


def why(task_id: str) -> Talk[JsonObject]:
    """Why the task is not running: `{reason, …}`."""
    answer: JsonObject = yield from fetch("GET", f"{_path(task_id)}/why")
    return answer


def attempts(task_id: str) -> Stream[JsonObject]:
    """The ended attempts, oldest first."""
    yield from pages(f"{_path(task_id)}/attempts", {"limit": MOST})


def events(task_id: str) -> Stream[JsonObject]:
    """The task's events (envelopes), oldest first: its audit trail."""
    yield from pages(f"{_path(task_id)}/events", {"limit": MOST})


def logs(task_id: str, after: int = 0) -> Stream[JsonObject]:
    """The lines `{sequence, at, level, text}` that the task logged after a sequence, oldest first."""
    yield from pages(f"{_path(task_id)}/logs", {"after": after, "limit": MOST})


def output(task_id: str, format: OutputFormat = "json") -> Talk[str]:  # noqa: A002 - the public name
    """A completed task's output as a document in a format."""
    answer = yield from ask(Request("GET", f"{_path(task_id)}/output", {"format": format}, repeatable=True))
    return answer.content.decode()


def history(task_id: str, format: HistoryFormat = "text") -> Talk[str]:  # noqa: A002 - the public name
    """All that has happened to a task as a document: a story, or lines of JSON or CSV."""
    answer = yield from ask(Request("GET", f"{_path(task_id)}/history", {"format": format}, repeatable=True))
    return answer.content.decode()


def upload(file: str | Path | bytes, name: str | None = None) -> Talk[UploadedFile]:
    """Hand over a file, by its path or its content; its `upload_id` is the value of a file field."""
    content = file if isinstance(file, bytes) else Path(file).read_bytes()
    shown = name or ("file" if isinstance(file, bytes) else Path(file).name)
    answer = yield from ask(Request("POST", f"{API}/uploads", upload=(shown, content)))
    kept = read_json(answer)
    return UploadedFile(kept["uploadId"], kept["name"], kept["size"], kept["sha256"])


def read_task(body: JsonObject) -> Task:
    """The Task in a JSON object."""
    model = WorkflowTask if body.get("workflowId") else UserTask if body.get("taskType") == "MANUAL" else Task
    return msgspec.convert(body, model)


def _started(body: JsonObject) -> Started:
    return Started(read_task(body), bool(body.get("reused")))


def _path(task_id: str) -> str:
    return f"{API}/tasks/{part(task_id)}"


def _create_body(key: str, input_: Mapping[str, Any] | None, options: Mapping[str, Any]) -> JsonObject:
    """The create body; `options` in snake case, `cause` as `(causeType, cause)`."""
    fields = {camel(name): value for name, value in options.items() if value is not None}
    if isinstance(fields.get("cause"), tuple):
        fields["causeType"], fields["cause"] = fields["cause"]
    return {"taskDefinitionId": key, **({} if input_ is None else {"input": input_}), **fields}
