"""Figures of people's work: how long it lies and takes, whether it is done in time, and who has how much of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from taskyard.contracts.people import Load, Workload, WorkTime
from taskyard.contracts.store import Store
from taskyard.domain.numbers import percentile
from taskyard.engine.sparing import Sparing

_WINDOW_US = 24 * 3600 * 1_000_000
_PERSONS = 500


class _Seen(NamedTuple):
    times: list[WorkTime]
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
        times, workloads, loads, at = await self._seen.get()
        ended: defaultdict[tuple[str, str | None], list[WorkTime]] = defaultdict(list)
        for each in times:
            ended[each.definition, each.group].append(each)
        opened = {(each.definition, each.group): each for each in workloads}
        keys = sorted(opened.keys() | ended.keys(), key=lambda key: (key[0], key[1] or ""))
        return {
            "work": [_work(key, opened.get(key), ended[key], at) for key in keys],
            "persons": [{"person": each.person, "open": each.open, "overdue": each.overdue} for each in loads],
        }

    async def _look(self) -> _Seen:
        store = self._store
        now = await store.now()
        times = await store.work_times(now - _WINDOW_US)
        return _Seen(times, await store.workloads(now), await store.busiest(now, _PERSONS), now)


def _work(key: tuple[str, str | None], opened: Workload | None, ended: Sequence[WorkTime], now: int) -> dict[str, Any]:
    """Times in seconds: until it was claimed, from then on, and in all; `slaKept`: which part was done in time."""
    due = [each for each in ended if each.due_at is not None]
    kept = sum(each.ended_at <= (each.due_at or 0) for each in due)
    return {
        "definition": key[0],
        "group": key[1],
        "open": opened.open if opened else 0,
        "unclaimed": opened.unclaimed if opened else 0,
        "overdue": opened.overdue if opened else 0,
        "oldestAge": max(0, now - opened.oldest_at) / 1e6 if opened else None,
        "ended": len(ended),
        "waitingTime": _spans([each.claimed_at - each.opened_at for each in ended if each.claimed_at is not None]),
        "claimTime": _spans([each.ended_at - each.claimed_at for each in ended if each.claimed_at is not None]),
        "completionTime": _spans([each.ended_at - each.opened_at for each in ended]),
        "slaKept": round(kept / len(due), 4) if due else None,
    }


def _spans(spans_us: list[int]) -> dict[str, float | None]:
    found = {f"p{q}": percentile(spans_us, q) for q in (50, 95, 99)}
    return {name: None if value is None else round(value / 1e6, 3) for name, value in found.items()}
