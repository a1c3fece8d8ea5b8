"""The planner: notes what people are to know, once each, and has tasks carry it to them.

It reads the feed from where it has come to. The notices, the tasks that carry them, and how far it has come are one
write: nothing is lost by a crash, and nothing is told twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from itertools import groupby
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from taskyard.contracts.directory import Directory
from taskyard.contracts.notices import NoticeRow
from taskyard.domain.people.assignment import Person
from taskyard.domain.people.notice import Audience, audience, one_line
from taskyard.domain.people.preferences import Preferences, digest_at, is_sent, ways
from taskyard.domain.people.rights import unfit
from taskyard.domain.people.sheet import Held, read_sheet
from taskyard.domain.people.spec import work_of
from taskyard.domain.task import iso, tell
from taskyard.engine.engine import Engine
from taskyard.engine.events import FeedEvent, read_told
from taskyard.engine.own import NOTIFY, OwnTasks
from taskyard.engine.people.persons import who_is
from taskyard.engine.query import Known, know
from taskyard.security.caller import SYSTEM

READER: Final = "notices"
_AT_ONCE: Final = 200
_DIGESTS: Final = 1000
_BESIDE: Final = 16
_LARGEST_GROUP: Final = 200
_LONGEST_REASON: Final = 2000
_PLAIN: Final = Preferences()

log = structlog.get_logger("taskyard.notices")


class _Due(NamedTuple):
    """An event that somebody is told of."""

    event: FeedEvent
    audience: Audience
    known: Known


class Planner:
    """What one process does for all people of the installation; `set_up`: the channels that can be used here."""

    def __init__(self, engine: Engine, directory: Directory, set_up: Collection[str]) -> None:
        self._engine = engine
        self._directory = directory
        self._set_up = frozenset(set_up)
        self._tasks = OwnTasks(engine, NOTIFY)
        self._position: int | None = None

    async def turn(self) -> None:
        """Note all that is new, and send the digests that are due; during maintenance they wait."""
        while await self._plan():
            pass
        while await self._send_digests():
            pass

    async def _plan(self) -> bool:
        position = await self._where()
        page = await read_told(self._engine, position, _AT_ONCE)
        if page.end == position or await self._engine.mode.is_on():
            return False
        rows = await self._rows(await self._due(page.events))
        self._position = page.end if await self.note(rows, READER, position, page.end) else None
        return self._position is not None

    async def note(self, rows: list[NoticeRow], reader: str, before: int, pos: int) -> bool:
        """Keep these notices, have tasks carry those that are to be sent now, and move the reader; False, with nothing
        done, when that does not stand at `before`.
        """
        store = self._engine.store
        wanted = await self._wanted(rows, await store.now())
        entries = await self._tasks.draft([_input(row.person, [row]) for row in wanted if row.digest_at is None])
        kept = {row.id: row for row in wanted}
        return await store.plan_notices([kept.get(row.id, row) for row in rows], entries, reader, before, pos)

    async def _where(self) -> int:
        """How far the feed has been read; to its end where it never was, for nobody is told of what was before."""
        store = self._engine.store
        if self._position is None:
            self._position = await store.reader_position(READER)
        if self._position is None:
            end = await store.feed_end()
            self._position = end if await store.move_reader(READER, None, end) else await store.reader_position(READER)
        return self._position or 0

    async def _due(self, events: Iterable[FeedEvent]) -> list[_Due]:
        told = [
            (int(each.event.data["taskId"]), each, who)
            for each in events
            if (who := audience(each.event.key, each.event.data)) is not None
        ]
        ids = sorted({task_id for task_id, _, _ in told})
        known = {one.facts.body.id: one for one in await know(self._engine, ids)}
        return [_Due(each, who, known[task_id]) for task_id, each, who in told if task_id in known]

    async def _rows(self, due: list[_Due]) -> list[NoticeRow]:
        """A notice for each person whom an event concerns, but who caused it themselves."""
        members = await self._members({each.audience.id for each in due if each.audience.type == "GROUP"})
        found = []
        for each in due:
            who = each.audience
            people = [who.id] if who.type == "USER" else _fit(who.id, members[who.id], each.known)
            body = msgspec.json.encode(_body(each))
            at = int(each.event.event.timestamp.timestamp() * 1_000_000)
            told = [person for person in people if person != each.event.event.data.get("by")]
            found += [NoticeRow(0, person, each.known.facts.body.id, who.kind, at, body) for person in told]
        ids = self._engine.store.new_ids(len(found))
        return [row._replace(id=id_) for row, id_ in zip(found, ids, strict=True)]

    async def _members(self, groups: set[str]) -> dict[str, list[Person]]:
        """Who is told of what concerns a group. A large one is not: it has its inbox."""
        found = {}
        for group in groups:
            people = await self._directory.members(group)
            found[group] = people if len(people) <= _LARGEST_GROUP else []
        return found

    async def _wanted(self, rows: list[NoticeRow], now: int) -> list[NoticeRow]:
        """Those that are to be sent, with when they go out where that is not at once."""
        names = sorted({row.person for row in rows})
        preferences = await self._engine.store.preferences(names)
        people = await self._people(names)
        found = []
        for row in rows:
            wish = preferences.get(row.person, _PLAIN)
            kind: Any = row.kind
            if is_sent(wish, kind) and ways(wish, people[row.person], self._set_up):
                found.append(row._replace(digest_at=digest_at(wish, kind, now)))
        return found

    async def _people(self, names: list[str]) -> dict[str, Person]:
        asking = asyncio.Semaphore(_BESIDE)

        async def ask(name: str) -> Person:
            async with asking:
                return await self._directory.person(name) or Person(name)

        return dict(zip(names, await asyncio.gather(*map(ask, names)), strict=True))

    async def _send_digests(self) -> bool:
        store = self._engine.store
        rows = await store.due_digests(await store.now(), _DIGESTS)
        if not rows or await self._engine.mode.is_on():
            return False
        inputs = [_input(person, list(some)) for person, some in groupby(rows, lambda row: row.person)]
        return await store.send_digest([row.id for row in rows], await self._tasks.draft(inputs))


def _fit(group: str, members: list[Person], known: Known) -> list[str]:
    """Those of a group's members who may do the task."""
    sheet = read_sheet(known.facts.place.sheet if known.facts.place else None)
    held, work = Held("GROUP", group), work_of(known.kind.definition)
    able = [each.id for each in members if unfit(who_is(each), held, sheet, work) is None]
    return [person for person in able if person not in sheet.excluded]


def _input(person: str, rows: list[NoticeRow]) -> dict[str, Any]:
    return {"person": person, "notices": [str(row.id) for row in rows]}


def _body(due: _Due) -> dict[str, Any]:
    """What the notice says of the task as it was."""
    data, task = due.event.event.data, tell(*due.known)
    by = None if data.get("by") == SYSTEM.subject else data.get("by")
    reason = data.get("reason") if by is not None else None
    return {
        "title": one_line(task.title),
        "taskDefinitionId": task.task_definition_id,
        "workflowId": task.workflow_id,
        "priority": task.priority,
        "dueDate": data.get("dueDate") or iso(due.known.facts.place.due_at if due.known.facts.place else None),
        "by": by,
        "reason": reason[:_LONGEST_REASON] if isinstance(reason, str) else None,
        "action": data.get("action"),
        "assigneeType": data.get("assigneeType"),
        "assigneeId": data.get("assigneeId"),
    }
