"""Who does manual tasks, and what they have to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from taskyard.contracts.inbox import InboxFilter, InboxRow, meant, names_of, ways
from taskyard.contracts.people import Choose, Load, Workload, WorkTime
from taskyard.domain.facts import PlaceKind
from taskyard.domain.forms.secrets import MARKS
from taskyard.domain.people.assignment import Person
from taskyard.store.sqlite.base import Base, Connection, as_array

_KEYS: Final = {
    "due": "coalesce(due_at, 9223372036854775807)",
    "priority": "(-coalesce(urgency, 2))",
    "age": "task_id",
}
_OWN = "assignee_type = 'USER' AND assignee_id = :person AND claimed_by IS NULL"
_CLAIMED = "claimed_by = :person"
_FOR_THEM = (
    "(candidates IS NULL OR EXISTS (SELECT 1 FROM json_each(candidates) "
    "WHERE value IN (SELECT value FROM json_each(:names))))"
)
_FREE = f"assignee_type = 'GROUP' AND assignee_id = :group{{}} AND claimed_by IS NULL AND {_FOR_THEM}"
_TAKEN = f"assignee_type = 'GROUP' AND assignee_id = :group{{}} AND claimed_by IS NOT NULL AND {_FOR_THEM}"
_VIEWS: Final = {
    "open": ((_OWN, _CLAIMED), (_FREE,)),
    "mine": ((_OWN, _CLAIMED), ()),
    "claimed": ((_CLAIMED,), ()),
    "groups": ((), (_FREE, _TAKEN)),
    "unclaimed": ((), (_FREE,)),
}
_COUNTS = f"""
WITH own AS (
  SELECT due_at, claimed_by FROM open WHERE {_CLAIMED} UNION ALL SELECT due_at, claimed_by FROM open WHERE {_OWN}
),
shared AS (
  SELECT due_at, claimed_by FROM open
  WHERE assignee_type = 'GROUP' AND assignee_id IN (SELECT value FROM json_each(:groups)) AND {_FOR_THEM}
)
SELECT 'mine', count(*) FROM own
UNION ALL SELECT 'claimed', count(claimed_by) FROM own
UNION ALL SELECT 'groups', count(*) FROM shared
UNION ALL SELECT 'unclaimed', count(*) - count(claimed_by) FROM shared
UNION ALL SELECT 'open', (SELECT count(*) FROM own) + (SELECT count(*) FROM shared WHERE claimed_by IS NULL)
UNION ALL SELECT 'overdue', (SELECT count(*) FROM own WHERE due_at < :now)
  + (SELECT count(*) FROM shared WHERE claimed_by IS NULL AND due_at < :now)
"""
_LOADS = """
WITH wanted AS (SELECT value AS person FROM json_each(?))
SELECT person, count(*) FROM (
  SELECT person FROM wanted JOIN open ON claimed_by = person
  UNION ALL SELECT person FROM wanted JOIN open ON assignee_id = person
  WHERE assignee_type = 'USER' AND claimed_by IS NULL
  UNION ALL SELECT person FROM wanted JOIN pledge p USING (person) WHERE task_id IS NOT ?
  AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.task_id = p.task_id AND a.attempt = p.attempt))
GROUP BY person
"""
_KEPT = (
    "DELETE FROM pledge WHERE task_id = ? OR EXISTS "
    "(SELECT 1 FROM attempt a WHERE a.task_id = pledge.task_id AND a.attempt = pledge.attempt)"
)
_WORKED = (
    "SELECT ended_at, task_id FROM worked WHERE person = ? AND (ended_at, task_id) < (?, ?) "
    "ORDER BY ended_at DESC, task_id DESC LIMIT ?"
)
_HAS_WORKED = "SELECT 1 FROM worked WHERE task_id = ? AND person = ?"
_DUE = (
    "SELECT wake_at, task_id FROM open WHERE wake_at <= ? AND (wake_at, task_id) > (?, ?) "
    "ORDER BY wake_at, task_id LIMIT ?"
)
_TIMES = (
    "SELECT task_id, definition, group_id, opened_at, claimed_at, due_at, ended_at FROM worked "
    "WHERE ended_at >= ? AND (ended_at, task_id) > (?, ?) AND opened_at IS NOT NULL ORDER BY ended_at, task_id LIMIT ?"
)
_WORKLOADS = f"""
SELECT definition, CASE assignee_type WHEN 'GROUP' THEN assignee_id END AS group_id, count(*),
  sum(assignee_type IS 'GROUP' AND claimed_by IS NULL), coalesce(sum(due_at < ?), 0), min(at)
