"""Lists: the narrowest thing that is asked for leads, so that a few are found among millions without walking them.

A filter becomes groups of searches, each along an index that has its tasks in order. Where there are several, one
leads and the others are conditions. How far each would come in so many steps is looked up first: that which comes
furthest leads, and the page ends there, even where it is short. So no page costs more than so many steps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

from taskyard.contracts.records import Filter, Page
from taskyard.store.postgres.search import EVERY, ID_BITS, STARTS, Group, Search, fits

_STEPS: Final = 1000
_ID_MASK: Final = (1 << ID_BITS) - 1

Run = Callable[..., Awaitable[Sequence[Any]]]
"""Runs a query with its parameters, and gives the rows."""


class Lead(NamedTuple):
    """A group of searches, and the id at which it has made its steps; None: it comes to its end before."""

    group: Group
    low: int | None


async def by_creation(run: Run, wanted: Filter, limit: int, after: int | None) -> Page:
    """The newest ids below `after`."""
    search = Search(wanted, after)
    lead = await _furthest(run, search)
    if lead.low is not None:
        search.end_at(lead.low)
    where = " AND ".join(["true", *(fits(group) for group in search.groups if group is not lead.group)])
    searches = " UNION ALL ".join(f"({one.lead(search.window, where, limit + 1)})" for one in lead.group)
    page = f"SELECT id FROM ({searches}) u GROUP BY id ORDER BY id DESC LIMIT {limit + 1}"
    ids = [row["id"] for row in await run(f"{search.head} {page}", *search.parameters)]
    return Page(ids[:limit], ids[limit - 1] if len(ids) > limit else lead.low)


async def by_start(run: Run, wanted: Filter, limit: int, after: int | None) -> Page:
    """The ids that started last before `after`; a position is that time and the id, in one number."""
    search = Search(wanted._replace(started_after=None, started_before=None))
    times = search.limits(wanted.started_after, wanted.started_before)
    began = ["true"]
    if after is not None:
        at, id_ = search.bind(after >> ID_BITS, "bigint"), search.bind(after & _ID_MASK, "bigint")
        times.append(f"{'<=' if after & _ID_MASK else '<'} {at}")
        began.append(f"(s.at, s.task_id) < ({at}, {id_})")
    few = next((lead for lead in await _leads(run, search) if lead.low is None), None) if search.narrow else None
    low = await _last_step(run, search, times) if search.narrow and few is None else None
    if low is not None:
        times.append(f">= {search.bind(low, 'bigint')}")
    where = " AND ".join([*began, *(f"s.at {time}" for time in times)])
    found = _starts(search, where, limit + 1) if few is None else _starts_of(search, few.group, where)
    page = f"SELECT id, at FROM ({found}) u GROUP BY id, at ORDER BY at DESC, id DESC LIMIT {limit + 1}"
    rows = await run(f"{search.head} {page}", *search.parameters)
    ids = [row["id"] for row in rows[:limit]]
    return Page(ids, _position(**rows[limit - 1]) if len(rows) > limit else low and _position(low))


async def _furthest(run: Run, search: Search) -> Lead:
    """The group that leads. One alone does without a look, where an index has just its tasks."""
    if not search.groups:
        return Lead([EVERY], None)
    if len(search.groups) == 1 and all(one.exact for one in search.groups[0]):
        return Lead(search.groups[0], None)
    return min(await _leads(run, search), key=lambda lead: -1 if lead.low is None else lead.low)


async def _leads(run: Run, search: Search) -> list[Lead]:
    """All groups, and that of everything there is."""
    groups: list[Group] = [*search.groups, [EVERY]]
    lows = (f"greatest({', '.join(one.low(search.window, _STEPS) for one in group)})" for group in groups)
    (row,) = await run(f"{search.head} SELECT {', '.join(lows)}", *search.parameters)
    return [Lead(group, low) for group, low in zip(groups, row, strict=True)]


async def _last_step(run: Run, search: Search, times: list[str]) -> int | None:
    """The time at which a walk along the latest starts has made its steps."""
    where = " AND ".join(["s.started_at IS NOT NULL", *(f"s.started_at {time}" for time in times)])
    last = f"FROM taskyard.attempt s WHERE {where} ORDER BY s.started_at DESC OFFSET {_STEPS} LIMIT 1"
    rows = await run(f"{search.head} SELECT s.started_at AS at {last}", *search.parameters)
    return rows[0]["at"] if rows else None


def _starts(search: Search, began: str, limit: int) -> str:
    """The latest starts of the tasks that fit."""
    where = " AND ".join(["t.id = s.task_id", search.window("t.id"), *map(fits, search.groups)])
    return " UNION ALL ".join(
        f"(SELECT t.id, s.at FROM ({source}) s CROSS JOIN LATERAL "
        f"(SELECT t.id FROM taskyard.task t WHERE {where} OFFSET 0) t "
        f"WHERE {began} ORDER BY s.at DESC, s.task_id DESC LIMIT {limit})"
        for source in STARTS
    )


def _starts_of(search: Search, few: Group, began: str) -> str:
    """The starts of the tasks of a group that are few, as far as they fit."""
    where = " AND ".join(["true", *(fits(group) for group in search.groups if group is not few)])
    chosen = " UNION ".join(f"({one.lead(search.window, where, _STEPS + 1)})" for one in few)
    return " UNION ALL ".join(
        f"(SELECT s.task_id AS id, s.at FROM ({chosen}) c CROSS JOIN LATERAL "
        f"({source} AND s.task_id = c.id OFFSET 0) s WHERE {began})"
        for source in STARTS
    )


def _position(at: int, id: int = 0) -> int:  # noqa: A002 - a row has it so
    return at << ID_BITS | id
