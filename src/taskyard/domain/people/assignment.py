"""Whose a manual task becomes: one decision from what is known. No look-ups here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from taskyard.domain.expression import evaluate
from taskyard.domain.people.spec import PICKING, Assignment


class Person(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Somebody who does tasks. `maxOpen`: how many open ones at most; who is `away` is given none."""

    id: str
    name: str = ""
    email: str = ""
    groups: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    max_open: int | None = None
    away: bool = False


class Ground(NamedTuple):
    """What the decision is made from: `{input, workflow, task}`, the group's members, how many open tasks each has,
    how often the rule has chosen before, who asked, and who did the step that `sameAs` names.
    """

    document: Mapping[str, Any]
    members: Sequence[Person] = ()
    loads: Mapping[str, int] = {}
    turn: int = 0
    askers: frozenset[str] = frozenset()
    did_step: str | None = None


class Assigned(NamedTuple):
    """Whose it is. `able`: of the rule's group, who has the skills; None where it asks for none. `why`: what kept the
    rule from finding somebody, when it fell back.
    """

    type: str | None
    id: str | None
    excluded: tuple[str, ...] = ()
    able: tuple[str, ...] | None = None
    why: str | None = None


def assign(rule: Assignment, ground: Ground) -> Assigned:
    """Decide. Raises ValueError for an expression that cannot be evaluated."""
    excluded = _excluded(rule, ground)
    found, why = _found(rule, ground, excluded)
    type_, id_ = found or _fallback(rule)
    if found is not None and type_ == "USER" and id_ in excluded:
        why = f"{id_} may not do it"
        type_, id_ = _fallback(rule)
    return Assigned(type_, id_, tuple(sorted(excluded)), _able(rule, ground, excluded), why)


def _able(rule: Assignment, ground: Ground, excluded: frozenset[str]) -> tuple[str, ...] | None:
    if rule.home is None or not rule.skills:
        return None
    return tuple(sorted(person.id for person in ground.members if _is_fit(rule, person, excluded)))


def _found(rule: Assignment, ground: Ground, excluded: frozenset[str]) -> tuple[tuple[str, str] | None, str | None]:
    """Who the rule names, or why it names nobody."""
    if rule.rule == "fixed":
        return (rule.type or "USER", rule.id or ""), None
    if rule.rule == "sameAs":
        found = None if ground.did_step is None else ("USER", ground.did_step)
        return found, None if found else f"nobody has done the step {rule.step} in this workflow"
    if rule.rule == "expression":
        named = _named(evaluate(rule.expression or "", ground.document), rule.type or "USER")
        return named, None if named else f"the expression {rule.expression} names nobody"
    return _pick(rule, ground, excluded)


def _pick(rule: Assignment, ground: Ground, excluded: frozenset[str]) -> tuple[tuple[str, str] | None, str | None]:
    members = sorted(ground.members, key=lambda person: person.id)
    if not members:
        return None, f"nobody is in the group {rule.group}"
    start = ground.turn % len(members)
    in_turn = members[start:] + members[:start]
    fit = [person for person in in_turn if _is_fit(rule, person, excluded)]
    free = [person for person in fit if not person.away and _has_room(rule, person, ground)]
    if not free:
        nobody = "nobody" if rule.candidates is None else "no candidate"
        return None, f"{nobody} of the group {rule.group} " + ("has room for it" if fit else "may do it or can")
    if rule.rule == "leastLoaded":
        free.sort(key=lambda person: ground.loads.get(person.id, 0))
    elif rule.rule == "skill":
        free.sort(key=lambda person: (len(person.skills), ground.loads.get(person.id, 0)))
    return ("USER", free[0].id), None


def _is_fit(rule: Assignment, person: Person, excluded: frozenset[str]) -> bool:
    is_skilled = set(rule.skills) <= set(person.skills)
    return person.id not in excluded and is_skilled and rule.is_candidate(person.id, person.groups)


def _has_room(rule: Assignment, person: Person, ground: Ground) -> bool:
    limits = [limit for limit in (rule.max_open, person.max_open) if limit is not None]
    return not limits or ground.loads.get(person.id, 0) < min(limits)


def _fallback(rule: Assignment) -> tuple[str | None, str | None]:
    if rule.fallback is not None:
        return rule.fallback.type, rule.fallback.id
    if rule.group is not None:
        return "GROUP", rule.group
    return None, None


def _excluded(rule: Assignment, ground: Ground) -> frozenset[str]:
    named = evaluate(rule.exclude, ground.document) if rule.exclude else None
    names = named if isinstance(named, list) else [named]
    others = frozenset(name for name in names if isinstance(name, str))
    return others | (ground.askers if rule.exclude_asker else frozenset())


def _named(value: Any, type_: str) -> tuple[str, str] | None:
    if isinstance(value, dict) and value.get("type") in ("USER", "GROUP") and isinstance(value.get("id"), str):
        return value["type"], value["id"]
    return (type_, value) if isinstance(value, str) and value else None


def needs_loads(rule: Assignment, members: Sequence[Person]) -> bool:
    """Whether the decision asks how many open tasks each of these has."""
    limited = rule.max_open is not None or any(person.max_open is not None for person in members)
    return rule.rule in PICKING and (limited or rule.rule != "roundRobin")


def needs_members(rule: Assignment) -> bool:
    """Whether the decision asks for the members of the rule's group."""
    return rule.home is not None and (rule.rule in PICKING or bool(rule.skills))
