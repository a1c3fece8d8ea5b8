"""What a filter means in SQL: conditions on a task `t`, and groups of queries that could lead to the tasks.

Only literals of this module become SQL; what the caller gave is bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from taskyard.contracts.records import Filter
from taskyard.domain.ids import floor_id, prefix_ranges
from taskyard.domain.lifecycle import Outcome, State
from taskyard.domain.queue import Queue
from taskyard.store.postgres.statements import fill

ID_BITS: Final = 63
_MANY: Final = 20
_LAST_CHARACTER: Final = "\U0010ffff"

HELD: Final = "held AS MATERIALIZED (SELECT task_id, claimed_at, attempt FROM taskyard.running)"
"""For a query's WITH: the running tasks, looked up once."""

_STARTED_BEFORE = (
    "SELECT s.task_id, s.started_at AS at FROM taskyard.attempt s WHERE s.started_at IS NOT NULL AND NOT EXISTS "
    "(SELECT FROM taskyard.attempt l WHERE l.task_id = s.task_id AND l.started_at > s.started_at OFFSET 0) "
    "AND s.task_id NOT IN (SELECT task_id FROM held)"
)
STARTS: Final = (_STARTED_BEFORE, "SELECT s.task_id, s.claimed_at AS at FROM held s WHERE true")
"""Each started task with the time of its latest start: those that do not run, and those that do."""

_UNFINISHED: Final = f"outcome <> {int(Outcome.COMPLETED)}"
"""The condition of a partial index, which has what did not complete at once."""
_ENDED: Final = "SELECT task_id FROM taskyard.attempt WHERE"
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
    State.COMPLETED: (f"{_ENDED} outcome IN (@outcome_completed, @outcome_fallback)",),
}

_TASKS: Final = "SELECT task_id FROM (SELECT id AS task_id, priority, extra FROM taskyard.task) s WHERE"
_WAITING: Final = ("ready WHERE true", "sched WHERE NOT retry", "parked WHERE true")
_FAMILY: Final = (
    "(WITH RECURSIVE family (task_id) AS (SELECT {root} UNION SELECT c.id FROM taskyard.task c JOIN family f "
    "ON c.parent_id = f.task_id) SELECT task_id FROM family LIMIT 10000)"
)
_COLUMNS: Final = {
    "workflow_id": "text",
    "correlation_id": "text",
    "cause_type": "text",
    "cause": "text",
    "parent_id": "bigint",
    "hash": "bytea",
}
NOWHERE: Final = (1 << ID_BITS) - 1
"""How far a walk comes that is in no order: there is no use in it where it does not come to its end."""

_CLOCKS_DIFFER_US: Final = 60_000_000


Window = Callable[[str], str]
"""The condition that a column with tasks' ids lies in some bounds."""


class Source(NamedTuple):
    """The tasks that a query gives as `task_id`; the query ends in a condition.

    `walk` is what has to be walked to find them in the order of their ids, where that is more than they are;
    None: an index has just them so.
    """

    query: str
    walk: str | None = None

    @property
    def exact(self) -> bool:
        """Whether as many have to be walked as are found."""
        return self.walk is None

    def lead(self, window: Window, where: str, limit: int) -> str:
        """The newest of them in the window that fit."""
        return (
            f"SELECT s.task_id AS id FROM ({self.query} AND {window('task_id')}) s CROSS JOIN LATERAL "
            f"(SELECT t.id FROM taskyard.task t WHERE t.id = s.task_id AND {where} OFFSET 0) t "
            f"ORDER BY s.task_id DESC LIMIT {limit}"
        )

    def low(self, window: Window, steps: int) -> str:
        """SQL for the id to which so many steps lead from the newest down; null where there are no more."""
        query = f"{self.walk or self.query} AND {window('task_id')}"
        return f"(SELECT task_id FROM ({query}) s ORDER BY task_id DESC OFFSET {steps} LIMIT 1)"

    def condition(self) -> str:
        """Whether the task `t` is one of them. OFFSET 0 has it looked up by its id, not all of them gathered."""
        return f"EXISTS ({self.query} AND task_id = t.id OFFSET 0)"


