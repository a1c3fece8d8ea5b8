"""What people do with a manual task short of ending it; each is one legal move and one event."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from taskyard.contracts.inbox import Room
from taskyard.contracts.records import Upload
from taskyard.domain.lifecycle import EventType
from taskyard.domain.people.rights import Refusal, Who, delegation_refusal, take_refusal, target_refusal
from taskyard.domain.people.sheet import Held
from taskyard.domain.people.spec import work_of
from taskyard.domain.people.timeline import steps, still_done
from taskyard.domain.policy import invalid
from taskyard.domain.task import Task, iso
from taskyard.engine.engine import Engine
from taskyard.engine.people.forms import result_files
from taskyard.engine.people.holding import Change, Holding, Which, change, refused, unchanged, who
from taskyard.engine.people.persons import as_known, room_of, target
from taskyard.engine.query import know_one
from taskyard.engine.upload import find_uploads
from taskyard.security.caller import Caller

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Reason = Annotated[str, Meta(max_length=2000)]


class Reassignment(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """To whom a manual task goes; with `version` only if that is the task's present one."""

    assignee_type: Literal["USER", "GROUP"]
    assignee_id: Name
    reason: Reason | None = None
    version: int | None = None


async def claim(
    engine: Engine, caller: Caller, task: Which, version: int | None = None, *, dry_run: bool = False
) -> Task:
    """Take a task of one's group; of many who want it one has it. Raises what `change` raises."""

    def decide(holding: Holding, now: int) -> Change | None:
        del now
        if holding.held.claimed_by == caller.subject:
            return None
        held = replace(holding.held, claimed_by=caller.subject)
        return unchanged(holding, EventType.CLAIMED)._replace(held=held, room=_room(holding, caller))

    return await change(engine, caller, task, "claim", "claim", decide, version, dry_run=dry_run)


def _room(holding: Holding, caller: Caller) -> Room | None:
    """How many tasks the caller may have; None for any number, and for one of theirs."""
    return None if holding.held.holder == caller.subject else room_of(caller, holding.manual)


async def release(engine: Engine, caller: Caller, task: Which, version: int | None = None) -> Task:
    """Give a claim back. Raises what `change` raises."""

    def decide(holding: Holding, now: int) -> Change:
        del now
        return unchanged(holding, EventType.RELEASED)._replace(held=replace(holding.held, claimed_by=None))

    return await change(engine, caller, task, "release", "unclaim", decide, version)


async def assign(
    engine: Engine, caller: Caller, task: Which, user: str, reason: str | None = None, version: int | None = None
) -> Task:
    """Give a task that nobody has to a person. Raises what `change` raises."""
    to = Reassignment("USER", user, reason, version)
    return await _give(engine, caller, task, to, "assign")


async def reassign(engine: Engine, caller: Caller, task: Which, to: Reassignment, *, dry_run: bool = False) -> Task:
    """Give a task to another USER or GROUP; claim and delegation end. Raises what `change` raises."""
    return await _give(engine, caller, task, to, "reassign", dry_run=dry_run)


async def _give(
    engine: Engine, caller: Caller, task: Which, to: Reassignment, verb: Literal["assign", "reassign"],
    *, dry_run: bool = False,
) -> Task:  # fmt: skip
    known = await know_one(engine, task) if isinstance(task, int) else task
    given_to = Who(to.assignee_id)
    if to.assignee_type == "USER":
        given_to = await target(engine.directory, to.assignee_id, work_of(known.kind.definition))

    def decide(holding: Holding, now: int) -> Change:
        del now
        held = Held(to.assignee_type, to.assignee_id)
        sheet = replace(holding.sheet, owner=None, owned=None)
        given = unchanged(holding, EventType.ASSIGNED)._replace(held=held, sheet=sheet, body={"reason": to.reason})
        if held.holder == caller.subject and holding.held.holder is None:  # it is a claim by another name
            _refuse(take_refusal(who(caller), holding.held, holding.sheet, holding.manual))
            return given._replace(room=_room(holding, caller))
        if to.assignee_type == "USER":
            _check_target(holding, given_to)
        return given

    if to.assignee_type == "USER" and to.assignee_id == caller.subject:
        caller = await as_known(engine.directory, caller)
    return await change(engine, caller, known, verb, "reassign", decide, to.version, dry_run=dry_run)


