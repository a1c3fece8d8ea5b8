"""What a filter means in SQL: conditions on a task `t`, and groups of queries that could lead to the tasks.

Only literals of this module become SQL; what the caller gave is bound.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from taskyard.contracts.records import Filter
from taskyard.domain.ids import floor_id
from taskyard.domain.lifecycle import State
from taskyard.store.postgres.statements import fill

ID_BITS: Final = 63
_ID_DIGITS: Final = 19
_LAST_CHARACTER: Final = "\U0010ffff"

HELD: Final = "WITH held AS MATERIALIZED (SELECT task_id, claimed_at FROM taskyard.running)"
"""The running tasks, looked up once a query."""

_STARTED_BEFORE = (
    "SELECT s.task_id, s.started_at AS at FROM taskyard.attempt s WHERE s.started_at IS NOT NULL AND NOT EXISTS "
    "(SELECT FROM taskyard.attempt l WHERE l.task_id = s.task_id AND l.started_at > s.started_at OFFSET 0) "
    "AND s.task_id NOT IN (SELECT task_id FROM held)"
)
STARTS: Final = (_STARTED_BEFORE, "SELECT s.task_id, s.claimed_at AS at FROM held s WHERE true")
"""Each started task with the time of its latest start: those that do not run, and those that do."""

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

_COLUMNS: Final = {
    "workflow_id": "text",
    "correlation_id": "text",
    "cause_type": "text",
    "cause": "text",
    "parent_id": "bigint",
    "hash": "bytea",
}
_INDEXED: Final = _COLUMNS.keys() - {"cause"}


class Source(NamedTuple):
    """The tasks that a query gives as `task_id`; the query ends in a condition."""

    query: str

    def lead(self, where: str, limit: int) -> str:
        """The newest of them that fit."""
        return (
            f"SELECT t.id FROM ({self.query}) s JOIN taskyard.task t ON t.id = s.task_id "  # noqa: S608
            f"WHERE {where} ORDER BY t.id DESC LIMIT {limit}"
        )

    def condition(self) -> str:
        """Whether the task `t` is one of them. OFFSET 0 has it looked up by its id, not all of them gathered."""
        return f"EXISTS ({self.query} AND task_id = t.id OFFSET 0)"


class Match(NamedTuple):
    """The tasks that fit one of the rows; `fits` as a condition on `t` and a row, `fits_any` on `t` alone."""

    rows: str
    fits: str
    fits_any: str

    def lead(self, where: str, limit: int) -> str:
        """The newest of them that fit, from the newest of each row."""
        return (
            f"SELECT x.id FROM {self.rows} CROSS JOIN LATERAL (SELECT t.id FROM taskyard.task t "  # noqa: S608
            f"WHERE {self.fits} AND {where} ORDER BY t.id DESC LIMIT {limit}) x"
        )

    def condition(self) -> str:
        """Whether the task `t` is one of them."""
        return self.fits_any


Group = list[Source | Match]
"""Alternatives: a task fits when it fits one."""

EVERY: Final = Match("(SELECT) AS every", "true", "true")


class Search:
    """A filter: its conditions, its groups (the narrowest first), and whether a column of the task's own leads."""

    def __init__(self, wanted: Filter) -> None:
        self.parameters: list[Any] = []
        self.conditions: list[str] = ["true"]
        self.groups: list[Group] = []
        self.indexed = any(getattr(wanted, column) is not None for column in _INDEXED)
        self._add_columns(wanted)
        self._add_lists(wanted)
        self._add_status(wanted)
        self._add_texts(wanted)
        self._add_kinds(wanted)
        self._add_starts(wanted)

    def bind(self, value: Any, type_: str) -> str:
        """A parameter."""
        self.parameters.append(value)
        return f"${len(self.parameters)}::{type_}"

    def add(self, condition: str, value: Any, type_: str) -> None:
        """A condition with the value in its braces."""
        self.conditions.append(condition.format(self.bind(value, type_)))

    def window(self, column: str, low: int | None, high: int | None) -> list[str]:
        """That a column lies from `low` on and before `high`."""
        bounds = ((">=", low), ("<", high))
        return [f"{column} {sign} {self.bind(bound, 'bigint')}" for sign, bound in bounds if bound is not None]

    def _add_columns(self, wanted: Filter) -> None:
        for column, type_ in _COLUMNS.items():
            value = getattr(wanted, column)
            if value is not None:
                self.add(f"t.{column} = {{}}", value, type_)
        bounds = (wanted.created_after, wanted.created_before)
        self.conditions += self.window("t.id", *(None if bound is None else floor_id(bound) for bound in bounds))

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
        states: Group = [Source(fill(query)) for state in sorted(wanted.status) for query in _PLACES[state]]
        if not states:
            self.conditions.append("false")
        elif State.COMPLETED in wanted.status:
            self.conditions.append(fits(states))
        else:
            self.groups.append(states)

    def _add_texts(self, wanted: Filter) -> None:
        """The beginning of an id, of a title (as kinds), of a correlation id: any of them."""
        matches: Group = []
        if wanted.id_prefix is not None:
            lows, highs = zip(*_id_ranges(wanted.id_prefix), strict=True)
            rows = f"unnest({self.bind(lows, 'bigint[]')}, {self.bind(highs, 'bigint[]')}) AS r (low, high)"
            within = "t.id >= r.low AND t.id < r.high"
            matches.append(Match(rows, within, f"EXISTS (SELECT FROM {rows} WHERE {within})"))
        if wanted.title_kind_ids:
            matches.append(self._of_kinds(wanted.title_kind_ids))
        if (prefix := wanted.correlation_prefix) is not None:
            low, high = self.bind(prefix, "text"), self.bind(prefix + _LAST_CHARACTER, "text")
            within = f"t.correlation_id >= {low} AND t.correlation_id < {high}"
            matches.append(EVERY._replace(fits=within, fits_any=within))
        if matches:
            self.groups.append(matches)

    def _add_kinds(self, wanted: Filter) -> None:
        if wanted.kind_ids is not None:
            self.groups.append([self._of_kinds(wanted.kind_ids)])
        if wanted.task_types is not None:
            types = self.bind([type_.value for type_ in wanted.task_types], "text[]")
            kinds = f"SELECT id FROM taskyard.kind WHERE task_type = ANY ({types})"  # noqa: S608
            self.groups.append([Match(f"({kinds}) AS k", "t.kind_id = k.id", f"t.kind_id IN ({kinds})")])

    def _of_kinds(self, ids: Iterable[int]) -> Match:
        kinds = self.bind(list(ids), "int[]")
        return Match(f"unnest({kinds}) AS k (id)", "t.kind_id = k.id", f"t.kind_id = ANY ({kinds})")

    def _add_starts(self, wanted: Filter) -> None:
        window = " AND ".join(self.window("at", wanted.started_after, wanted.started_before))
        if window:
            self.groups.append([Source(f"SELECT task_id FROM ({q}) s WHERE {window}") for q in STARTS])  # noqa: S608


def fits(group: Group) -> str:
    """Whether the task `t` fits one of the alternatives."""
    return "(" + " OR ".join(one.condition() for one in group) + ")"


def _id_ranges(prefix: str) -> list[tuple[int, int]]:
    """The ranges of ids whose decimal text begins so; one that is empty where there can be none."""
    if not (prefix.isascii() and prefix.isdecimal()) or prefix[0] == "0":
        return [(0, 0)]
    number, top = int(prefix), (1 << ID_BITS) - 1
    scales = [10**zeros for zeros in range(_ID_DIGITS - len(prefix) + 1)]
    return [(number * s, min((number + 1) * s, top)) for s in scales if number * s <= top] or [(0, 0)]
