"""What a person may do with a manual task now: asked by every verb, and told as `actions`."""

from __future__ import annotations

from typing import Literal, NamedTuple

from taskyard.domain.people.sheet import Held, Sheet
from taskyard.domain.people.spec import Manual

Verb = Literal[
    "claim", "release", "complete", "reject", "draft", "delegate", "resolve", "reassign", "assign", "follow-up",
    "comments", "attachments", "due-date", "repair",
]  # fmt: skip
VERBS: tuple[Verb, ...] = Verb.__args__  # type: ignore[attr-defined]
_DECIDING: frozenset[Verb] = frozenset({"claim", "complete", "reject", "delegate", "reassign", "assign", "due-date"})
"""What decides the task, who decides it, or when the system does."""


class Who(NamedTuple):
    """Who asks; `over`: an administrator or a service, which may do what only the holder may."""

    subject: str
    groups: frozenset[str] = frozenset()
    over: bool = False


class Refusal(NamedTuple):
    """Why not. `taken`: it is another's, or not in the state for it; else it is not theirs to do at all."""

    message: str
    taken: bool = False
    by: str | None = None


def actions(who: Who, held: Held, sheet: Sheet, manual: Manual) -> list[str]:
    """The verbs this person may use now."""
    return [verb for verb in VERBS if refusal(verb, who, held, sheet, manual) is None]


def refusal(verb: Verb, who: Who, held: Held, sheet: Sheet, manual: Manual) -> Refusal | None:
    """Why this person may not use the verb now; None when they may."""
    if not (is_theirs(who, held) or who.over):
        return Refusal("this task is assigned to somebody else; ask them, or an administrator to reassign it")
    if verb in _DECIDING and who.subject in sheet.excluded:
        return Refusal("this task is not for you: somebody else has to look at it (four eyes)")
    match verb:
        case "claim":
            return _claim(who, held, sheet)
        case "release":
            return None if held.claimed_by and (held.claimed_by == who.subject or who.over) else _unclaimed(held)
        case "complete" | "reject":
            return _end(who, held, sheet, manual)
        case "resolve":
            if sheet.owner is None:
                return Refusal("this task was not delegated", taken=True)
            return _held(who, held)
        case "reassign" | "assign" | "due-date":
            return None if held.holder is None else _held(who, held)
        case "repair" if manual.kind != "repair":
            return Refusal("only a task that has failed is repaired; complete this one", taken=True)
        case "draft" | "delegate" | "follow-up" | "repair":
            return _held(who, held)
    return None


def is_theirs(who: Who, held: Held) -> bool:
    """Whether it is assigned to them or one of their groups, or claimed by them."""
    if held.claimed_by == who.subject:
        return True
    if held.assignee_type == "USER":
        return held.assignee_id == who.subject
    return held.assignee_type == "GROUP" and held.assignee_id in who.groups


def target_refusal(user: str, sheet: Sheet) -> Refusal | None:
    """Why the task cannot be given to this person."""
    if user in sheet.excluded:
        return Refusal(f"{user} may not do this task: somebody else has to look at it (four eyes)", taken=True)
    return None


def _claim(who: Who, held: Held, sheet: Sheet) -> Refusal | None:
    if held.claimed_by not in (None, who.subject):
        return Refusal(f"{held.claimed_by} has claimed it already", taken=True, by=held.claimed_by)
    if not is_theirs(who, held):
        return Refusal("only a member of the group it is assigned to can claim it")
    if sheet.candidates and held.assignee_type == "GROUP" and who.subject not in sheet.candidates:
        return Refusal("this task asks for skills that the directory does not tell of you")
    return None


def _end(who: Who, held: Held, sheet: Sheet, manual: Manual) -> Refusal | None:
    if sheet.owner is not None and not who.over:
        return Refusal(f"{sheet.owner} has delegated it and ends it; resolve it when you are done", taken=True)
    if any(decision.by == who.subject for decision in sheet.decisions):
        return Refusal("you have decided on it already; others have to", taken=True)
    if manual.approvals is not None and manual.approvals.required > 1 and held.claimed_by is None:
        return None
    return _held(who, held)


def _held(who: Who, held: Held) -> Refusal | None:
    if who.over or held.holder == who.subject:
        return None
    if held.holder is None:
        return Refusal("nobody has claimed it; claim it first", taken=True)
    return Refusal(f"{held.holder} has it; ask them to hand it over", taken=True, by=held.holder)


def _unclaimed(held: Held) -> Refusal:
    if held.claimed_by is None:
        return Refusal("nobody has claimed it", taken=True)
    return Refusal(f"{held.claimed_by} has claimed it", taken=True, by=held.claimed_by)
