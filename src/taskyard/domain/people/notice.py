"""Notices: what people are told about manual tasks and webhook endpoints, who is told, and in which words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from taskyard.domain.lifecycle import EventType
from taskyard.domain.text import printable

NoticeKind = Literal["assigned", "offered", "delegated", "returned", "reminder", "overdue", "escalated", "disabled"]
TOLD: Final = (
    EventType.ASSIGNED, EventType.DELEGATED, EventType.OVERDUE, EventType.REMINDER, EventType.ESCALATED,
    EventType.RESOLVED,
)  # fmt: skip
"""The events that people are told of. The indexes of the feed name them."""

URGENT: Final[frozenset[NoticeKind]] = frozenset({"overdue", "escalated", "disabled"})
"""What waits for no digest."""

_LONGEST_SUBJECT = 200
_LONGEST_REASON = 500
_LISTED = 50
_SPACE = re.compile(r"\s+")
_WORDS: Final[dict[NoticeKind, tuple[str, str]]] = {
    "assigned": ("For you", "This task is yours now."),
    "offered": ("For your group", "Your group has this task; whoever claims it first does it."),
    "delegated": ("Delegated to you", "Somebody asks you to do the work of this task, and ends it afterwards."),
    "returned": ("Back to you", "What you have delegated is done, and is yours to end."),
    "reminder": ("Reminder", "This task waits for you."),
    "overdue": ("Overdue", "This task should have been done by now."),
    "escalated": ("Escalated", "Nobody has ended this task in time."),
    "disabled": ("Webhook disabled", "Nothing is sent to your endpoint any more. Enable it again when it is mended."),
}


class Audience(NamedTuple):
    """Who is told: a person, or whoever is in a group."""

    kind: NoticeKind
    type: str
    id: str


class Words(NamedTuple):
    """What a message says; `html` None: the text will do."""

    subject: str
    text: str
    html: str | None = None


def audience(key: str, data: Mapping[str, Any]) -> Audience | None:
    """Who is told of the event with this routing key; None for nobody."""
    kind = _KINDS.get(key)
    if kind is None:
        return None
    type_, id_ = data.get("assigneeType"), data.get("assigneeId")
    named = data.get("to")
    if kind == "escalated" and data.get("action") == "notify" and isinstance(named, Mapping):
        type_, id_ = named.get("type"), named.get("id")
    elif kind != "assigned" and data.get("claimedBy"):
        type_, id_ = "USER", data["claimedBy"]
    if type_ not in ("USER", "GROUP") or not isinstance(id_, str) or not id_:
        return None
    return Audience("offered" if kind == "assigned" and type_ == "GROUP" else kind, str(type_), id_)


_KINDS: Final[dict[str, NoticeKind]] = {
    "task.assigned": "assigned",
    "task.delegated": "delegated",
    "task.resolved": "returned",
    "task.reminder": "reminder",
    "task.overdue": "overdue",
    "task.escalated": "escalated",
}


def words(kind: NoticeKind, notice: Mapping[str, Any], link: str) -> Words:
    """The plain words of one notice, as there are without a template, or when a template fails."""
    lead, sentence = _WORDS[kind]
    title = str(notice.get("title") or "a task")
    about = "Endpoint" if kind == "disabled" else "Task"
    facts = [
        (about, title), ("Due", notice.get("dueDate")), ("Priority", notice.get("priority")),
        ("By", notice.get("by")), ("Why", notice.get("reason")),
    ]  # fmt: skip
    lines = [f"{name}: {one_line(str(value), _LONGEST_REASON)}" for name, value in facts if value]
    return Words(one_line(f"{lead}: {title}"), "\n".join([sentence, "", *lines, "", link, ""]))


def digest_words(notices: Sequence[tuple[NoticeKind, Mapping[str, Any]]], link: str) -> Words:
    """The words of several notices in one message."""
    count = len(notices)
    lines = [one_line(f"- {_WORDS[kind][0]}: {notice.get('title') or 'a task'}") for kind, notice in notices[:_LISTED]]
    if count > _LISTED:
        lines.append(f"- and {count - _LISTED} more")
    subject = f"{count} notices about your tasks" if count > 1 else "1 notice about your tasks"
    return Words(subject, "\n".join([f"{subject}:", "", *lines, "", link, ""]))


def one_line(text: str, most: int = _LONGEST_SUBJECT) -> str:
    """`text` without control characters, in one line, and not longer than this."""
    line = _SPACE.sub(" ", printable(text).replace("\x1b", "")).strip()
    return line if len(line) <= most else line[: most - 1] + "…"
