"""What a person may do with a manual task now: asked by every verb, and told as `actions`."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from taskyard.domain.people.sheet import Held, Sheet
from taskyard.domain.people.spec import Assignment, Manual

Verb = Literal[
    "claim", "release", "complete", "reject", "draft", "delegate", "resolve", "reassign", "assign", "follow-up",
    "comments", "attachments", "due-date", "repair",
]  # fmt: skip
VERBS: tuple[Verb, ...] = get_args(Verb)
_DECIDING: frozenset[Verb] = frozenset({"claim", "complete", "reject", "delegate", "reassign", "assign", "due-date"})
"""What decides the task, who decides it, or when the system does."""


class Who(NamedTuple):
    """Who asks, or is to be given a task; `over`: an administrator or a service, which may do what only the holder may.
    `skills`: what the directory tells of them now.
    """

    subject: str
    groups: frozenset[str] = frozenset()
    over: bool = False
    skills: frozenset[str] = frozenset()


class Refusal(NamedTuple):
    """Why not. `taken`: it is another's, or not in the state for it; else it is not theirs to do at all."""

    message: str
    taken: bool = False
    by: str | None = None


_DECIDED = Refusal("you have decided on it already; others have to", taken=True)


def actions(who: Who, held: Held, sheet: Sheet, manual: Manual) -> list[str]:
    """The verbs this person may use now."""
    if not _may_look(who, held):
        return []
    verbs = [verb for verb in VERBS if verb not in _DECIDING] if who.subject in sheet.excluded else VERBS
    return [verb for verb in verbs if _of_verb(verb, who, held, sheet, manual) is None]


def refusal(verb: Verb, who: Who, held: Held, sheet: Sheet, manual: Manual) -> Refusal | None:
    """Why this person may not use the verb now; None when they may."""
    if not _may_look(who, held):
        return Refusal("this task is assigned to somebody else; ask them, or an administrator to reassign it")
    if verb in _DECIDING and who.subject in sheet.excluded:
        return Refusal("this task is not for you: somebody else has to look at it (four eyes)")
    return _of_verb(verb, who, held, sheet, manual)


def _may_look(who: Who, held: Held) -> bool:
    return who.over or is_theirs(who, held)


def _of_verb(verb: Verb, who: Who, held: Held, sheet: Sheet, manual: Manual) -> Refusal | None:
    """Why the verb, for somebody whose task it is."""
    match verb:
        case "claim":
            return _claim(who, held, sheet, manual)
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


def candidates(held: Held, manual: Manual) -> tuple[str, ...]:
    """Who alone finds it in the inbox, as it is held now; none: everybody whose it is."""
    rule = _rule_there(held, manual) if held.assignee_type == "GROUP" else None
    return () if rule is None or rule.candidates is None else tuple(map(str, rule.candidates))


def unfit(who: Who, held: Held, sheet: Sheet, manual: Manual) -> str | None:
    """What its rule misses in this person, as the task is held now; None where they fit."""
    rule = _rule_there(held, manual)
    if rule is None:
        return None
    if not rule.is_candidate(who.subject, who.groups):
        return f"is none of its candidates: {', '.join(map(str, rule.candidates or ()))}"
    if sheet.able is not None and who.subject not in sheet.able and not who.skills.issuperset(rule.skills):
        return f"lacks the skills that this task asks for: {', '.join(rule.skills)}"
    return None


def _rule_there(held: Held, manual: Manual) -> Assignment | None:
    """The rule, where it holds; a group that is not the rule's is asked for nothing."""
    rule = manual.assignment
    is_elsewhere = rule is None or (held.assignee_type == "GROUP" and held.assignee_id != rule.home)
    return None if is_elsewhere else rule


def target_refusal(target: Who, held: Held, sheet: Sheet, manual: Manual) -> Refusal | None:
    """Why the task cannot be given to this person."""
    user = target.subject
    if user in sheet.excluded:
        return Refusal(f"{user} may not do this task: somebody else has to look at it (four eyes)", taken=True)
    if _has_decided(user, sheet):
        return Refusal(f"{user} has decided on it already; somebody else has to", taken=True)
    told = unfit(target, held, sheet, manual)
    return None if told is None else Refusal(f"{user} {told}", taken=True)


def _has_decided(user: str, sheet: Sheet) -> bool:
    """Whether it is for others to decide, since this person has."""
    return any(decision.by == user for decision in sheet.decisions)


def delegation_refusal(user: str, held: Held, sheet: Sheet) -> Refusal | None:
    """Why the work cannot be delegated to this person."""
    if user == held.holder:
        return Refusal(f"{user} has it already; delegate it to somebody else", taken=True)
    if user == sheet.owner:
        return Refusal(f"{user} has delegated it; resolve it, and it goes back", taken=True)
    return None


def _claim(who: Who, held: Held, sheet: Sheet, manual: Manual) -> Refusal | None:
    if held.claimed_by not in (None, who.subject):
        return Refusal(f"{held.claimed_by} has claimed it already", taken=True, by=held.claimed_by)
    if not is_theirs(who, held):
        return Refusal("only a member of the group it is assigned to can claim it")
    return take_refusal(who, held, sheet, manual)


def take_refusal(who: Who, held: Held, sheet: Sheet, manual: Manual) -> Refusal | None:
    """Why this person cannot take what nobody has yet."""
    if _has_decided(who.subject, sheet):
        return _DECIDED
    told = unfit(who, held, sheet, manual) if held.assignee_type == "GROUP" else None
    return None if told is None else Refusal(f"this task is not for you: {who.subject} {told}")


def _end(who: Who, held: Held, sheet: Sheet, manual: Manual) -> Refusal | None:
    if sheet.owner is not None and not who.over:
        return Refusal(f"{sheet.owner} has delegated it and ends it; resolve it when you are done", taken=True)
    if _has_decided(who.subject, sheet):
        return _DECIDED
    if manual.approvals is not None and manual.approvals.required > 1 and held.claimed_by is None:
        return None if who.over else take_refusal(who, held, sheet, manual)
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
