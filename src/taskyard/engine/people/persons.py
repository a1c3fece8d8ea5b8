"""Callers as the directory knows them."""

from __future__ import annotations

from dataclasses import replace

from taskyard.contracts.directory import Directory
from taskyard.contracts.inbox import Room
from taskyard.domain.people.assignment import Person
from taskyard.domain.people.rights import Who
from taskyard.domain.people.spec import Manual
from taskyard.security.caller import Caller


async def as_known(directory: Directory, caller: Caller) -> Caller:
    """The caller with the groups they have in the directory besides, how many open tasks it lets them have, and what it
    says that they can do.
    """
    person = await directory.person(caller.subject)
    if person is None:
        return caller
    groups = caller.groups | frozenset(person.groups)
    return replace(caller, groups=groups, max_open=person.max_open, skills=frozenset(person.skills))


def room_of(caller: Caller, manual: Manual) -> Room | None:
    """How many tasks the caller may have, by the rule and the directory; None for any number."""
    own = None if manual.assignment is None else manual.assignment.max_open
    limits = [limit for limit in (own, caller.max_open) if limit is not None]
    return Room(caller.subject, min(limits)) if limits else None


def who_is(person: Person) -> Who:
    """The person as the rules see them."""
    return Who(person.id, frozenset(person.groups), skills=frozenset(person.skills))


async def target(directory: Directory, name: str, manual: Manual) -> Who:
    """Who is to be given a task of this work; the directory is asked where its rule asks for anything of them."""
    rule = manual.assignment
    asks = rule is not None and (rule.skills or rule.candidates is not None)
    person = await directory.person(name) if asks else None
    return Who(name) if person is None else who_is(person)