FROM open JOIN lane ON lane.id = lane_id WHERE place = {int(PlaceKind.ASSIGNED)}
GROUP BY definition, group_id ORDER BY definition, group_id
"""
_BUSIEST = f"""
SELECT coalesce(claimed_by, assignee_id) AS person, count(*) AS open, coalesce(sum(due_at < ?), 0) FROM open
WHERE place = {int(PlaceKind.ASSIGNED)} AND (claimed_by IS NOT NULL OR assignee_type = 'USER')
GROUP BY person ORDER BY open DESC, person LIMIT ?
"""
_ROTA = "INSERT INTO rota (key, turn) VALUES (?, 0) ON CONFLICT (key) DO UPDATE SET turn = turn + 1 RETURNING turn"
_MEMBERS = "SELECT spec FROM membership JOIN person ON id = person_id WHERE group_id = ? ORDER BY id"
_HIDDEN = " OR ".join(f"instr(CAST(spec AS TEXT), '{mark}')" for mark in MARKS)
_SHOWN: Final = f"t.kind_id NOT IN (SELECT id FROM kind WHERE {_HIDDEN})"
_END: Final = InboxRow((1 << 63) - 1, (1 << 63) - 1)


class People(Base):
    """The facet of the same name."""

    async def inbox(self, wanted: InboxFilter, limit: int, after: InboxRow | None) -> list[InboxRow]:
        """See the contract."""
        query, values = _inbox(wanted, limit, after)
        return [InboxRow(*row) for row in await self.db.read(lambda c: c.execute(query, values).fetchall())]

    async def inbox_counts(self, person: str, groups: Sequence[str], now: int) -> dict[str, int]:
        """See the contract."""
        values = {"person": person, "groups": as_array(groups), "names": as_array(names_of(person, groups)), "now": now}
        return dict(await self.db.read(lambda c: c.execute(_COUNTS, values).fetchall()))

    async def worked(self, person: str, limit: int, after: InboxRow | None) -> list[InboxRow]:
        """See the contract."""
        values = (person, *(after or _END), limit)
        return [InboxRow(*row) for row in await self.db.read(lambda c: c.execute(_WORKED, values).fetchall())]

    async def has_worked(self, person: str, task_id: int) -> bool:
        """See the contract."""
        return bool(await self.db.read(lambda c: c.execute(_HAS_WORKED, (task_id, person)).fetchone()))

    async def loads(self, persons: Sequence[str]) -> dict[str, int]:
        """See the contract."""
        return await self.db.read(loads_of, persons)

    async def give(self, task_id: int, attempt: int, persons: Sequence[str], choose: Choose) -> None:
        """See the contract."""
        await self.db.write(_give, task_id, attempt, persons, choose)

    async def due_open(self, until: int, limit: int, after: InboxRow) -> list[InboxRow]:
        """See the contract."""
        values = (until, *after, limit)
        return [InboxRow(*row) for row in await self.db.read(lambda c: c.execute(_DUE, values).fetchall())]

    async def work_times(self, since: int, limit: int, after: WorkTime | None) -> list[WorkTime]:
        """See the contract."""
        position = (-1, -1) if after is None else (after.ended_at, after.task_id)
        values = (since, *position, limit)
        return [WorkTime(*row) for row in await self.db.read(lambda c: c.execute(_TIMES, values).fetchall())]

    async def workloads(self, now: int) -> list[Workload]:
        """See the contract."""
        return [Workload(*row) for row in await self.db.read(lambda c: c.execute(_WORKLOADS, (now,)).fetchall())]

    async def busiest(self, now: int, limit: int) -> list[Load]:
        """See the contract."""
        return [Load(*row) for row in await self.db.read(lambda c: c.execute(_BUSIEST, (now, limit)).fetchall())]

    async def rota(self, key: str) -> int:
        """See the contract."""
        return await self.db.write(lambda c: int(c.execute(_ROTA, (key,)).fetchone()[0]))

    async def save_person(self, person: Person) -> None:
        """See the contract."""
        await self.db.write(_save, person)

    async def person(self, person_id: str) -> Person | None:
        """See the contract."""
        found = await self.db.read(_persons, "SELECT spec FROM person WHERE id = ?", (person_id,))
        return found[0] if found else None

    async def persons(self, limit: int, after: str) -> list[Person]:
        """See the contract."""
        query = "SELECT spec FROM person WHERE id > ? ORDER BY id LIMIT ?"
        return await self.db.read(_persons, query, (after, limit))

    async def remove_person(self, person_id: str) -> bool:
        """See the contract."""
        return await self.db.write(_forget, person_id)

    async def members(self, group: str) -> list[Person]:
        """See the contract."""
        return await self.db.read(_persons, _MEMBERS, (group,))


def loads_of(connection: Connection, persons: Sequence[str], but: int | None = None) -> dict[str, int]:
    """How many tasks each has, without that one."""
    return dict(connection.execute(_LOADS, (as_array(persons), but)).fetchall())


def _give(connection: Connection, task_id: int, attempt: int, persons: Sequence[str], choose: Choose) -> None:
    chosen = choose(loads_of(connection, persons, task_id))
    connection.execute(_KEPT, (task_id,))
    if chosen is not None:
        connection.execute("INSERT INTO pledge (task_id, attempt, person) VALUES (?, ?, ?)", (task_id, attempt, chosen))


def _inbox(wanted: InboxFilter, limit: int, after: InboxRow | None) -> tuple[str, dict[str, Any]]:
    """The query, and the values of its parameters."""
    key = _KEYS[wanted.sort]
    names = as_array(names_of(wanted.person, wanted.groups))
    values: dict[str, Any] = {"person": wanted.person, "names": names, "limit": limit}
    values |= {f"group{number}": name for number, name in enumerate(wanted.groups)}
    conditions = []
    if after is not None:
        conditions.append(f"({key}, task_id) > (:key, :after)")
        values |= {"key": after.key, "after": after.task_id}
    if wanted.due_before is not None:
        conditions.append("due_at < :due_before")
        values["due_before"] = wanted.due_before
    if wanted.due_after is not None:
        conditions.append("due_at >= :due_after")
        values["due_after"] = wanted.due_after
    if wanted.urgencies is not None:
        conditions.append("coalesce(urgency, 2) IN (SELECT value FROM json_each(:urgencies))")
        values["urgencies"] = as_array(wanted.urgencies)
    if wanted.group is not None:
        conditions.append("assignee_type = 'GROUP' AND assignee_id = :of_group")
        values["of_group"] = wanted.group
    about = _about(wanted, values)
    if about:
        conditions.append(f"EXISTS (SELECT 1 FROM task t WHERE t.id = task_id AND {' AND '.join(about)})")
    more = "".join(f" AND {condition}" for condition in conditions)
    alone, shared = _VIEWS[wanted.view]
    sources = [*alone, *(source.format(number) for source in shared for number in range(len(wanted.groups)))]
    pages = [
        f"SELECT * FROM (SELECT {key} AS key, task_id FROM open WHERE {source}{more} "
        f"ORDER BY {key}, task_id LIMIT :limit)"
        for source in sources
    ] or ["SELECT 0 AS key, 0 AS task_id WHERE 0"]
    return f"{' UNION ALL '.join(pages)} ORDER BY key, task_id LIMIT :limit", values


def _about(wanted: InboxFilter, values: dict[str, Any]) -> list[str]:
    """The conditions on the task's body."""
    about = []
    if wanted.kind_ids is not None:
        about.append("t.kind_id IN (SELECT value FROM json_each(:kinds))")
        values["kinds"] = as_array(wanted.kind_ids)
    if wanted.workflow_id is not None:
        about.append("t.workflow_id = :workflow")
        values["workflow"] = wanted.workflow_id
    if wanted.text is not None:
        titled = "t.kind_id IN (SELECT value FROM json_each(:titled))"
        about.append(f"({titled} OR {_SHOWN} AND instr(folded(t.input), :text))")
        values |= {"titled": as_array(wanted.text_kind_ids), "text": wanted.folded}
    for number, (path, text) in enumerate(wanted.fields):
        about.append(f"{_SHOWN} AND has_field(t.input, :path{number}, :field{number})")
        values |= {f"path{number}": as_array(ways(path)), f"field{number}": f"[{','.join(meant(text))}]"}
    return about


def _save(connection: Connection, person: Person) -> None:
    _remove(connection, person.id)
    connection.execute("INSERT INTO person (id, spec) VALUES (?, ?)", (person.id, msgspec.json.encode(person)))
    connection.executemany(
        "INSERT INTO membership (group_id, person_id) VALUES (?, ?)",
        [(group, person.id) for group in set(person.groups)],
    )


def _forget(connection: Connection, person_id: str) -> bool:
    connection.execute("DELETE FROM login WHERE person = ?", (person_id,))
    return _remove(connection, person_id)


def _remove(connection: Connection, person_id: str) -> bool:
    connection.execute("DELETE FROM membership WHERE person_id = ?", (person_id,))
    return connection.execute("DELETE FROM person WHERE id = ?", (person_id,)).rowcount > 0


def _persons(connection: Connection, query: str, values: Sequence[Any]) -> list[Person]:
    return [msgspec.json.decode(row[0], type=Person) for row in connection.execute(query, values)]
