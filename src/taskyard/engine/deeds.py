"""Deeds: what people and programs have done to tasks, found in the feed from its end on backwards."""

from __future__ import annotations

from typing import Final, NamedTuple

from taskyard.domain.event import TaskEvent
from taskyard.engine.engine import Engine
from taskyard.engine.events import read_page

_STRIDE: Final = 500
_STRIDES: Final = 10


class Deed(NamedTuple):
    """An event that somebody has brought about; `pos` is its place in the feed."""

    pos: int
    by: str
    event: TaskEvent


class Deeds(NamedTuple):
    """Some of them, the latest first, and the place from which on to look further back (None: there are no others)."""

    items: list[Deed]
    next: int | None


async def find_deeds(engine: Engine, limit: int, before: int | None, by: str | None, key: str | None) -> Deeds:
    """What was done by somebody, or by `by` alone; of the events with this routing key alone if it is given.

    It looks at 5,000 events at most, so that there may be fewer than `limit`, and more further back.
    """
    found: list[Deed] = []
    end = await engine.store.feed_end() if before is None else before
    for _ in range(_STRIDES):
        if end <= 0:
            return Deeds(found, None)
        begin = max(0, end - _STRIDE)
        page = await read_page(engine, begin, end - begin)
        for pos, event, _names in reversed(page.events):
            if pos > end:  # what is kept begins later than the page was to
                continue
            who = event.data.get("by") or event.data.get("canceledBy")
            if isinstance(who, str) and by in (None, who) and key in (None, event.key):
                found.append(Deed(pos, who, event))
                if len(found) == limit:
                    return Deeds(found, pos - 1 or None)
        if page.end > end and not any(pos <= end for pos, *_ in page.events):
            return Deeds(found, None)
        end = begin
    return Deeds(found, end or None)
