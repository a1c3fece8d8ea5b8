"""Lists: the narrowest thing that is asked for leads, so that a few are found among millions without walking them.

A filter becomes groups of searches, each along an index that has its tasks in order. Where there are several, one
leads and the others are conditions. How far each would come in so many steps is looked up first: that which comes
furthest leads, and the page ends there, even where it is short. So no page costs more than so many steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from taskyard.contracts.records import Filter, Page
from taskyard.store.sqlite.base import Connection
from taskyard.store.sqlite.search import DEAD, EVERY, ID_BITS, STARTS, Group, Search, fits

_STEPS: Final = 1000
_ID_MASK: Final = (1 << ID_BITS) - 1


class Lead(NamedTuple):
    """A group of searches, and the id at which it has made its steps; None: it comes to its end before."""

    group: Group
    low: int | None


class Start(NamedTuple):
    """A task and when it last started."""

    id: int
    at: int

    @property
    def position(self) -> int:
        """Both in one number."""
        return self.at << ID_BITS | self.id


def find(connection: Connection, wanted: Filter, limit: int, after: int | None) -> Page:
    """The newest ids below `after`."""
    return _newest(Search(connection, wanted, after), limit)


def find_started(connection: Connection, wanted: Filter, limit: int, after: int | None) -> Page:
    """The ids that started last before `after`; a position is that time and the id, in one number."""
    search = Search(connection, wanted._replace(started_after=None, started_before=None))
    began = search.between("{at}", wanted.started_after, wanted.started_before)
    if after is not None:
        began.append(_beyond(search, "<", Start(after & _ID_MASK, after >> ID_BITS)))
    few = next((lead for lead in _leads(search) if lead.low is None), None) if search.narrow else None
    low = None
    if few is not None:
        found = _starts_of(search, few.group, began)
    else:
        low = _last_step(search, began) if search.narrow else None
        if low is not None:
            began.append(_beyond(search, ">=", low))
        found = _starts(search, began, limit + 1)
    page = search.run(f"SELECT DISTINCT id, at FROM ({found}) ORDER BY at DESC, id DESC LIMIT {limit + 1}")
    starts = [Start(*row) for row in page]
    ids = [start.id for start in starts[:limit]]
    return Page(ids, starts[limit - 1].position if len(starts) > limit else low and low.position)


def dead(connection: Connection, kind_ids: Sequence[int] | None, limit: int, after: int | None) -> Page:
    """The newest ids in the dead letters below `after`, of these kinds where they are given."""
    search = Search(connection, Filter(kind_ids=None if kind_ids is None else tuple(kind_ids)), after)
    search.groups.append([DEAD])
    return _newest(search, limit)


def _newest(search: Search, limit: int) -> Page:
    lead = _furthest(search)
    if lead.low is not None:
        search.end_at(lead.low)
    where = " AND ".join(["1", *(fits(group) for group in search.groups if group is not lead.group)])
    searches = " UNION ".join(f"SELECT id FROM ({one.lead(search.window, where, limit + 1)})" for one in lead.group)
    ids = [row[0] for row in search.run(f"SELECT id FROM ({searches}) ORDER BY id DESC LIMIT {limit + 1}")]
    return Page(ids[:limit], ids[limit - 1] if len(ids) > limit else lead.low)


def _furthest(search: Search) -> Lead:
    """The group that leads. One alone does without a look, where an index has just its tasks."""
    if not search.groups:
        return Lead([EVERY], None)
    if len(search.groups) == 1 and all(one.exact for one in search.groups[0]):
        return Lead(search.groups[0], None)
    return min(_leads(search), key=lambda lead: -1 if lead.low is None else lead.low)


def _leads(search: Search) -> list[Lead]:
    """All groups, and that of everything there is."""
    groups: list[Group] = [*search.groups, [EVERY]]
    lows = (f"max({', '.join(f'coalesce({one.low(search.window, _STEPS)}, -1)' for one in g)}, -1)" for g in groups)
    (row,) = search.run(f"SELECT {', '.join(lows)}")
    return [Lead(group, None if low < 0 else low) for group, low in zip(groups, row, strict=True)]


def _last_step(search: Search, began: list[str]) -> Start | None:
    """The start at which a walk along the latest ones has made its steps."""
    walks = _walks("", began, _STEPS + 1)
    rows = search.run(f"SELECT id, at FROM ({walks}) ORDER BY at DESC, id DESC LIMIT 1 OFFSET {_STEPS}")
    return Start(*rows[0]) if rows else None


def _starts(search: Search, began: list[str], limit: int) -> str:
    """The latest starts of the tasks that fit."""
    if not search.narrow:
        return _walks("", began, limit)
    where = " AND ".join([search.window("t.id"), *map(fits, search.groups)])
    return _walks("", [*began, f"EXISTS (SELECT 1 FROM task t WHERE t.id = s.task_id AND {where})"], limit)


def _starts_of(search: Search, few: Group, began: list[str]) -> str:
    """The starts of the tasks of a group that are few, as far as they fit."""
    where = " AND ".join(["1", *(fits(group) for group in search.groups if group is not few)])
    chosen = " UNION ".join(f"SELECT id FROM ({one.lead(search.window, where, _STEPS + 1)})" for one in few)
    return _walks(f"({chosen}) chosen CROSS JOIN", [*began, "s.task_id = chosen.id"], -1)


def _walks(beside: str, conditions: list[str], limit: int) -> str:
    """The starts that fit the conditions, the latest first of those in each table."""
    return " UNION ALL ".join(
        f"SELECT * FROM (SELECT s.task_id AS id, {begun.at} AS at FROM {beside} {begun.table} s "
        f"WHERE {' AND '.join([begun.latest, *conditions]).format(at=begun.at)} "
        f"ORDER BY {begun.at} DESC, s.task_id DESC LIMIT {limit})"
        for begun in STARTS
    )


def _beyond(search: Search, sign: str, start: Start) -> str:
    """That a start comes before another, or from it on, latest first."""
    at, id_ = search.bind(start.at), search.bind(start.id)
    return f"{{at}} {sign[0]}= {at} AND ({{at}}, s.task_id) {sign} ({at}, {id_})"
