"""What a filter means in SQL: conditions on a task `t`, and groups of queries that could lead to the tasks.

Only literals of this module become SQL; what the caller gave is bound by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from taskyard.contracts.records import Filter
from taskyard.domain.facts import PlaceKind
from taskyard.domain.ids import floor_id, prefix_ranges
from taskyard.domain.lifecycle import Outcome, State
from taskyard.domain.queue import Queue, TaskType
from taskyard.store.sqlite.base import Connection, as_array

ID_BITS: Final = 63
NOWHERE: Final = (1 << ID_BITS) - 1
"""How far a walk comes that is in no order: there is no use in it where it does not come to its end."""

_LAST_CHARACTER: Final = "\U0010ffff"
_MANY: Final = 20


class Begun(NamedTuple):
    """The started tasks in a table `s`: which of its rows are a task's latest start, and when that was."""

    table: str
    at: str
    latest: str


STARTS: Final = (
    Begun(
        "attempt",
        "s.started_at",
        "s.started_at IS NOT NULL AND NOT EXISTS "
        "(SELECT 1 FROM attempt l WHERE l.task_id = s.task_id AND l.started_at > s.started_at) "
        "AND NOT EXISTS (SELECT 1 FROM claim c WHERE c.task_id = s.task_id AND c.revoked = 0)",
    ),
    Begun("claim", "s.claimed_at", "s.revoked = 0"),
)
"""Those that do not run, and those that do."""

# A partial index serves only who names its condition.
_UNFINISHED: Final = f"s.outcome <> {int(Outcome.COMPLETED)}"
_ATTEMPTS: Final = "SELECT s.task_id FROM attempt s WHERE 1"
_FAILED: Final = f"SELECT s.task_id FROM attempt s WHERE s.outcome = {int(Outcome.FAILED)} AND s.outcome <> 1"
_ENDED_SO: Final = (
    "NOT EXISTS (SELECT 1 FROM attempt l WHERE l.task_id = s.task_id AND l.attempt > s.attempt)"
    + "".join(
        f" AND NOT EXISTS (SELECT 1 FROM {place} p WHERE p.task_id = s.task_id)"
        for place in ("ready", "sched", "parked", "claim", "open")
    )
)


class Source(NamedTuple):
    """The tasks that a query gives as `s.task_id`; the query ends in a condition.

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
            f"SELECT x.task_id AS id FROM ({self.query} AND {window('s.task_id')}) x "
            f"CROSS JOIN task t ON t.id = x.task_id WHERE {where} ORDER BY x.task_id DESC LIMIT {limit}"
        )

    def low(self, window: Window, steps: int) -> str:
        """SQL for the id to which so many steps lead from the newest down; null where there are no more."""
        return f"({self.walk or self.query} AND {window('s.task_id')} ORDER BY s.task_id DESC LIMIT 1 OFFSET {steps})"

    def condition(self) -> str:
        """Whether the task `t` is one of them."""
        return f"EXISTS ({self.query} AND s.task_id = t.id)"


class Match(NamedTuple):
    """The tasks that fit one of the rows of `r`; `fits` as a condition on `t` and a row, `fits_any` on `t` alone.

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
        newest = (
            f"SELECT t.id FROM task t WHERE {self.fits} AND {window('t.id')} AND {where} "
            f"ORDER BY t.id DESC LIMIT {limit}"
        )
        return (
            f"SELECT x.value AS id FROM {self.rows} CROSS JOIN json_each("
            f"(SELECT json_group_array(id) FROM ({newest}))) x"
        )

    def low(self, window: Window, steps: int) -> str:
        """As for a source; each row gets its share of the walk."""
        query = f"SELECT t.id FROM task t WHERE {self.fits} AND {window('t.id')}"
        if self.ordered:
            share = f"(SELECT max(1, {steps} / max(1, count(*))) FROM {self.rows})"
            return f"(SELECT max(({query} ORDER BY t.id DESC LIMIT 1 OFFSET {share})) FROM {self.rows})"
        return f"(SELECT CASE WHEN count(*) > {steps} THEN {NOWHERE} END FROM ({query} LIMIT {steps + 1}))"

    def condition(self) -> str:
        """Whether the task `t` is one of them."""
        return self.fits_any


