"""Lists: the narrowest thing that is asked for leads, so that a few are found among millions without walking them.

A filter becomes one or several searches, each along an index that has its tasks in order and each no longer than the
page; the page is the first of them all. Only literals of this module become SQL; what the caller gave is bound.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from taskyard.contracts.records import Filter, Page
from taskyard.domain.ids import floor_id
from taskyard.domain.lifecycle import State
from taskyard.store.postgres.statements import fill

_ID_BITS: Final = 63
_ID_DIGITS: Final = 19
_LAST_CHARACTER: Final = "\U0010ffff"
_NARROW: Final = ("workflow_id", "correlation_id", "cause_type", "parent_id", "hash")
_COLUMNS: Final = {
    "workflow_id": "text",
    "correlation_id": "text",
    "cause_type": "text",
    "cause": "text",
    "parent_id": "bigint",
    "hash": "bytea",
}

# The running tasks, looked up once a query.
_HELD = "WITH held AS MATERIALIZED (SELECT task_id, claimed_at FROM taskyard.running)"
_STARTED = (
    "coalesce((SELECT claimed_at FROM held WHERE task_id = t.id), "
    "(SELECT max(started_at) FROM taskyard.attempt WHERE task_id = t.id))"
)


class Source(NamedTuple):
    """The tasks that a query gives as `task_id`; the query ends in a condition."""

    query: str
    few: bool = False

    def lead(self, where: str, limit: int) -> str:
        """The newest of them that fit."""
        return (
            f"SELECT t.id FROM ({self.query}) s JOIN taskyard.task t ON t.id = s.task_id "  # noqa: S608
            f"WHERE {where} ORDER BY t.id DESC LIMIT {limit}"
        )

    def condition(self) -> str:
        """Whether the task `t` is one of them. OFFSET 0 has it looked up by its id, not all of them gathered."""
        return f"t.id IN ({self.query})" if self.few else f"EXISTS ({self.query} AND task_id = t.id OFFSET 0)"


class Match(NamedTuple):
    """The tasks that fit one of these rows."""

    rows: str
    fits: str

    def lead(self, where: str, limit: int) -> str:
        """The newest of them that fit, from the newest of each row."""
        return (
            f"SELECT x.id FROM {self.rows} CROSS JOIN LATERAL (SELECT t.id FROM taskyard.task t "  # noqa: S608
            f"WHERE {self.fits} AND {where} ORDER BY t.id DESC LIMIT {limit}) x"
        )

    def condition(self) -> str:
        """Whether the task `t` is one of them."""
        return f"EXISTS (SELECT FROM {self.rows} WHERE {self.fits})"


_ALL: Final = Match("(SELECT) AS every", "true")

_Group = list[Source | Match]

_PLACES: Final[dict[State, tuple[str, ...]]] = {
    State.PENDING: (
        "SELECT task_id FROM taskyard.ready WHERE true",
        "SELECT task_id FROM taskyard.sched WHERE NOT retry",
        "SELECT task_id FROM taskyard.parked WHERE true",
    ),
    State.RETRYING: ("SELECT task_id FROM taskyard.sched WHERE retry",),
    State.RUNNING: ("SELECT task_id FROM held WHERE true",),
    State.ASSIGNED: ("SELECT task_id FROM taskyard.open WHERE place = @place_assigned",),
    State.WAITING: ("SELECT task_id FROM taskyard.open WHERE place = @place_waiting",),
    State.FAILED: ("SELECT task_id FROM taskyard.dead WHERE true",),
    State.CANCELED: ("SELECT task_id FROM taskyard.attempt WHERE outcome = @outcome_canceled",),
    State.COMPLETED: ("SELECT task_id FROM taskyard.attempt WHERE outcome IN (@outcome_completed, @outcome_fallback)",),
}


def by_creation(wanted: Filter, limit: int, after: int | None) -> tuple[str, list[Any]]:
    """The query for the newest `limit` ids below `after`, and its parameters."""
    search = _Search(wanted)
    if after is not None:
        search.add("t.id < {}", after, "bigint")
    leading = search.lead()
    where = " AND ".join(search.conditions)
    searches = " UNION ALL ".join(f"({one.lead(where, limit)})" for one in leading)
    page = f"SELECT id FROM ({searches}) u GROUP BY id ORDER BY id DESC LIMIT {limit}"  # noqa: S608
    return f"{_HELD} {page}", search.parameters


def by_start(wanted: Filter, limit: int, after: int | None) -> tuple[str, list[Any]]:
    """The query for the ids and starts of the `limit` tasks that started last before `after`, and its parameters."""
    search = _Search(wanted)
    search.conditions += [f"s.at = {_STARTED}", *map(_any, search.groups)]
    if after is not None:
        at = search.bind(after >> _ID_BITS, "bigint")
        id_ = search.bind(after & ((1 << _ID_BITS) - 1), "bigint")
        search.conditions.append(f"s.at <= {at} AND (s.at, s.task_id) < ({at}, {id_})")
    where = " AND ".join(search.conditions)
    started = (
        "SELECT task_id, started_at AS at FROM taskyard.attempt WHERE started_at IS NOT NULL",
        "SELECT task_id, claimed_at AS at FROM held",
    )
    searches = " UNION ".join(
        f"(SELECT t.id, s.at FROM ({source}) s JOIN taskyard.task t ON t.id = s.task_id "  # noqa: S608
        f"WHERE {where} ORDER BY s.at DESC, s.task_id DESC LIMIT {limit})"
        for source in started
    )
    page = f"SELECT id, at FROM ({searches}) u ORDER BY at DESC, id DESC LIMIT {limit}"  # noqa: S608
    return f"{_HELD} {page}", search.parameters


def page_by_start(found: list[tuple[int, int]], limit: int) -> Page:
    """The page of (id, start) pairs, of which there is one more than `limit` where there is a next page."""
    ids = [id_ for id_, _ in found[:limit]]
    if len(found) <= limit:
        return Page(ids, None)
    last, at = found[limit - 1]
    return Page(ids, at << _ID_BITS | last)


class _Search:
    """A filter: conditions on a task `t`, and groups of alternatives that could lead, the narrowest first."""

    def __init__(self, wanted: Filter) -> None:
        self.parameters: list[Any] = []
        self.conditions: list[str] = ["true"]
        self.groups: list[_Group] = []
        self._narrow = any(getattr(wanted, column) is not None for column in _NARROW)
        self._add_columns(wanted)
        self._add_lists(wanted)
        self._add_status(wanted)
        self._add_search(wanted)
        self._add_kinds(wanted)

    def bind(self, value: Any, type_: str) -> str:
        """A parameter."""
        self.parameters.append(value)
        return f"${len(self.parameters)}::{type_}"

    def add(self, condition: str, value: Any, type_: str) -> None:
        """A condition with the value in its braces."""
        self.conditions.append(condition.format(self.bind(value, type_)))

    def lead(self) -> _Group:
        """The alternatives that lead: an index of the task's own, else the first group; the others are conditions."""
        leading: _Group = self.groups.pop(0) if self.groups and not self._narrow else [_ALL]
        self.conditions += map(_any, self.groups)
        return leading

    def _add_columns(self, wanted: Filter) -> None:
        for column, type_ in _COLUMNS.items():
            value = getattr(wanted, column)
            if value is not None:
                self.add(f"t.{column} = {{}}", value, type_)
        for condition, moment in (("t.id >= {}", wanted.created_after), ("t.id < {}", wanted.created_before)):
            if moment is not None:
                self.add(condition, floor_id(moment), "bigint")
        for condition, moment in ((">= {}", wanted.started_after), ("< {}", wanted.started_before)):
            if moment is not None:
                self.add(f"{_STARTED} {condition}", moment, "bigint")

    def _add_lists(self, wanted: Filter) -> None:
        if wanted.tag is not None:
            tag = self.bind(wanted.tag, "text")
            self.groups.append([Source(f"SELECT task_id FROM taskyard.tag WHERE tag = {tag}")])  # noqa: S608
        if wanted.assignee is not None:
            person = self.bind(wanted.assignee, "text")
            assigned = f"SELECT task_id FROM taskyard.open WHERE assignee_id = {person}"  # noqa: S608
            claimed = f"SELECT task_id FROM taskyard.open WHERE claimed_by = {person}"  # noqa: S608
            self.groups.append([Source(assigned), Source(claimed)])

    def _add_status(self, wanted: Filter) -> None:
        """Nearly everything is COMPLETED: that is a condition, and any other state a place to start from."""
        if wanted.status is None:
            return
        states: _Group = [
            Source(fill(query), few=state is State.RUNNING)
            for state in sorted(wanted.status)
            for query in _PLACES[state]
        ]
        if not states:
            self.conditions.append("false")
        elif State.COMPLETED in wanted.status:
            self.conditions.append(_any(states))
        else:
            self.groups.append(states)

    def _add_search(self, wanted: Filter) -> None:
        """The beginning of an id, of a title (as kinds), of a correlation id: any of them."""
        matches: _Group = []
        if wanted.id_prefix is not None:
            lows, highs = zip(*_id_ranges(wanted.id_prefix), strict=True)
            rows = f"unnest({self.bind(lows, 'bigint[]')}, {self.bind(highs, 'bigint[]')}) AS r (low, high)"
            matches.append(Match(rows, "t.id >= r.low AND t.id < r.high"))
        if wanted.title_kind_ids:
            matches.append(self._of_kinds(wanted.title_kind_ids))
        if (prefix := wanted.correlation_prefix) is not None:
            low, high = self.bind(prefix, "text"), self.bind(prefix + _LAST_CHARACTER, "text")
            fits = "t.correlation_id >= r.low AND t.correlation_id < r.high"
            matches.append(Match(f"(SELECT {low} AS low, {high} AS high) AS r", fits))
        if matches:
            self.groups.append(matches)

    def _add_kinds(self, wanted: Filter) -> None:
        if wanted.kind_ids is not None:
            self.groups.append([self._of_kinds(wanted.kind_ids)])
        if wanted.task_types is not None:
            types = self.bind([type_.value for type_ in wanted.task_types], "text[]")
            rows = f"(SELECT id FROM taskyard.kind WHERE task_type = ANY ({types})) AS k"  # noqa: S608
            self.groups.append([Match(rows, "t.kind_id = k.id")])

    def _of_kinds(self, ids: Iterable[int]) -> Match:
        return Match(f"unnest({self.bind(list(ids), 'int[]')}) AS k (id)", "t.kind_id = k.id")


def _any(group: _Group) -> str:
    return "(" + " OR ".join(one.condition() for one in group) + ")"


def _id_ranges(prefix: str) -> list[tuple[int, int]]:
    """The ranges of ids whose decimal text begins so; one that is empty where there can be none."""
    if not (prefix.isascii() and prefix.isdecimal()) or prefix[0] == "0":
        return [(0, 0)]
    number, top = int(prefix), (1 << _ID_BITS) - 1
    scales = [10**zeros for zeros in range(_ID_DIGITS - len(prefix) + 1)]
    return [(number * s, min((number + 1) * s, top)) for s in scales if number * s <= top] or [(0, 0)]