class Match(NamedTuple):
    """The tasks that fit one of the rows; `fits` as a condition on `t` and a row, `fits_any` on `t` alone.

    Not `ordered`: no index has a row's tasks in the order of their ids. `many`: there may be a lot of rows.
    """

    rows: str
    fits: str
    fits_any: str
    ordered: bool = True
    many: bool = False

    @property
    def exact(self) -> bool:
        """Whether as many have to be walked as are found."""
        return self.ordered and not self.many

    def lead(self, window: Window, where: str, limit: int) -> str:
        """The newest of them in the window that fit, from the newest of each row."""
        return (
            f"SELECT x.id FROM {self.rows} CROSS JOIN LATERAL (SELECT t.id FROM taskyard.task t "
            f"WHERE {self.fits} AND {window('t.id')} AND {where} ORDER BY t.id DESC LIMIT {limit}) x"
        )

    def low(self, window: Window, steps: int) -> str:
        """As for a source; each row gets its share of the walk."""
        query = f"SELECT t.id FROM taskyard.task t WHERE {self.fits} AND {window('t.id')}"
        if self.ordered:
            share = f"(SELECT greatest(1, {steps} / greatest(1, count(*))) FROM {self.rows})"
            last = f"{query} ORDER BY t.id DESC OFFSET {share} LIMIT 1"
            return f"(SELECT max(x.id) FROM {self.rows} CROSS JOIN LATERAL ({last}) x)"
        return f"(SELECT CASE WHEN count(*) > {steps} THEN {NOWHERE} END FROM ({query} LIMIT {steps + 1}) s)"

    def condition(self) -> str:
        """Whether the task `t` is one of them."""
        return self.fits_any


Group = list[Source | Match]
"""Alternatives: a task fits when it fits one."""

EVERY: Final = Match("(SELECT) AS every", "true", "true")


