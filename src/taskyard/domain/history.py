"""A task's history as a story that people read, and as rows for a table: both told from its events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from taskyard.domain.people.notice import one_line

Envelope = Mapping[str, Any]

_LONGEST = 500
_SILENT: Final = frozenset({"taskId", "workflowId", "taskType"})


def story_of(title: str, events: Sequence[Envelope]) -> str:
    """The story, a line for each event: when, who did what, and why."""
    lines = [one_line(title)]
    lines += [f"{event['timestamp']}  {one_line(sentence(event), _LONGEST)}" for event in events]
    return "\n".join([*lines, ""])


def sentence(event: Envelope) -> str:
    """One event in words."""
    data = event["data"]
    name = str(event["type"]).rpartition(".")[2]
    tell = _SENTENCES.get(name)
    said = name if tell is None else tell(data)
    who, why = data.get("by") or data.get("canceledBy"), data.get("reason")
    return said + (f" by {who}" if who else "") + (f": {why}" if isinstance(why, str) and why else "")


def rows_of(events: Sequence[Envelope]) -> list[dict[str, Any]]:
    """A row for each event, with what many of them tell in columns of their own and all the rest in `data`."""
    return [_row(event) for event in events]


def _row(event: Envelope) -> dict[str, Any]:
    data = event["data"]
    rest = {name: value for name, value in data.items() if name not in _SILENT and name not in _COLUMNS}
    return {
        "sequence": event["sequence"],
        "timestamp": event["timestamp"],
        "type": event["type"],
        "taskId": data["taskId"],
        **{name: data.get(name) for name in _COLUMNS},
        "data": rest,
        "id": event["id"],
    }


_COLUMNS: Final = ("by", "reason", "assigneeType", "assigneeId", "claimedBy")


def _assigned(data: Mapping[str, Any]) -> str:
    to = _holder(data)
    before = data.get("from")
    came = f", from {_holder(before)}" if isinstance(before, Mapping) and _holder(before) != to else ""
    due = f", due {data['dueDate']}" if data.get("dueDate") else ""
    return f"assigned to {to}{came}{due}"


def _holder(held: Mapping[str, Any]) -> str:
    if held.get("claimedBy"):
        return str(held["claimedBy"])
    if not held.get("assigneeId"):
        return "nobody"
    return f"the group {held['assigneeId']}" if held.get("assigneeType") == "GROUP" else str(held["assigneeId"])


def _commented(data: Mapping[str, Any]) -> str:
    file = data.get("attachment")
    if isinstance(file, Mapping):
        return f"{file.get('name')} ({file.get('size')} bytes, SHA-256 {file.get('sha256')}) attached"
    return f"comment “{data.get('text', '')}”"


def _decided(data: Mapping[str, Any]) -> str:
    verdict = "approved" if data.get("approved") else "rejected"
    said = f" “{data['comment']}”" if data.get("comment") else ""
    return f"{verdict}{_named(data)}{said}, decision {data.get('decisions')} of {data.get('required')}"


def _named(data: Mapping[str, Any]) -> str:
    return f" as {data['outcome']}" if data.get("outcome") else ""


def _escalated(data: Mapping[str, Any]) -> str:
    to = data.get("to")
    target = f" to {to.get('id')}" if isinstance(to, Mapping) else ""
    return f"escalated ({data.get('action')}{target})"


_SENTENCES: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {
    "created": lambda data: f"asked for: {data.get('taskDefinitionId')}, priority {data.get('priority')}",
    "started": lambda data: f"started on {data.get('executorId')}",
    "completed": lambda data: f"completed{_named(data)}, output {data.get('outputSummary')}",
    "failed": lambda data: f"failed{_named(data)} with {data.get('errorCode')} “{data.get('errorMessage')}”",
    "retry": lambda data: f"to be tried again at {data.get('nextRetryTime')} after {data.get('lastErrorCode')}",
    "canceled": lambda data: "canceled",
    "waiting": lambda data: "waits for an answer from outside",
    "deadlettered": lambda data: "given up for good" if data.get("discarded") else "went to the dead letters",
    "requeued": lambda data: "back to its queue" + (", with another input" if data.get("inputChanged") else ""),
    "assigned": _assigned,
    "claimed": lambda data: "claimed",
    "released": lambda data: "given back to the group",
    "delegated": lambda data: f"work delegated to {data.get('assigneeId')}",
    "resolved": lambda data: f"work done, back to {_holder(data)}",
    "drafted": lambda data: "draft kept",
    "commented": _commented,
    "decided": _decided,
    "follow-up": lambda data: f"follow-up at {data['followUp']}" if data.get("followUp") else "no follow-up any more",
    "rescheduled": lambda data: f"due {data.get('dueDate') or 'at any time'}, before {data.get('formerDueDate')}",
    "reminder": lambda data: "reminded",
    "overdue": lambda data: "overdue",
    "escalated": _escalated,
    "emitted": lambda data: f"told {data.get('name')}",
}