Window = Callable[[str], str]
"""The condition that a column with tasks' ids lies in some bounds."""
Group = list[Source | Match]
"""Alternatives: a task fits when it fits one."""

EVERY: Final = Match("(SELECT 1) r", "1", "1")
NOTHING: Final = Match("(SELECT 1) r", "0", "0")

_TASKS: Final = "SELECT s.task_id FROM (SELECT id AS task_id, priority, extra FROM task) s WHERE 1"
_WAITING: Final = ("ready s WHERE 1", "sched s WHERE s.retry = 0", "parked s WHERE 1")
_FAMILY: Final = (
    "(WITH RECURSIVE family (task_id) AS (SELECT {root} UNION SELECT c.id FROM task c JOIN family f "
    "ON c.parent_id = f.task_id LIMIT 10000) SELECT task_id FROM family)"
)

DEAD: Final = Source("SELECT s.task_id FROM dead s WHERE 1")
_OPEN: Final = "SELECT s.task_id FROM open s WHERE"
STATES: Final[dict[State, list[Source]]] = {
    State.PENDING: [
        Source("SELECT s.task_id FROM ready s WHERE 1"),
        Source("SELECT s.task_id FROM sched s WHERE s.retry = 0"),
        Source("SELECT s.task_id FROM parked s WHERE 1"),
    ],
    State.RETRYING: [Source("SELECT s.task_id FROM sched s WHERE s.retry = 1")],
    State.RUNNING: [Source("SELECT s.task_id FROM claim s WHERE s.revoked = 0")],
    State.ASSIGNED: [Source(f"{_OPEN} s.place = {int(PlaceKind.ASSIGNED)}")],
    State.WAITING: [Source(f"{_OPEN} s.place = {int(PlaceKind.WAITING)}")],
    State.FAILED: [Source(f"{_FAILED} AND {_ENDED_SO}", _FAILED)],
    State.CANCELED: [
        Source(f"SELECT s.task_id FROM attempt s WHERE s.outcome = {int(Outcome.CANCELED)} AND s.outcome <> 1")
    ],
    State.COMPLETED: [
        Source(f"{_ATTEMPTS} AND s.outcome IN ({int(Outcome.COMPLETED)}, {int(Outcome.FALLBACK)})", _ATTEMPTS)
    ],
}