class Search:
    """A filter as groups that a task has to fit, the narrowest first, and a window of ids it has to lie in."""

    def __init__(self, wanted: Filter, after: int | None = None) -> None:
        self._given: list[tuple[Any, str]] = []
        self._bounds: list[str] = []
        self.groups: list[Group] = []
        self._add_window(wanted, after)
        self._add_columns(wanted)
        self._add_lists(wanted)
        self._add_status(wanted)
        self._add_texts(wanted)
        self._add_kinds(wanted)
        self._add_starts(wanted)
        self._add_attempts(wanted)
        self._add_queues(wanted)
        self._add_facts(wanted)

    @property
    def parameters(self) -> list[Any]:
        """What the caller gave, for any query that begins with `head`."""
        return [value for value, _ in self._given]

    @property
    def head(self) -> str:
        """The beginning of each query; it names all parameters, so that a query need not use all of them."""
        given = ", ".join(f"${number}::{type_}" for number, (_, type_) in enumerate(self._given, 1))
        return f"WITH given AS (SELECT {given}), {HELD}"

    @property
    def narrow(self) -> bool:
        """Whether it asks for anything at all."""
        return bool(self.groups or self._bounds)

    def window(self, column: str) -> str:
        """The condition on a column with tasks' ids."""
        return " AND ".join(f"{column} {bound}" for bound in ("IS NOT NULL", *self._bounds))

    def end_at(self, low: int) -> None:
        """Let the window end at this id."""
        self._bounds += self.limits(low, None)

    def bind(self, value: Any, type_: str) -> str:
        """A parameter."""
        self._given.append((value, type_))
        return f"${len(self._given)}::{type_}"

    def between(self, column: str, low: int | None, high: int | None) -> list[str]:
        """That a column lies from `low` on and before `high`."""
        return [f"{column} {bound}" for bound in self.limits(low, high)]

    def limits(self, low: int | None, high: int | None) -> list[str]:
        """The same, but for the column."""
        limits = ((">=", low), ("<", high))
        return [f"{sign} {self.bind(limit, 'bigint')}" for sign, limit in limits if limit is not None]

    def _add_window(self, wanted: Filter, after: int | None) -> None:
        """Nothing starts before it is made."""
        low, high = (None if at is None else floor_id(at) for at in (wanted.created_after, wanted.created_before))
        begun = None if wanted.started_before is None else floor_id(wanted.started_before + _CLOCKS_DIFFER_US)
        ends = [end for end in (high, begun, after) if end is not None]
        self._bounds = self.limits(low, min(ends, default=None))

    def _add_columns(self, wanted: Filter) -> None:
        for column, type_ in _COLUMNS.items():
            value = getattr(wanted, column)
            if value is not None:
                fits = f"t.{column} = {self.bind(value, type_)}"
                self.groups.append([EVERY._replace(fits=fits, fits_any=fits)])

    def _add_lists(self, wanted: Filter) -> None:
        if wanted.tag is not None:
            tag = self.bind(wanted.tag, "text")
            own = Source(f"SELECT task_id FROM taskyard.tag WHERE tag = {tag}")
            self.groups.append([own, _of_those(f"{tag} = ANY (tags)")])
        if wanted.assignee is not None:
            person = self.bind(wanted.assignee, "text")
            assigned = f"SELECT task_id FROM taskyard.open WHERE assignee_id = {person}"
            claimed = f"SELECT task_id FROM taskyard.open WHERE claimed_by = {person}"
            self.groups.append([Source(assigned), Source(claimed)])

    def _add_status(self, wanted: Filter) -> None:
        if wanted.status is None:
            return
        states: Group = [_source(state, query) for state in sorted(wanted.status) for query in _PLACES[state]]
        self.groups.append(states or [EVERY._replace(fits="false", fits_any="false")])

    def _add_texts(self, wanted: Filter) -> None:
        """The beginning of an id, of a title (as kinds), of a correlation id: any of them."""
        matches: Group = []
        if wanted.id_prefix is not None:
            lows, highs = zip(*prefix_ranges(wanted.id_prefix), strict=True)
            rows = f"unnest({self.bind(lows, 'bigint[]')}, {self.bind(highs, 'bigint[]')}) AS r (low, high)"
            within = "t.id >= r.low AND t.id < r.high"
            matches.append(Match(rows, within, f"EXISTS (SELECT FROM {rows} WHERE {within})"))
        if wanted.title_kind_ids:
            matches.append(self._of_kinds(wanted.title_kind_ids))
        if (prefix := wanted.correlation_prefix) is not None:
            low, high = self.bind(prefix, "text"), self.bind(prefix + _LAST_CHARACTER, "text")
            within = f"t.correlation_id >= {low} AND t.correlation_id < {high}"
            matches.append(EVERY._replace(fits=within, fits_any=within, ordered=False))
        if matches:
            self.groups.append(matches)

    def _add_kinds(self, wanted: Filter) -> None:
        if wanted.kind_ids is not None:
            self.groups.append([self._of_kinds(wanted.kind_ids)])
        if wanted.task_types is not None:
            types = self.bind([type_.value for type_ in wanted.task_types], "text[]")
            self.groups.append([_of_those(f"task_type = ANY ({types})")])

    def _of_kinds(self, ids: Sequence[int]) -> Match:
        kinds, many = self.bind(list(ids), "int[]"), len(ids) > _MANY
        return Match(f"unnest({kinds}) AS k (id)", "t.kind_id = k.id", f"t.kind_id = ANY ({kinds})", many=many)

    def _add_starts(self, wanted: Filter) -> None:
        window = " AND ".join(self.between("at", wanted.started_after, wanted.started_before))
        if window:
            queries = (f"SELECT task_id FROM ({query}) s WHERE {window}" for query in STARTS)
            walks = (f"{_ENDED} true", None)
            self.groups.append([Source(query, walk) for query, walk in zip(queries, walks, strict=True)])

    def _add_attempts(self, wanted: Filter) -> None:
        """All in one attempt."""
        like = wanted.attempt
        if like is None:
            return
        conditions = self.between("run_ms", like.ran_from, like.ran_below)
        if like.error is not None:
            code = "convert_from(detail, 'UTF8')::json -> 'error' ->> 'code'"
            conditions += [_UNFINISHED, f"{code} = {self.bind(like.error, 'text')}"]
        if like.worker is not None:
            named = f"SELECT id FROM taskyard.worker WHERE name = {self.bind(like.worker, 'text')}"
            conditions.append(f"worker_id IN ({named})")
        query = f"SELECT DISTINCT task_id FROM taskyard.attempt WHERE {' AND '.join(['true', *conditions])}"
        self.groups.append([Source(query, walk=f"{_ENDED} {'true' if like.error is None else _UNFINISHED}")])

    def _add_queues(self, wanted: Filter) -> None:
        """Those that wait, where they do; a retry that is not due yet is in the queue of retries, not in its lane's."""
        if wanted.queues is None:
            return
        lanes = f"SELECT id FROM taskyard.lane WHERE queue = ANY ({self.bind(sorted(wanted.queues), 'smallint[]')})"
        waiting = (f"SELECT task_id FROM taskyard.{place}" for place in _WAITING)
        group: Group = [Source(f"{place} AND lane_id IN ({lanes})", walk=place) for place in waiting]
        if Queue.RETRY in wanted.queues:
            group += [Source(fill(query)) for query in _PLACES[State.RETRYING]]
        if Queue.DEADLETTER in wanted.queues:
            group.append(Source("SELECT task_id FROM taskyard.dead WHERE NOT discarded"))
        self.groups.append(group)

    def _add_facts(self, wanted: Filter) -> None:
        """What no index tells; all tasks are walked, unless another group leads."""
        if wanted.family is not None:
            family = _FAMILY.format(root=self.bind(wanted.family, "bigint"))
            self.groups.append([Match(f"{family} r", "t.id = r.task_id", f"t.id IN {family}")])
        if wanted.attempts is not None:
            least = self.bind(wanted.attempts, "int")
            ended = Source(f"{_ENDED} attempt = {least}", walk=f"{_ENDED} true")
            self.groups.append([ended, Source(f"SELECT task_id FROM held WHERE attempt >= {least}")])
        if wanted.priorities is not None:
            priorities = self.bind(sorted(wanted.priorities), "smallint[]")
            self.groups.append([Source(f"{_TASKS} priority = ANY ({priorities})", walk=f"{_TASKS} true")])
        if wanted.asker is not None:
            who, extra = self.bind(wanted.asker, "text"), "convert_from(extra, 'UTF8')::json"
            asked = f"({extra} ->> 'caller' = {who} OR {extra} -> 'client' ->> 'user' = {who})"
            self.groups.append([Source(f"{_TASKS} {asked}", walk=f"{_TASKS} true")])


def _of_those(condition: str) -> Match:
    """The tasks of the kinds that fit a condition."""
    kinds = f"SELECT id FROM taskyard.kind WHERE {condition}"
    return Match(f"({kinds}) AS k", "t.kind_id = k.id", f"t.kind_id IN ({kinds})", many=True)


def _source(state: State, query: str) -> Source:
    """Nearly every attempt is a COMPLETED one, so these alone have no index."""
    return Source(fill(query), walk=f"{_ENDED} true" if state is State.COMPLETED else None)


def fits(group: Group) -> str:
    """Whether the task `t` fits one of the alternatives."""
    return "(" + " OR ".join(one.condition() for one in group) + ")"
