"""Holding: a manual task as it lies with its person, and the one way to change it.

A verb looks at the task, decides from what it sees, and changes it only if it is still at that version; else it looks
again. So of two people who want the same the second is told who was first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from taskyard.contracts.inbox import Room
from taskyard.contracts.records import Opened
from taskyard.domain.facts import Place, PlaceKind
from taskyard.domain.lifecycle import EventType, check_move
from taskyard.domain.people.rights import Refusal, Verb, Who, candidates, refusal
from taskyard.domain.people.sheet import Held, Sheet, read_sheet
from taskyard.domain.people.spec import Manual, work_of
from taskyard.domain.people.timeline import look, steps
from taskyard.domain.task import Task, detail_of, state_of, tell, version_of
from taskyard.engine.engine import Engine
from taskyard.engine.query import Known, know_one
from taskyard.errors import Conflict, Forbidden, Full
from taskyard.security.caller import Caller

_LOOKS = 20


class Holding(NamedTuple):
    """A manual task that is a person's; times in microseconds."""

    known: Known
    place: Place
    held: Held
    sheet: Sheet
    manual: Manual

    @property
    def task_id(self) -> int:
        """The task's id."""
        return self.known.facts.body.id

    @property
    def version(self) -> int:
        """The version that was seen."""
        return version_of(self.place, self.known.facts.last)

    @property
    def is_repair(self) -> bool:
        """Whether it is here because it failed."""
        return self.manual.kind == "repair"

    @property
    def failure(self) -> dict[str, Any] | None:
        """What it failed with."""
        return detail_of(self.known.facts.last).error

    @property
    def urgency(self) -> int:
        """Its priority now."""
        return self.place.urgency or self.known.facts.body.priority


class Change(NamedTuple):
    """What a manual task becomes, and the event that tells it; `body` beside who did it and how it was held; `room` if
    whose it becomes may have only so many.
    """

    event: EventType
    held: Held
    sheet: Sheet
    due_at: int | None
    urgency: int
    body: Mapping[str, Any] = MappingProxyType({})
    room: Room | None = None


Which = int | Known
"""A task by its id, or as it was just seen, which spares a look."""

Decide = Callable[[Holding, int], "Change | None"]
"""From what is seen, and the time, to the change; None: there is nothing to change."""


def holding_of(known: Known) -> Holding | None:
    """The task as a person's; None where it is not."""
    place = known.facts.place
    if place is None or place.kind is not PlaceKind.ASSIGNED:
        return None
    held = Held(place.assignee_type, place.assignee_id, place.claimed_by)
    return Holding(known, place, held, read_sheet(place.sheet), work_of(known.kind.definition))


def id_of(task: Which) -> int:
    """The task's id."""
    return task if isinstance(task, int) else task.facts.body.id


async def hold(engine: Engine, task: Which, move: str) -> Holding:
    """The task as a person's. Raises NotFound, IllegalTransition."""
    known = await know_one(engine, task) if isinstance(task, int) else task
    check_move(move, state_of(known.facts.place, known.facts.last))
    holding = holding_of(known)
    if holding is None:  # it waits for a system
        check_move("claim", state_of(known.facts.place, known.facts.last))
        raise Conflict(f"task {id_of(task)} is nobody's to do by hand")
    return holding


def who(caller: Caller) -> Who:
    """The caller as the rules see them."""
    return Who(caller.subject, caller.groups, caller.allows("service"), caller.skills)


def permit(verb: Verb, caller: Caller, holding: Holding) -> None:
    """Raise Conflict where it is another's now, Forbidden where it is not theirs to do."""
    told = refusal(verb, who(caller), holding.held, holding.sheet, holding.manual)
    if told is not None:
        raise refused(told)


def refused(told: Refusal) -> Conflict | Forbidden:
    """The error for a refusal."""
    details = {"claimedBy": told.by} if told.by else None
    return Conflict(told.message, details=details) if told.taken else Forbidden(told.message)


def unchanged(holding: Holding, event: EventType) -> Change:
    """A change that changes nothing but what is replaced in it."""
    return Change(event, holding.held, holding.sheet, holding.place.due_at, holding.urgency)


async def change(
    engine: Engine, caller: Caller, task: Which, verb: Verb, move: str, decide: Decide, version: int | None = None,
    *, dry_run: bool = False,
) -> Task:  # fmt: skip
    """Have a verb change a task; with `dry_run` only raise what would be raised.

    Raises NotFound, Forbidden, IllegalTransition, Conflict; then nothing has changed.
    """
    for _ in range(_LOOKS):
        holding = await hold(engine, task, move)
        check_version(holding, version)
        permit(verb, caller, holding)
        now = await engine.store.now()
        wanted = decide(holding, now)
        if dry_run and wanted is not None and wanted.room is not None:
            wanted.room.check((await engine.store.loads([wanted.room.person])).get(wanted.room.person, 0))
        if dry_run or wanted is None:
            return tell(*holding.known)
        changed = await apply(engine, holding, wanted, caller.subject, now)
        if changed is not None:
            return tell(*changed)
        task = holding.task_id
    raise Conflict(f"task {id_of(task)} moves too quickly; try again")


def check_version(holding: Holding, version: int | None) -> None:
    """Raise Conflict unless the caller has seen the present version, if they say which they have seen."""
    if version is not None and version != holding.version:
        raise Conflict(
            f"the task has changed: it is at version {holding.version}, not {version}; read it again",
            details={"version": holding.version},
        )


async def apply(engine: Engine, holding: Holding, wanted: Change, by: str, now: int) -> Known | None:
    """Change the task if it is still as it was seen: as it is then, else None."""
    after = {**_plain(wanted.held), "assigneeName": wanted.held.assignee_id}
    body = {"by": by, **wanted.body, "from": _plain(holding.held), **after}
    opened = opened_of(holding, wanted, now)
    try:
        told = (opened, wanted.event, body, holding.version)
        if not await engine.store.change_open(holding.task_id, *told, room=wanted.room):
            return None
    except Full:
        raise
    except Conflict:
        return None
    facts = holding.known.facts
    return holding.known._replace(facts=facts._replace(place=_placed(holding.place, opened)))


def _placed(place: Place, opened: Opened) -> Place:
    """The place as the store has changed it."""
    return place._replace(
        assignee_type=opened.assignee_type,
        assignee_id=opened.assignee_id,
        claimed_by=opened.claimed_by,
        due_at=opened.due_at,
        correlation_id=opened.correlation_id,
        changes=place.changes + 1,
        sheet=opened.sheet,
        urgency=opened.urgency,
    )


def opened_of(holding: Holding, wanted: Change, now: int) -> Opened:
    """The change as it is stored, with the moment when time has something to do with it again."""
    sheet, due_at = wanted.sheet, wanted.due_at
    seen = look(steps(holding.manual, sheet.since, due_at, sheet.follow_up_at), sheet.done, now)
    offered = candidates(wanted.held, holding.manual)
    sheet = msgspec.structs.replace(sheet, done=(*sheet.done, *seen.passed), candidates=offered)
    wake_at = min((step.at for step in seen.due), default=seen.next)
    stored = msgspec.json.encode(sheet)
    return Opened(*_values(wanted.held), holding.place.correlation_id, due_at, wake_at, stored, wanted.urgency)


def _values(held: Held) -> tuple[str | None, str | None, str | None]:
    return held.assignee_type, held.assignee_id, held.claimed_by


def _plain(held: Held) -> dict[str, Any]:
    return {"assigneeType": held.assignee_type, "assigneeId": held.assignee_id, "claimedBy": held.claimed_by}