class Search:
    """A filter as groups that a task has to fit, the narrowest first, and a window of ids it has to lie in."""

    def __init__(self, connection: Connection, wanted: Filter, after: int | None = None) -> None:
        self._connection = connection
        self._bounds: dict[str, str] = {}
        self.parameters: dict[str, Any] = {}
        self.groups: list[Group] = []
        self._add_window(wanted, after)
        self._add_columns(wanted)
        self._add_lists(wanted)
        if wanted.status is not None:
            states: Group = [one for state in sorted(wanted.status) for one in STATES[state]]
            self.groups.append(states or [NOTHING])
        self._add_texts(wanted)
        self._add_kinds(wanted)
        self._add_starts(wanted)
        self._add_attempts(wanted)
        self._add_queues(wanted)
        self._add_facts(wanted)

    @property
    def narrow(self) -> bool:
        """Whether it asks for anything at all."""
        return bool(self.groups or self._bounds)

    def run(self, query: str) -> list[tuple[Any, ...]]:
        """The rows."""
        return self._connection.execute(query, self.parameters).fetchall()

    def window(self, column: str) -> str:
        """The condition on a column with tasks' ids."""
        return " AND ".join(["1", *(f"{column} {bound}" for bound in self._bounds.values())])

    def end_at(self, low: int) -> None:
        """Let the window end at this id, which is in it."""
        self._bounds |= self._limits(low, None)

    def bind(self, value: Any) -> str:
        """A parameter."""
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f":{name}"

    def between(self, column: str, low: int | None, high: int | None) -> list[str]:
        """That a column lies from `low` on and before `high`."""
        return [f"{column} {bound}" for bound in self._limits(low, high).values()]

    def _limits(self, low: int | None, high: int | None) -> dict[str, str]:
        """By their signs, of which each stands once: of two, an index would be searched by the first only."""
        limits = ((">=", low), ("<", high))
        return {sign: f"{sign} {self.bind(limit)}" for sign, limit in limits if limit is not None}

    def _add_window(self, wanted: Filter, after: int | None) -> None:
        """Nothing starts before it is made."""
        moments = (wanted.created_after, wanted.created_before, wanted.started_before)
        low, high, begun = (None if at is None else floor_id(at) for at in moments)
        ends = [end for end in (high, begun, after) if end is not None]
        self._bounds = self._limits(low, min(ends, default=None))

    def _add_columns(self, wanted: Filter) -> None:
        for column in ("workflow_id", "correlation_id", "cause_type", "cause", "parent_id", "hash"):
            value = getattr(wanted, column)
            if value is not None:
                self.groups.append([_every(f"t.{column} = {self.bind(value)}")])

    def _add_lists(self, wanted: Filter) -> None:
        if wanted.tag is not None:
            own = Source(f"SELECT s.task_id FROM tag s WHERE s.tag = {self.bind(wanted.tag)}")
            tagged = "EXISTS (SELECT 1 FROM json_each(CAST(spec AS TEXT), '$.tags') WHERE value = ?)"
            self.groups.append([own, self._of_those(tagged, wanted.tag)])
        if wanted.assignee is not None:
            person = self.bind(wanted.assignee)
            columns = ("assignee_id", "claimed_by")
            self.groups.append([Source(f"{_OPEN} s.{column} = {person}") for column in columns])

    def _add_texts(self, wanted: Filter) -> None:
        """The beginning of an id, of a title (as kinds), of a correlation id: any of them."""
        matches: Group = []
        if wanted.id_prefix is not None:
            rows = f"json_each({self.bind(as_array(prefix_ranges(wanted.id_prefix)))}) r"
            within = "t.id >= r.value ->> 0 AND t.id < r.value ->> 1"
            matches.append(Match(rows, within, f"EXISTS (SELECT 1 FROM {rows} WHERE {within})"))
        if wanted.title_kind_ids:
            matches.append(self._of_kinds(wanted.title_kind_ids))
        if (prefix := wanted.correlation_prefix) is not None:
            within = (
                f"t.correlation_id >= {self.bind(prefix)} AND t.correlation_id < {self.bind(prefix + _LAST_CHARACTER)}"
            )
            matches.append(EVERY._replace(fits=within, fits_any=within, ordered=False))
        if matches:
            self.groups.append(matches)

    def _add_kinds(self, wanted: Filter) -> None:
        if wanted.kind_ids is not None:
            self.groups.append([self._of_kinds(wanted.kind_ids)])
        if wanted.task_types is not None:
            typed = "coalesce(CAST(spec AS TEXT) ->> 'taskType', ?) IN (SELECT value FROM json_each(?))"
            self.groups.append([self._of_those(typed, TaskType.AUTOMATED, as_array(wanted.task_types))])

    def _of_those(self, condition: str, *values: Any) -> Match:
        """The tasks of the kinds that fit a condition."""
        kinds = self._connection.execute(f"SELECT id FROM kind WHERE {condition}", values).fetchall()
        return self._of_kinds([row[0] for row in kinds])

    def _of_kinds(self, ids: Sequence[int]) -> Match:
        kinds = f"json_each({self.bind(as_array(ids))})"
        fits_any = f"+t.kind_id IN (SELECT value FROM {kinds})"
        return Match(f"{kinds} r", "t.kind_id = r.value", fits_any, many=len(ids) > _MANY)

    def _add_starts(self, wanted: Filter) -> None:
        """A wide window of time holds nearly all attempts: those in the order of their ids are walked then."""
        window = self.between("{at}", wanted.started_after, wanted.started_before)
        if window:
            alone, running = (
                f"SELECT s.task_id FROM {begun.table} s WHERE {begun.latest} AND {' AND '.join(window)}".format(
                    at=begun.at
                )
                for begun in STARTS
            )
            self.groups.append([Source(alone, _ATTEMPTS), Source(running)])

    def _add_attempts(self, wanted: Filter) -> None:
        """All in one attempt."""
        like = wanted.attempt
        if like is None:
            return
        conditions = self.between("s.run_ms", like.ran_from, like.ran_below)
        if like.error is not None:
            conditions += [_UNFINISHED, f"CAST(s.detail AS TEXT) ->> '$.error.code' = {self.bind(like.error)}"]
        if like.worker is not None:
            conditions.append(f"s.worker_id IN (SELECT id FROM worker WHERE name = {self.bind(like.worker)})")
        query = f"SELECT DISTINCT s.task_id FROM attempt s WHERE {' AND '.join(['1', *conditions])}"
        self.groups.append([Source(query, _ATTEMPTS if like.error is None else f"{_ATTEMPTS} AND {_UNFINISHED}")])

    def _add_queues(self, wanted: Filter) -> None:
        """Those that wait, where they do; a retry that is not due yet is in the queue of retries, not in its lane's."""
        if wanted.queues is None:
            return
        queues = self.bind(as_array(wanted.queues))
        lanes = f"SELECT id FROM lane WHERE queue IN (SELECT value FROM json_each({queues}))"
        group: Group = [
            Source(f"SELECT s.task_id FROM {place} AND s.lane_id IN ({lanes})", f"SELECT s.task_id FROM {place}")
            for place in _WAITING
        ]
        group += STATES[State.RETRYING] if Queue.RETRY in wanted.queues else []
        group += [DEAD] if Queue.DEADLETTER in wanted.queues else []
        self.groups.append(group)

    def _add_facts(self, wanted: Filter) -> None:
        """What no index tells; all tasks are walked, unless another group leads."""
        if wanted.family is not None:
            family = _FAMILY.format(root=self.bind(wanted.family))
            self.groups.append([Match(f"{family} r", "t.id = r.task_id", f"t.id IN {family}")])
        if wanted.attempts is not None:
            least = self.bind(wanted.attempts)
            running = f"SELECT s.task_id FROM claim s WHERE s.revoked = 0 AND s.attempt >= {least}"
            self.groups.append([Source(f"{_ATTEMPTS} AND s.attempt = {least}", _ATTEMPTS), Source(running)])
        if wanted.priorities is not None:
            priorities = self.bind(as_array(wanted.priorities))
            query = f"{_TASKS} AND s.priority IN (SELECT value FROM json_each({priorities}))"
            self.groups.append([Source(query, _TASKS)])
        if wanted.asker is not None:
            who = self.bind(wanted.asker)
            ways = (f"CAST(s.extra AS TEXT) ->> '$.{way}' = {who}" for way in ("caller", "client.user"))
            self.groups.append([Source(f"{_TASKS} AND ({' OR '.join(ways)})", _TASKS)])


def _every(*conditions: str) -> Match:
    """The tasks that fit these; where another group leads, no index is to be used for them."""
    return Match("(SELECT 1) r", " AND ".join(conditions), " AND ".join(f"+{condition}" for condition in conditions))


def fits(group: Group) -> str:
    """Whether the task `t` fits one of the alternatives."""
    return "(" + " OR ".join(one.condition() for one in group) + ")"
