"""What a person does with manual tasks, by the token's own name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskyard.client.talk import API, MOST, JsonObject, Stream, Talk, fetch, given, pages, part
from taskyard.client.tasks import read_task
from taskyard.domain.task import Task


def inbox(
    view: str = "open",
    sort: str = "due",
    definition: str | None = None,
    workflow_id: str | None = None,
    q: str | None = None,
    limit: int = MOST,
) -> Stream[JsonObject]:
    """What the caller has to do, as items with `actions`, `form` and `draft`, fetched as they are wanted.

    `view`: open, mine, claimed, groups, unclaimed, overdue or done; `sort`: due, priority or age.
    """
    query = given(view=view, sort=sort, definition=definition, workflow_id=workflow_id, q=q, limit=limit)
    yield from pages(f"{API}/inbox", query)


def claim(task_id: str) -> Talk[Task]:
    """Take a task of one's group. Raises Conflict, which says who has it; NotFound, IllegalTransition."""
    return (yield from _act(task_id, "claim"))


def release(task_id: str) -> Talk[Task]:
    """Give a claim back. Raises Conflict, Forbidden, IllegalTransition."""
    return (yield from _act(task_id, "release"))


def draft(task_id: str, output: Any) -> Talk[Task]:
    """Keep an unfinished result, unchecked. Raises Conflict, Forbidden, IllegalTransition."""
    return (yield from _act(task_id, "draft", {"output": output}))


def delegate(task_id: str, assignee_id: str, reason: str | None = None) -> Talk[Task]:
    """Have somebody else do the work; it comes back when they resolve it. Raises Conflict, Forbidden."""
    return (yield from _act(task_id, "delegate", given(assignee_id=assignee_id, reason=reason)))


def resolve(task_id: str) -> Talk[Task]:
    """Give a delegated task back. Raises Conflict, Forbidden."""
    return (yield from _act(task_id, "resolve"))


def reject(task_id: str, reason: str) -> Talk[Task]:
    """End a manual task as FAILED. Raises Conflict, Forbidden, IllegalTransition."""
    return (yield from _act(task_id, "reject", {"reason": reason}))


def assign(task_id: str, assignee_id: str, reason: str | None = None) -> Talk[Task]:
    """Give a task that nobody has to a person, or a dead letter, to be repaired. Raises Conflict, Forbidden."""
    return (yield from _act(task_id, "assign", given(assignee_id=assignee_id, reason=reason)))


def repair(task_id: str, new_input: Any = None, comment: str | None = None) -> Talk[Task]:
    """Have a task that failed run again, with a corrected input if one is given. Raises Conflict, Forbidden."""
    return (yield from _act(task_id, "repair", given(input=new_input, comment=comment)))


def form(task_id: str) -> Talk[JsonObject]:
    """What is to be filled in to end the task. Raises NotFound."""
    return dict((yield from fetch("GET", f"{API}/tasks/{part(task_id)}/form")))


def comment(task_id: str, text: str) -> Talk[Task]:
    """Say something about a task, for its history. Raises Conflict, Forbidden, IllegalTransition."""
    return (yield from _act(task_id, "comments", {"text": text}))


def notifications(*, unread: bool = False, limit: int = MOST) -> Stream[JsonObject]:
    """What the caller was told of their tasks, the latest first, fetched as it is wanted."""
    yield from pages(f"{API}/notifications", {"unread": str(unread).lower(), "limit": limit})


def read_notifications(notice_ids: Sequence[str] | None = None) -> Talk[int]:
    """Have these notices read, None for all; how many that changed."""
    body = {} if notice_ids is None else {"noticeIds": list(notice_ids)}
    return int((yield from fetch("POST", f"{API}/notifications/read", body=body))["count"])


def _act(task_id: str, verb: str, body: JsonObject | None = None) -> Talk[Task]:
    return read_task((yield from fetch("POST", f"{API}/tasks/{part(task_id)}/{verb}", body=body or {})))