async def delegate(
    engine: Engine, caller: Caller, task: Which, user: str, reason: str | None = None, version: int | None = None
) -> Task:
    """Have somebody else do the work; they resolve it, and it comes back. Raises what `change` raises."""

    known = await know_one(engine, task) if isinstance(task, int) else task
    given_to = await target(engine.directory, user, work_of(known.kind.definition))

    def decide(holding: Holding, now: int) -> Change:
        del now
        _check_target(holding, given_to)
        _refuse(delegation_refusal(user, holding.held, holding.sheet))
        sheet = holding.sheet
        if sheet.owner is None:
            sheet = replace(sheet, owner=holding.held.holder or caller.subject, owned=holding.held)
        changed = unchanged(holding, EventType.DELEGATED)
        return changed._replace(held=Held("USER", user), sheet=sheet, body={"reason": reason, "owner": sheet.owner})

    return await change(engine, caller, known, "delegate", "delegate", decide, version)


async def resolve(engine: Engine, caller: Caller, task: Which, version: int | None = None) -> Task:
    """Give a delegated task back to who has delegated it, as it was theirs. Raises what `change` raises."""

    def decide(holding: Holding, now: int) -> Change:
        del now
        sheet = replace(holding.sheet, owner=None, owned=None)
        held = holding.sheet.owned or holding.held
        return unchanged(holding, EventType.RESOLVED)._replace(held=held, sheet=sheet)

    return await change(engine, caller, task, "resolve", "resolve", decide, version)


async def draft(engine: Engine, caller: Caller, task: Which, output: Any, version: int | None = None) -> Task:
    """Keep an unfinished result, unchecked, and those of the files it names that are the drafter's or were drafted
    before. Raises what `change` raises.
    """
    known = await know_one(engine, task) if isinstance(task, int) else task
    named = await find_uploads(engine, result_files(known.kind.definition, output))
    own = {each.id for each in named if each.owner == caller.subject}

    def decide(holding: Holding, now: int) -> Change:
        files = tuple(each.id for each in named if each.id in own or each.id in holding.sheet.files)
        sheet = replace(holding.sheet, draft=output, drafted_by=caller.subject, drafted_at=now, files=files)
        return unchanged(holding, EventType.DRAFTED)._replace(sheet=sheet)

    return await change(engine, caller, task, "draft", "draft", decide, version)


async def follow_up(engine: Engine, caller: Caller, task: Which, at: int | None, version: int | None = None) -> Task:
    """Be reminded of it then (microseconds), or no more. Raises what `change` raises."""

    def decide(holding: Holding, now: int) -> Change:
        del now
        sheet = replace(holding.sheet, follow_up_at=at)
        body = {"followUp": iso(at), "formerFollowUp": iso(holding.sheet.follow_up_at)}
        return unchanged(holding, EventType.FOLLOW_UP)._replace(sheet=sheet, body=body)

    return await change(engine, caller, task, "follow-up", "follow-up", decide, version)


async def reschedule(
    engine: Engine, caller: Caller, task: Which, due_at: int | None, reason: str | None = None,
    version: int | None = None, *, dry_run: bool = False,
) -> Task:  # fmt: skip
    """Have it due then (microseconds); reminders and escalations move with it.

    Raises ValidationFailed for a time that has passed, and what `change` raises.
    """

    def decide(holding: Holding, now: int) -> Change:
        if due_at is not None and due_at <= now:
            raise invalid("/dueDate", "has passed already; give a time to come", "minimum")
        sheet = holding.sheet
        moments = steps(holding.manual, sheet.since, due_at, sheet.follow_up_at)
        sheet = replace(sheet, done=still_done(moments, sheet.done, now))
        body = {"reason": reason, "dueDate": iso(due_at), "formerDueDate": iso(holding.place.due_at)}
        return unchanged(holding, EventType.RESCHEDULED)._replace(sheet=sheet, due_at=due_at, body=body)

    return await change(engine, caller, task, "due-date", "reschedule", decide, version, dry_run=dry_run)


async def comment(engine: Engine, caller: Caller, task: Which, text: str) -> Task:
    """Say something about it, for its history. Raises what `change` raises."""

    def decide(holding: Holding, now: int) -> Change:
        del now
        return unchanged(holding, EventType.COMMENTED)._replace(body={"text": text})

    return await change(engine, caller, task, "comments", "comment", decide)


async def attach(engine: Engine, caller: Caller, task: Which, upload: Upload) -> Task:
    """Add a file that was uploaded to it. Raises what `change` raises."""
    told = {"uploadId": upload.id, "name": upload.name, "size": upload.size, "sha256": upload.sha256}
    await find_uploads(engine, [upload.id])

    def decide(holding: Holding, now: int) -> Change:
        del now
        return unchanged(holding, EventType.COMMENTED)._replace(body={"attachment": told})

    return await change(engine, caller, task, "attachments", "comment", decide)


def _check_target(holding: Holding, given_to: Who) -> None:
    _refuse(target_refusal(given_to, holding.held, holding.sheet, holding.manual))


def _refuse(told: Refusal | None) -> None:
    if told is not None:
        raise refused(told)
