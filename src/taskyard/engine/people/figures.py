"""Figures of people's work: how long it lies and takes, whether it is done in time, and who has how much of it."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from taskyard.contracts.people import Load, Workload, WorkTime
from taskyard.contracts.store import Store
from taskyard.domain.numbers import percentile
from taskyard.engine.sparing import Sparing

_WINDOW_US = 24 * 3600 * 1_000_000
_AT_ONCE = 10_000
_PERSONS = 500

_Key = tuple[str, str | None]


class _Ended:
    """What was ended of one definition and group; spans in microseconds."""

    def __init__(self) -> None:
        self.waiting = array("q")
        self.claimed = array("q")
        self.whole = array("q")
        self.due = self.kept = 0

    def add(self, each: WorkTime) -> None:
        """One more task."""
        self.whole.append(each.ended_at - each.opened_at)
        if each.claimed_at is not None:
            self.waiting.append(each.claimed_at - each.opened_at)
            self.claimed.append(each.ended_at - each.claimed_at)
        if each.due_at is not None:
            self.due += 1
            self.kept += each.ended_at <= each.due_at


class _Seen(NamedTuple):
    ended: dict[_Key, _Ended]
    workloads: list[Workload]
    loads: list[Load]
    at: int


class WorkFigures:
    """Of what is open, and of what was ended in the last 24 hours; counted sparingly."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen = Sparing(self._look)

    async def figures(self) -> dict[str, Any]:
        """`work`, an entry for each definition and group; and `persons`, those who have most open."""
        ended, workloads, loads, at = await self._seen.get()
        opened = {(each.definition, each.group): each for each in workloads}
        keys = sorted(opened.keys() | ended.keys(), key=lambda key: (key[0], key[1] or ""))
        return {
            "work": [_work(key, opened.get(key), ended.get(key) or _Ended(), at) for key in keys],
            "persons": [{"person": each.person, "open": each.open, "overdue": each.overdue} for each in loads],
        }

    async def _look(self) -> _Seen:
        store = self._store
        now = await store.now()
        ended = await self._ended(now - _WINDOW_US)
        return _Seen(ended, await store.workloads(now), await store.busiest(now, _PERSONS), now)

    async def _ended(self, since: int) -> dict[_Key, _Ended]:
        found: defaultdict[_Key, _Ended] = defaultdict(_Ended)
        after: WorkTime | None = None
        while rows := await self._store.work_times(since, _AT_ONCE, after):
            for each in rows:
                found[each.definition, each.group].add(each)
            after = rows[-1]
        return found


def _work(key: _Key, opened: Workload | None, ended: _Ended, now: int) -> dict[str, Any]:
    """Times in seconds: until it was claimed, from then on, and in all; `slaKept`: which part was done in time."""
    return {
        "definition": key[0],
        "group": key[1],
        "open": opened.open if opened else 0,
        "unclaimed": opened.unclaimed if opened else 0,
        "overdue": opened.overdue if opened else 0,
        "oldestAge": max(0, now - opened.oldest_at) / 1e6 if opened else None,
        "ended": len(ended.whole),
        "waitingTime": _spans(ended.waiting),
        "claimTime": _spans(ended.claimed),
        "completionTime": _spans(ended.whole),
        "slaKept": round(ended.kept / ended.due, 4) if ended.due else None,
    }


def _spans(spans_us: Sequence[int]) -> dict[str, float | None]:
    found = {f"p{q}": percentile(spans_us, q) for q in (50, 95, 99)}
    return {name: None if value is None else round(value / 1e6, 3) for name, value in found.items()}
