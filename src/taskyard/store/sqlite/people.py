"""Who does manual tasks, and what they have to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from taskyard.contracts.people import Load, Workload, WorkTime
from taskyard.contracts.records import InboxFilter, InboxRow
from taskyard.domain.facts import PlaceKind
from taskyard.domain.people.assignment import Person
from taskyard.store.sqlite.base import Base, Connection, as_array

_KEYS: Final = {
    "due": "coalesce(due_at, 9223372036854775807)",
    "priority": "(-coalesce(urgency, 2))",
    "age": "task_id",
}
_OWN = "assignee_type = 'USER' AND assignee_id = :person AND claimed_by IS NULL"
_CLAIMED = "claimed_by = :person"
_FREE = "assignee_type = 'GROUP' AND assignee_id = :group{} AND claimed_by IS NULL"
_TAKEN = "assignee_type = 'GROUP' AND assignee_id = :group{} AND claimed_by IS NOT NULL"
_VIEWS: Final = {
    "open": ((_OWN, _CLAIMED), (_FREE,)),
    "mine": ((_OWN, _CLAIMED), ()),
    "claimed": ((_CLAIMED,), ()),
    "groups": ((), (_FREE, _TAKEN)),
    "unclaimed": ((), (_FREE,)),
}
# As PostgreSQL's `#>>` tells it.
_FIELD = (
    "CASE json_type(CAST(t.input AS TEXT), :path{0}) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
    "ELSE CAST(json_extract(CAST(t.input AS TEXT), :path{0}) AS TEXT) END = :field{0}"
)
_COUNTS = f"""
WITH own AS (
  SELECT due_at, claimed_by FROM open WHERE {_CLAIMED} UNION ALL SELECT due_at, claimed_by FROM open WHERE {_OWN}
),
shared AS (
  SELECT due_at, claimed_by FROM open
  WHERE assignee_type = 'GROUP' AND assignee_id IN (SELECT value FROM json_each(:groups))
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
  WHERE assignee_type = 'USER' AND claimed_by IS NULL)
GROUP BY person
"""
_WORKED = (
    "SELECT ended_at, task_id FROM worked WHERE person = ? AND (ended_at, task_id) < (?, ?) "
    "ORDER BY ended_at DESC, task_id DESC LIMIT ?"
)
_DUE = (
    "SELECT wake_at, task_id FROM open WHERE wake_at <= ? AND (wake_at, task_id) > (?, ?) "
    "ORDER BY wake_at, task_id LIMIT ?"
)
_TIMES = (
    "SELECT definition, group_id, opened_at, claimed_at, due_at, ended_at FROM worked "
    "WHERE ended_at >= ? AND opened_at IS NOT NULL ORDER BY ended_at DESC LIMIT 10000"
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
_END: Final = InboxRow((1 << 63) - 1, (1 << 63) - 1)


class People(Base):
    """The facet of the same name."""

    async def inbox(self, wanted: InboxFilter, limit: int, after: InboxRow | None) -> list[InboxRow]:
        """See the contract."""
        query, values = _inbox(wanted, limit, after)
        return [InboxRow(*row) for row in await self.db.read(lambda c: c.execute(query, values).fetchall())]

    async def inbox_counts(self, person: str, groups: Sequence[str], now: int) -> dict[str, int]:
        """See the contract."""
        values = {"person": person, "groups": as_array(groups), "now": now}
        return dict(await self.db.read(lambda c: c.execute(_COUNTS, values).fetchall()))

    async def worked(self, person: str, limit: int, after: InboxRow | None) -> list[InboxRow]:
        """See the contract."""
        values = (person, *(after or _END), limit)
        return [InboxRow(*row) for row in await self.db.read(lambda c: c.execute(_WORKED, values).fetchall())]

    async def loads(self, persons: Sequence[str]) -> dict[str, int]:
        """See the contract."""
        return dict(await self.db.read(lambda c: c.execute(_LOADS, (as_array(persons),)).fetchall()))

    async def due_open(self, until: int, limit: int, after: InboxRow) -> list[InboxRow]:
        """See the contract."""
        values = (until, *after, limit)
        return [InboxRow(*row) for row in await self.db.read(lambda c: c.execute(_DUE, values).fetchall())]

    async def work_times(self, since: int) -> list[WorkTime]:
        """See the contract."""
        return [WorkTime(*row) for row in await self.db.read(lambda c: c.execute(_TIMES, (since,)).fetchall())]

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
        return await self.db.write(_remove, person_id)

    async def members(self, group: str) -> list[Person]:
        """See the contract."""
        return await self.db.read(_persons, _MEMBERS, (group,))


def _inbox(wanted: InboxFilter, limit: int, after: InboxRow | None) -> tuple[str, dict[str, Any]]:
    """The query, and the values of its parameters."""
    key = _KEYS[wanted.sort]
    values: dict[str, Any] = {"person": wanted.person, "limit": limit}
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
        about.append(f"({titled} OR instr(lower(CAST(t.input AS TEXT)), :text))")
        values |= {"titled": as_array(wanted.text_kind_ids), "text": wanted.text.lower()}
    for number, (path, text) in enumerate(wanted.fields):
        about.append(_FIELD.format(number))
        values |= {f"path{number}": "$" + "".join(f'."{step}"' for step in path), f"field{number}": text}
    return about


def _save(connection: Connection, person: Person) -> None:
    _remove(connection, person.id)
    connection.execute("INSERT INTO person (id, spec) VALUES (?, ?)", (person.id, msgspec.json.encode(person)))
    connection.executemany(
        "INSERT INTO membership (group_id, person_id) VALUES (?, ?)",
        [(group, person.id) for group in set(person.groups)],
    )


def _remove(connection: Connection, person_id: str) -> bool:
    connection.execute("DELETE FROM membership WHERE person_id = ?", (person_id,))
    return connection.execute("DELETE FROM person WHERE id = ?", (person_id,)).rowcount > 0


def _persons(connection: Connection, query: str, values: Sequence[Any]) -> list[Person]:
    return [msgspec.json.decode(row[0], type=Person) for row in connection.execute(query, values)]
