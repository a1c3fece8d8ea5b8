"""Lists: the narrowest thing that is asked for leads, so that a few are found among millions without walking them.

A filter becomes one or several searches, each along an index that has its tasks in order and each no longer than the
page; the page is the first of them all.
"""

from __future__ import annotations

from typing import Any

from taskyard.contracts.records import Filter, Page
from taskyard.store.postgres.search import EVERY, HELD, ID_BITS, STARTS, Group, Search, Source, fits


def by_creation(wanted: Filter, limit: int, after: int | None) -> tuple[str, list[Any]]:
    """The query for the newest `limit` ids below `after`, and its parameters."""
    search = Search(wanted)
    search.conditions += search.window("t.id", None, after)
    leading: Group = search.groups.pop(0) if search.groups and not search.indexed else [EVERY]
    where = " AND ".join([*search.conditions, *map(fits, search.groups)])
    searches = " UNION ALL ".join(f"({one.lead(where, limit)})" for one in leading)
    page = f"SELECT id FROM ({searches}) u GROUP BY id ORDER BY id DESC LIMIT {limit}"  # noqa: S608
    return f"{HELD} {page}", search.parameters


def by_start(wanted: Filter, limit: int, after: int | None) -> tuple[str, list[Any]]:
    """The query for the ids and starts of the `limit` tasks that started last before `after`, and its parameters."""
    search = Search(wanted._replace(started_after=None, started_before=None))
    conditions = [*search.conditions, *map(_among, search.groups)]
    conditions += search.window("s.at", wanted.started_after, wanted.started_before)
    if after is not None:
        at = search.bind(after >> ID_BITS, "bigint")
        id_ = search.bind(after & ((1 << ID_BITS) - 1), "bigint")
        conditions.append(f"s.at <= {at} AND (s.at, s.task_id) < ({at}, {id_})")
    where = " AND ".join(conditions)
    searches = " UNION ".join(
        f"(SELECT t.id, s.at FROM ({source}) s JOIN taskyard.task t ON t.id = s.task_id "  # noqa: S608
        f"WHERE {where} ORDER BY s.at DESC, s.task_id DESC LIMIT {limit})"
        for source in STARTS
    )
    page = f"SELECT id, at FROM ({searches}) u ORDER BY at DESC, id DESC LIMIT {limit}"  # noqa: S608
    return f"{HELD} {page}", search.parameters


def page_by_start(found: list[tuple[int, int]], limit: int) -> Page:
    """The page of (id, start) pairs, of which there is one more than `limit` where there is a next page."""
    ids = [id_ for id_, _ in found[:limit]]
    if len(found) <= limit:
        return Page(ids, None)
    last, at = found[limit - 1]
    return Page(ids, at << ID_BITS | last)


def _among(group: Group) -> str:
    """Whether the task `t` fits, said so that the planner may begin with those few, or with the starts."""
    sources = [one.query for one in group if isinstance(one, Source)]
    return f"t.id IN ({' UNION ALL '.join(sources)})" if sources else fits(group)
