"""Failures by their cause, and how attempts went over time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Final, NamedTuple, TypeVar

import msgspec

from taskyard.contracts.insight import Failure
from taskyard.contracts.records import Page
from taskyard.contracts.store import Store
from taskyard.domain.definition import Definition
from taskyard.domain.facts import AttemptDetail
from taskyard.domain.fingerprint import fingerprint
from taskyard.domain.ids import LARGEST_ID
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.numbers import percentile
from taskyard.engine.catalog import Catalog
from taskyard.engine.sparing import Sparing

MOST: Final = 10_000
"""So many failures are looked at, the latest."""
EVER: Final = 1 << 62
"""Microseconds that nothing is older than."""
STRETCHES: Final = 24
_NAMED: Final = 20
_LONGEST: Final = 2000
_LOOKS: Final = 4
_GOOD: Final = frozenset({Outcome.COMPLETED, Outcome.FALLBACK})

K = TypeVar("K")
T = TypeVar("T")


class Cause(NamedTuple):
    """Failures that have one cause, and their `number`. `task_ids`: the latest few; `over_time`: how many in each
    stretch of the time that was looked at, the earliest first. Of `dead` of them the task is a dead letter now. Of the
    message there are 2,000 characters at most.
    """

    fingerprint: str
    definition: str
    title: str
    code: str
    message: str
    number: int
    dead: int
    first_at: int
    last_at: int
    over_time: list[int]
    task_ids: list[int]


class Causes(NamedTuple):
    """The causes, the most frequent first; `is_all`: every failure was looked at."""

    causes: list[Cause]
    searched: int
    is_all: bool


class Stretch(NamedTuple):
    """How attempts that ended in a stretch of time went; run times in milliseconds, of a sample."""

    at: int
    completed: int
    failed: int
    retried: int
    p50: int | None
    p95: int | None
    p99: int | None


class Insight:
    """Looked up sparingly, for there may be very many attempts: of failures so many as `most`, the latest."""

    def __init__(self, store: Store, catalog: Catalog, most: int = MOST) -> None:
        self._store = store
        self._catalog = catalog
        self._most = most
        self._failures: dict[tuple[int, bool], Sparing[list[_Group]]] = {}
        self._stretches: dict[tuple[int, int], Sparing[list[Stretch]]] = {}

    async def causes(self, span_us: int, *, dead: bool = False, definition: str | None = None) -> Causes:
        """The causes of failures of tasks made so lately; if `dead`, of those that are dead letters now."""
        groups = await _lately(self._failures, (span_us, dead), partial(self._grouped, span_us, dead)).get()
        now = await self._store.now()
        begin = min((one.at for group in groups for one in group.failures), default=now)
        causes = [_cause(group, begin, now) for group in groups if definition in (None, group.told.definition)]
        causes.sort(key=lambda cause: (-cause.number, -cause.last_at))
        searched = sum(len(group.failures) for group in groups)
        return Causes(causes, searched, searched < self._most)

    async def dead_of(self, name: str, after: int | None) -> Page:
        """The newest dead letters below `after` with this fingerprint: so many are looked at, of whatever cause."""
        failures = await self._store.failures(0, self._most, dead=True, below=LARGEST_ID if after is None else after)
        groups = await asyncio.to_thread(_group, failures, await self._definitions(failures))
        ids = [one.task_id for group in groups if group.told.fingerprint == name for one in group.failures]
        return Page(ids, failures[-1].task_id if len(failures) == self._most else None)

    async def stretches(self, span_us: int, count: int) -> list[Stretch]:
        """The last so many microseconds in so many stretches, the earliest first."""
        return await _lately(self._stretches, (span_us, count), partial(self._count, span_us, count)).get()

    async def _count(self, span_us: int, count: int) -> list[Stretch]:
        step = span_us // count
        since = (await self._store.now() // step - count + 1) * step
        tallies: defaultdict[int, dict[Outcome, int]] = defaultdict(dict)
        for ending in await self._store.endings(since, step):
            tallies[ending.step][ending.outcome] = ending.number
        spans: defaultdict[int, list[int]] = defaultdict(list)
        for at, run_ms in await self._store.run_spans(since):
            spans[(at - since) // step].append(run_ms)
        return [_stretch(since + k * step, tallies[k], spans[k]) for k in range(count)]

    async def _grouped(self, span_us: int, dead: bool) -> list[_Group]:
        since = max(0, await self._store.now() - span_us)
        failures = await self._store.failures(since, self._most, dead=dead)
        return await asyncio.to_thread(_group, failures, await self._definitions(failures))

    async def _definitions(self, failures: Iterable[Failure]) -> dict[int, Definition]:
        kinds = await self._catalog.versions({each.kind_id for each in failures})
        return {id_: version.kind.definition for id_, version in kinds.items()}


def _lately(looks: dict[K, Sparing[T]], key: K, count: Callable[[], Awaitable[T]]) -> Sparing[T]:
    """The look that is asked for, kept with the few that were asked for last."""
    look = looks[key] = looks.pop(key) if key in looks else Sparing(count)
    while len(looks) > _LOOKS:
        del looks[next(iter(looks))]
    return look


def _stretch(at: int, tally: dict[Outcome, int], spans: list[int]) -> Stretch:
    completed = sum(tally.get(outcome, 0) for outcome in _GOOD)
    counts = (completed, tally.get(Outcome.FAILED, 0), tally.get(Outcome.RETRY, 0))
    return Stretch(at, *counts, *(percentile(spans, q) for q in (50, 95, 99)))


class _Told(NamedTuple):
    fingerprint: str
    definition: str
    title: str
    code: str
    message: str


class _One(NamedTuple):
    task_id: int
    at: int
    is_dead: bool


class _Group(NamedTuple):
    """Failures of one cause as they are kept: what the newest task tells, and of each no more than has to be known."""

    told: _Told
    failures: list[_One]


def _group(failures: Iterable[Failure], definitions: Mapping[int, Definition]) -> list[_Group]:
    groups: dict[str, _Group] = {}
    for each in failures:
        if each.kind_id in definitions:
            told = _tell(each, definitions[each.kind_id])
            group = groups.setdefault(told.fingerprint, _Group(told, []))
            group.failures.append(_One(each.task_id, each.at, each.is_dead))
    return list(groups.values())


def _tell(failure: Failure, definition: Definition) -> _Told:
    error = (msgspec.json.decode(failure.detail, type=AttemptDetail).error if failure.detail else None) or {}
    code, message = str(error.get("code", "")), str(error.get("message", ""))
    name = fingerprint(definition.key, code, message)
    return _Told(name, definition.key, definition.title or definition.key, code, message[:_LONGEST])


def _cause(group: _Group, begin: int, now: int) -> Cause:
    told, failures = group
    times = [one.at for one in failures]
    width = max(1, (now - begin) // STRETCHES + 1)
    over_time = [0] * STRETCHES
    for at in times:
        over_time[min(STRETCHES - 1, max(0, (at - begin) // width))] += 1
    return Cause(
        told.fingerprint, told.definition, told.title, told.code, told.message, len(failures),
        sum(one.is_dead for one in failures), min(times), max(times), over_time,
        list(dict.fromkeys(one.task_id for one in failures))[:_NAMED],
    )  # fmt: skip
