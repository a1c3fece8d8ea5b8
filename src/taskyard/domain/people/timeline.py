"""The moments of a manual task: reminders, overdue, escalation, timeout, follow-up. A pure reading of the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from taskyard.domain.expression import evaluate
from taskyard.domain.people.calendar import Calendar, add_hours
from taskyard.domain.people.spec import Due, Manual, parse_time

SECOND_US = 1_000_000

StepKind = Literal["reminder", "followUp", "overdue", "escalation", "timeout"]
_ORDER: tuple[StepKind, ...] = ("followUp", "reminder", "overdue", "escalation", "timeout")


class Step(NamedTuple):
    """One moment (microseconds), and what is to happen then; `number` is the escalation's. `name` tells it apart."""

    at: int
    kind: StepKind
    name: str
    number: int = 0


class Look(NamedTuple):
    """What is due now, in order; those that are passed over; and when there is something again."""

    due: tuple[Step, ...]
    passed: tuple[str, ...]
    next: int | None


def due_at(due: Due | None, now: int, document: Mapping[str, Any]) -> int | None:
    """When a task that is handed over now is due, in microseconds. Raises ValueError saying what is wrong."""
    if due is None:
        return None
    if due.after is not None:
        return now + round(due.after * SECOND_US)
    if due.business_hours is not None:
        return add_hours(due.calendar or Calendar(), now, due.business_hours)
    text = due.at or ""
    if (fixed := parse_time(text)) is not None:
        return fixed
    found = evaluate(text, document)
    when = parse_time(found) if isinstance(found, str) else None
    if when is None and found is not None:
        raise ValueError(f"the due date {text} finds {found!r}, which is no time with its offset")
    return when


def steps(manual: Manual, since: int, due: int | None, follow_up: int | None) -> list[Step]:
    """All moments of a task that was handed over at `since`, in order."""
    found = [] if follow_up is None else [Step(follow_up, "followUp", f"followUp {follow_up}")]
    if due is not None:
        for each in manual.reminders:
            if isinstance(each, float | int):
                found.append(Step(since + round((due - since) * each), "reminder", f"reminder {each:g}"))
            else:
                at = due - round(each.before * SECOND_US)
                found.append(Step(at, "reminder", f"reminder {each.before:g} s before"))
        found.append(Step(due, "overdue", "overdue"))
        for index, escalation in enumerate(manual.escalation):
            at = due + round(escalation.after * SECOND_US)
            found.append(Step(at, "escalation", f"escalation {index}", index))
        if manual.on_timeout is not None:
            found.append(Step(due + round(manual.on_timeout.after * SECOND_US), "timeout", "timeout"))
    return sorted(found, key=lambda step: (step.at, _ORDER.index(step.kind), step.number))


def look(moments: Sequence[Step], done: Sequence[str], now: int) -> Look:
    """What has come due by now and is not done. Of several reminders at once only the latest is given, and none of
    what is overdue.
    """
    left = [step for step in moments if step.name not in done]
    due = [step for step in left if step.at <= now]
    is_late = any(step.kind == "overdue" and step.at <= now for step in moments)
    reminders = [step for step in due if step.kind == "reminder"]
    dropped = reminders if is_late else reminders[:-1]
    given = tuple(step for step in due if step not in dropped)
    return Look(
        given, tuple(step.name for step in dropped), min((step.at for step in left if step.at > now), default=None)
    )


def next_look(moments: Sequence[Step], done: Sequence[str]) -> int | None:
    """When to look, now or later; None for never."""
    return min((step.at for step in moments if step.name not in done), default=None)


def still_done(moments: Sequence[Step], done: Sequence[str], now: int) -> tuple[str, ...]:
    """What counts as done after the moments have moved: what now lies ahead is to happen again."""
    ahead = {step.name for step in moments if step.at > now}
    return tuple(name for name in done if name not in ahead)
