"""Lists: the place a state lives in leads, so that a rare state is found without walking the others."""

from __future__ import annotations

from typing import Any

from taskyard.contracts.records import Filter, Page
from taskyard.domain.ids import floor_id
from taskyard.domain.lifecycle import Outcome, State
from taskyard.domain.queue import TaskType
from taskyard.store.sqlite.base import Connection, as_array

_ID_BITS = 63

_IN_NO_PLACE = " AND ".join(
    f"NOT EXISTS (SELECT 1 FROM {table} p WHERE p.task_id = t.id)"
    for table in ("ready", "sched", "parked", "claim", "open")
)
_LAST_OUTCOME = "(SELECT outcome FROM attempt a WHERE a.task_id = t.id ORDER BY attempt DESC LIMIT 1)"

_STATE_IDS: dict[State, str] = {
    State.PENDING: "t.id IN (SELECT task_id FROM ready UNION ALL SELECT task_id FROM parked "
    "UNION ALL SELECT task_id FROM sched WHERE retry = 0)",
    State.RETRYING: "t.id IN (SELECT task_id FROM sched WHERE retry = 1)",
    State.RUNNING: "t.id IN (SELECT task_id FROM claim WHERE revoked = 0)",
    State.ASSIGNED: "t.id IN (SELECT task_id FROM open WHERE place = 6)",
    State.WAITING: "t.id IN (SELECT task_id FROM open WHERE place = 7)",
    State.FAILED: f"(t.id IN (SELECT task_id FROM dead) OR t.id IN (SELECT task_id FROM attempt WHERE outcome = "
    f"{int(Outcome.FAILED)}) AND {_LAST_OUTCOME} = {int(Outcome.FAILED)} AND {_IN_NO_PLACE})",
    State.CANCELED: f"t.id IN (SELECT task_id FROM attempt WHERE outcome = {int(Outcome.CANCELED)})",
    State.COMPLETED: "EXISTS (SELECT 1 FROM attempt a WHERE a.task_id = t.id AND a.outcome IN "
    f"({int(Outcome.COMPLETED)}, {int(Outcome.FALLBACK)}))",
}


def find(connection: Connection, wanted: Filter, limit: int, after: int | None) -> Page:
    """A page of ids, newest first."""
    where, parameters = _conditions(wanted)
    if after is not None:
        where.append("t.id < ?")
        parameters.append(after)
    query = f"SELECT t.id FROM task t WHERE {' AND '.join(where)} ORDER BY t.id DESC LIMIT ?"
    ids = [row[0] for row in connection.execute(query, (*parameters, limit + 1))]
    return _page(ids, limit)


def find_started(connection: Connection, wanted: Filter, limit: int, after: int | None) -> Page:
    """A page of ids by the start of their latest attempt; a position is that start and the id, in one number."""
    where, parameters = _conditions(wanted)
    if after is not None:
        where.append("(s.started, t.id) < (?, ?)")
        parameters += [after >> _ID_BITS, after & ((1 << _ID_BITS) - 1)]
    query = (
        "SELECT t.id, s.started FROM (SELECT task_id, max(started) AS started FROM ("
        "SELECT task_id, started_at AS started FROM attempt WHERE started_at IS NOT NULL "
        "UNION ALL SELECT task_id, claimed_at FROM claim WHERE revoked = 0) GROUP BY task_id) s "
        f"JOIN task t ON t.id = s.task_id WHERE {' AND '.join(where)} ORDER BY s.started DESC, t.id DESC LIMIT ?"
    )
    rows = connection.execute(query, (*parameters, limit + 1)).fetchall()
    ids = [row[0] for row in rows[:limit]]
    if len(rows) <= limit:
        return Page(ids, None)
    last, started = rows[limit - 1]
    return Page(ids, started << _ID_BITS | last)


def dead(connection: Connection, kind_ids: str | None, limit: int, after: int | None) -> Page:
    """A page of the ids in the dead letters, newest first; `kind_ids` as `json_each` reads them."""
    query = (
        "SELECT t.id FROM dead d JOIN task t ON t.id = d.task_id WHERE (?1 IS NULL OR t.id < ?1) "
        "AND (?2 IS NULL OR t.kind_id IN (SELECT value FROM json_each(?2))) ORDER BY t.id DESC LIMIT ?3"
    )
    ids = [row[0] for row in connection.execute(query, (after, kind_ids, limit + 1))]
    return _page(ids, limit)


def _page(ids: list[int], limit: int) -> Page:
    """The page of ids, of which there is one more than `limit` where there is a next page."""
    return Page(ids[:limit], ids[limit - 1] if len(ids) > limit else None)


def _conditions(wanted: Filter) -> tuple[list[str], list[Any]]:
    """Only literals of this file become SQL; what the caller gave is bound."""
    where, parameters = ["1"], list[Any]()

    def add(condition: str, *values: Any) -> None:
        where.append(condition)
        parameters.extend(values)

    if wanted.status is not None:
        add("(" + " OR ".join(_STATE_IDS[s] for s in sorted(wanted.status)) + ")" if wanted.status else "0")
    for column in ("workflow_id", "cause_type", "cause", "parent_id", "hash", "correlation_id"):
        value = getattr(wanted, column)
        if value is not None:
            add(f"t.{column} = ?", value)
    if wanted.kind_ids is not None:
        add("t.kind_id IN (SELECT value FROM json_each(?))", as_array(wanted.kind_ids))
    if wanted.task_types is not None:
        add(
            "t.kind_id IN (SELECT id FROM kind WHERE coalesce(CAST(spec AS TEXT) ->> 'taskType', ?) "
            "IN (SELECT value FROM json_each(?)))",
            TaskType.AUTOMATED,
            as_array(wanted.task_types),
        )
    if wanted.tag is not None:
        add("t.id IN (SELECT task_id FROM tag WHERE tag = ?)", wanted.tag)
    if wanted.assignee is not None:
        add("t.id IN (SELECT task_id FROM open WHERE assignee_id = ?1 OR claimed_by = ?1)".replace("?1", "?"),
            wanted.assignee, wanted.assignee)  # fmt: skip
    if wanted.created_after is not None:
        add("t.id >= ?", floor_id(wanted.created_after))
    if wanted.created_before is not None:
        add("t.id < ?", floor_id(wanted.created_before))
    _started(wanted, add)
    _search(wanted, add)
    return where, parameters


def _started(wanted: Filter, add: Any) -> None:
    low, high = wanted.started_after, wanted.started_before
    if low is None and high is None:
        return
    window = (low or 0, high if high is not None else 1 << 62)
    add(
        "t.id IN (SELECT task_id FROM attempt WHERE started_at >= ? AND started_at < ? "
        "UNION ALL SELECT task_id FROM claim WHERE claimed_at >= ? AND claimed_at < ?)",
        *window,
        *window,
    )


def _search(wanted: Filter, add: Any) -> None:
    """`q`: any of id prefix, title (as kinds) and correlation id prefix."""
    either: list[str] = []
    values: list[Any] = []
    if wanted.id_prefix is not None:
        either.append("CAST(t.id AS TEXT) GLOB ?")
        values.append(wanted.id_prefix + "*")
    if wanted.title_kind_ids:
        either.append("t.kind_id IN (SELECT value FROM json_each(?))")
        values.append(as_array(wanted.title_kind_ids))
    if wanted.correlation_prefix is not None:
        either.append("(t.correlation_id >= ? AND t.correlation_id < ?)")
        values += [wanted.correlation_prefix, wanted.correlation_prefix + "\U0010ffff"]
    if either:
        add("(" + " OR ".join(either) + ")", *values)
