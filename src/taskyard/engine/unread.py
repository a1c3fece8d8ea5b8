"""Unread: events that a reader of the feed, such as a broker that is away, has not had when their time is over."""

from __future__ import annotations

import structlog

from taskyard.domain.task import iso
from taskyard.engine.engine import Engine

_SLACK_US = 60 * 1_000_000

log = structlog.get_logger("taskyard.retention")


async def keep_unread(engine: Engine, kept_us: int) -> int:
    """The moment before which all may be forgotten that has ended: `kept_us` ago, or the first event that a reader has
    not had, as what is told of it is told from what is kept. It is not waited for beyond twice as long.
    """
    due = await engine.store.now() - kept_us
    unread = {name: at for name in engine.readers if (at := await _first_unread(engine, name)) is not None}
    late = {name: at for name, at in unread.items() if at < due}
    if not late:
        return due
    since = min(late.values())
    told = {"readers": sorted(late), "since": iso(since)}
    if since < due - kept_us:
        log.error("events are forgotten that were never sent; what they went to was away too long", **told)
    else:
        log.warning("events wait for longer than tasks are kept; both are kept for as long again", **told)
    return max(since - _SLACK_US, due - kept_us)


async def waiting_events(engine: Engine) -> dict[str, int]:
    """How many events each reader has not had."""
    end = await engine.store.feed_end()
    positions = {name: await engine.store.reader_position(name) for name in engine.readers}
    return {name: max(0, end - position) for name, position in positions.items() if position is not None}


async def _first_unread(engine: Engine, reader: str) -> int | None:
    """When the first event was that it has not had (microseconds since the epoch)."""
    position = await engine.store.reader_position(reader)
    rows = [] if position is None else await engine.store.feed(position, 1)
    return rows[0].at if rows else None
