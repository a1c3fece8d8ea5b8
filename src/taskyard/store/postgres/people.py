"""Who does manual tasks, and what they have to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

import asyncpg
import msgspec

from taskyard.contracts.inbox import InboxFilter, InboxRow, Room, meant, names_of, ways
from taskyard.contracts.people import Choose, Load, Workload, WorkTime
from taskyard.domain.forms.secrets import MARKS
from taskyard.domain.people.assignment import Person
from taskyard.store.postgres.base import Base
from taskyard.store.postgres.database import Pool
from taskyard.store.postgres.shapes import encode
from taskyard.store.postgres.statements import statement

_KEYS: Final = {
    "due": "coalesce(due_at, 9223372036854775807)",
    "priority": "-coalesce(urgency, 2)",
    "age": "task_id",
}
_OWN = "assignee_type = 'USER' AND assignee_id = $1::text AND claimed_by IS NULL"
_CLAIMED = "claimed_by = $1::text"
_FOR_THEM = "(candidates IS NULL OR candidates && $4::text[])"
_FREE = f"assignee_type = 'GROUP' AND assignee_id = g.name AND claimed_by IS NULL AND {_FOR_THEM}"
_TAKEN = f"assignee_type = 'GROUP' AND assignee_id = g.name AND claimed_by IS NOT NULL AND {_FOR_THEM}"
_VIEWS: Final = {
    "open": ((_OWN, _CLAIMED), (_FREE,)),
    "mine": ((_OWN, _CLAIMED), ()),
    "claimed": ((_CLAIMED,), ()),
    "groups": ((), (_FREE, _TAKEN)),
    "unclaimed": ((), (_FREE,)),
}
_COUNTS = statement("inbox_counts")
_LOADS = statement("loads")
_GIVING = "hashtext('taskyard.pledge')"
_ALONE = f"SELECT pg_advisory_xact_lock({_GIVING})"
# Beside other takers first, or who gives and who takes could wait for each other.
_IN_TURN = (
    f"WITH beside AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared({_GIVING})) "
    "SELECT pg_advisory_xact_lock(hashtextextended('taskyard.pledge ' || $1, 0)) FROM beside"
)
_PLEDGE = """
WITH gone AS (DELETE FROM taskyard.pledge WHERE task_id <> $1 AND taskyard.has_ended(task_id, attempt)),
former AS (DELETE FROM taskyard.pledge WHERE task_id = $1 AND $3::text IS NULL)
INSERT INTO taskyard.pledge (task_id, attempt, person) SELECT $1::bigint, $2::int, $3 WHERE $3 IS NOT NULL
ON CONFLICT (task_id) DO UPDATE SET attempt = excluded.attempt, person = excluded.person
"""
_WORKED = (
    "SELECT ended_at, task_id FROM taskyard.worked WHERE person = $1 "
    "AND ($3::bigint IS NULL OR (ended_at, task_id) < ($3, $4::bigint)) ORDER BY ended_at DESC, task_id DESC LIMIT $2"
)
_HAS_WORKED = "SELECT EXISTS (SELECT FROM taskyard.worked WHERE task_id = $2 AND person = $1)"
_DUE = (
    "SELECT wake_at, task_id FROM taskyard.open WHERE wake_at <= $1 AND (wake_at, task_id) > ($3::bigint, $4::bigint) "
    "ORDER BY wake_at, task_id LIMIT $2"
)
_TIMES = (
    "SELECT task_id, definition, group_id, opened_at, claimed_at, due_at, ended_at FROM taskyard.worked "
    "WHERE ended_at >= $1 AND (ended_at, task_id) > ($3::bigint, $4::bigint) AND opened_at IS NOT NULL "
    "ORDER BY ended_at, task_id LIMIT $2"
)
_WORKLOADS = statement("workloads")
_BUSIEST = statement("busiest")
_ROTA = (
    "INSERT INTO taskyard.rota (key, turn) VALUES ($1, 0) ON CONFLICT (key) DO UPDATE SET turn = rota.turn + 1 "
    "RETURNING turn"
)
_HIDDEN = " OR ".join(f"position('{mark}' IN convert_from(spec, 'UTF8')) > 0" for mark in MARKS)
_SHOWN: Final = f"t.kind_id NOT IN (SELECT id FROM taskyard.kind WHERE {_HIDDEN})"
_SAVE = (
    "INSERT INTO taskyard.person (id, spec) VALUES ($1, $2::bytea) ON CONFLICT (id) DO UPDATE SET spec = excluded.spec"
)
_ENTER = (
    "INSERT INTO taskyard.membership (group_id, person_id) SELECT name, $1::text FROM unnest($2::text[]) AS g (name)"
)
_PERSON = "SELECT spec FROM taskyard.person WHERE id = $1"
_PERSONS = "SELECT spec FROM taskyard.person WHERE id > $2 ORDER BY id LIMIT $1"
_REMOVE = "DELETE FROM taskyard.person WHERE id = $1 RETURNING true"
_LEAVE = "DELETE FROM taskyard.membership WHERE person_id = $1"
_BAR = "DELETE FROM taskyard.login WHERE person = $1"
_MEMBERS = (
    "SELECT p.spec FROM taskyard.membership m JOIN taskyard.person p ON p.id = m.person_id WHERE m.group_id = $1 "
    "ORDER BY p.id"
)


class People(Base):
    """The facet of the same name."""

    async def inbox(self, wanted: InboxFilter, limit: int, after: InboxRow | None) -> list[InboxRow]:
        """See the contract."""
        query, values = _inbox(wanted, after)
        told = (wanted.person, list(wanted.groups), limit, names_of(wanted.person, wanted.groups))
        rows: list[Any] = await self.db.relaxed.fetch(query, *told, *values)
        return [InboxRow(*row) for row in rows]

    async def inbox_counts(self, person: str, groups: Sequence[str], now: int) -> dict[str, int]:
        """See the contract."""
        told = (person, list(groups), now, names_of(person, groups))
        return dict((await self.db.relaxed.only(_COUNTS, *told)).items())

    async def worked(self, person: str, limit: int, after: InboxRow | None) -> list[InboxRow]:
        """See the contract."""
        rows: list[Any] = await self.db.relaxed.fetch(_WORKED, person, limit, *(after or (None, None)))
        return [InboxRow(*row) for row in rows]

    async def has_worked(self, person: str, task_id: int) -> bool:
        """See the contract."""
        return bool(await self.db.relaxed.value(_HAS_WORKED, person, task_id))

    async def loads(self, persons: Sequence[str]) -> dict[str, int]:
        """See the contract."""
        return await loads_of(self.db.relaxed, persons)

    async def give(self, task_id: int, attempt: int, persons: Sequence[str], choose: Choose) -> None:
        """See the contract."""
        async with self.db.relaxed.transaction() as connection:
            await connection.execute(_ALONE)
            chosen = choose(await loads_of(connection, persons, task_id))
            await connection.execute(_PLEDGE, task_id, attempt, chosen)

    async def due_open(self, until: int, limit: int, after: InboxRow) -> list[InboxRow]:
        """See the contract."""
        rows: list[Any] = await self.db.relaxed.fetch(_DUE, until, limit, *after)
        return [InboxRow(*row) for row in rows]

    async def work_times(self, since: int, limit: int, after: WorkTime | None) -> list[WorkTime]:
        """See the contract."""
        position = (-1, -1) if after is None else (after.ended_at, after.task_id)
        rows: list[Any] = await self.db.reading.fetch(_TIMES, since, limit, *position)
        return [WorkTime(*row) for row in rows]

    async def workloads(self, now: int) -> list[Workload]:
        """See the contract."""
        rows: list[Any] = await self.db.reading.fetch(_WORKLOADS, now)
        return [Workload(*row) for row in rows]

    async def busiest(self, now: int, limit: int) -> list[Load]:
        """See the contract."""
        rows: list[Any] = await self.db.reading.fetch(_BUSIEST, now, limit)
        return [Load(*row) for row in rows]

    async def rota(self, key: str) -> int:
        """See the contract."""
        return int(await self.db.durable.value(_ROTA, key))

    async def save_person(self, person: Person) -> None:
        """See the contract."""
        async with self.db.durable.transaction() as connection:
            await connection.execute(_SAVE, person.id, encode(person))  # whoever saves the same person waits here
            await connection.execute(_LEAVE, person.id)
            await connection.execute(_ENTER, person.id, list(set(person.groups)))

    async def person(self, person_id: str) -> Person | None:
        """See the contract."""
        row = await self.db.relaxed.row(_PERSON, person_id)
        return None if row is None else _person(row)

    async def persons(self, limit: int, after: str) -> list[Person]:
        """See the contract."""
        return [_person(row) for row in await self.db.relaxed.fetch(_PERSONS, limit, after)]

    async def remove_person(self, person_id: str) -> bool:
        """See the contract."""
        async with self.db.durable.transaction() as connection:
            is_gone = await connection.fetchval(_REMOVE, person_id)  # waits for a login that is being saved
            await connection.execute(_LEAVE, person_id)
            await connection.execute(_BAR, person_id)
        return bool(is_gone)

    async def members(self, group: str) -> list[Person]:
        """See the contract."""
        return [_person(row) for row in await self.db.relaxed.fetch(_MEMBERS, group)]


async def check_room(connection: asyncpg.Connection, room: Room) -> None:
    """Raise Full where there is no room, else keep it till the transaction ends: others who take something for the same
    person wait, and whoever gives to several.
    """
    await connection.execute(_IN_TURN, room.person)
    room.check((await loads_of(connection, [room.person])).get(room.person, 0))


async def loads_of(source: Pool | asyncpg.Connection, persons: Sequence[str], but: int | None = None) -> dict[str, int]:
    """How many tasks each has, without that one."""
    rows: list[Any] = await source.fetch(_LOADS, list(persons), but)
    return {name: count for name, count in rows}  # noqa: C416 - rows are no pairs


def _inbox(wanted: InboxFilter, after: InboxRow | None) -> tuple[str, list[Any]]:
    """The query, and the values of its parameters after person, groups, limit and names."""
    key = _KEYS[wanted.sort]
    values: list[Any] = []

    def bind(value: Any, type_: str) -> str:
        values.append(value)
        return f"${len(values) + 4}::{type_}"

    conditions = _conditions(wanted, bind)
    if after is not None:
        conditions.append(f"({key}, task_id) > ({bind(after.key, 'bigint')}, {bind(after.task_id, 'bigint')})")
    more = "".join(f" AND {condition}" for condition in conditions)

    def page(source: str) -> str:
        rows = f"SELECT {key} AS key, task_id FROM taskyard.open WHERE {source}{more}"
        return f"{rows} ORDER BY {key}, task_id LIMIT $3::int"

    alone, shared = _VIEWS[wanted.view]
    parts = [f"(SELECT * FROM ({page(source)}) o)" for source in alone]
    groups = "SELECT o.* FROM unnest($2::text[]) AS g (name) CROSS JOIN LATERAL"
    parts += [f"({groups} ({page(source)}) o)" for source in shared]
    # All parameters have to be named, whichever view it is.
    named = "$1::text IS NOT NULL AND $2::text[] IS NOT NULL AND $4::text[] IS NOT NULL"
    union = " UNION ALL ".join(parts)
    return f"SELECT key, task_id FROM ({union}) i WHERE {named} ORDER BY key, task_id LIMIT $3", values


def _conditions(wanted: InboxFilter, bind: Callable[[Any, str], str]) -> list[str]:
    """What rows have to fulfil besides being in the view."""
    conditions = []
    if wanted.due_before is not None:
        conditions.append(f"due_at < {bind(wanted.due_before, 'bigint')}")
    if wanted.due_after is not None:
        conditions.append(f"due_at >= {bind(wanted.due_after, 'bigint')}")
    if wanted.urgencies is not None:
        conditions.append(f"coalesce(urgency, 2) = ANY ({bind(list(wanted.urgencies), 'int[]')})")
    if wanted.group is not None:
        conditions.append(f"assignee_type = 'GROUP' AND assignee_id = {bind(wanted.group, 'text')}")
    if about := _about(wanted, bind):
        body = f"SELECT FROM taskyard.task t WHERE t.id = task_id AND {' AND '.join(about)} OFFSET 0"
        conditions.append(f"EXISTS ({body})")
    return conditions


def _about(wanted: InboxFilter, bind: Callable[[Any, str], str]) -> list[str]:
    """The conditions on the task's body."""
    about = []
    if wanted.kind_ids is not None:
        about.append(f"t.kind_id = ANY ({bind(list(wanted.kind_ids), 'int[]')})")
    if wanted.workflow_id is not None:
        about.append(f"t.workflow_id = {bind(wanted.workflow_id, 'text')}")
    if wanted.text is not None:
        titled = f"t.kind_id = ANY ({bind(list(wanted.text_kind_ids), 'int[]')})"
        text = bind(wanted.folded, "text")
        about.append(
            f"({titled} OR {_SHOWN} AND position({text} IN taskyard.folded(convert_from(t.input, 'UTF8'))) > 0)"
        )
    for path, found in wanted.fields:
        steps, values = bind([_json_path(way) for way in ways(path)], "text[]"), bind(meant(found), "text[]")
        about.append(
            f"{_SHOWN} AND EXISTS (SELECT FROM unnest({steps}) s, "
            f"jsonb_path_query(taskyard.as_json(t.input), s::jsonpath) v WHERE v = ANY ({values}::jsonb[]))"
        )
    return about


def _json_path(way: Sequence[str | int]) -> str:
    """A way into the input; what stands in an array is looked through."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{json.dumps(step)}" for step in way)
    return f"${''.join(steps)}[*]"


def _person(row: Any) -> Person:
    return msgspec.json.decode(row["spec"], type=Person)
