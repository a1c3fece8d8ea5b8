"""Metrics: what operators watch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from taskyard.domain.breaker import BreakerState
from taskyard.domain.definition import Definition
from taskyard.domain.lifecycle import State
from taskyard.domain.numbers import percentile
from taskyard.domain.queue import Queue
from taskyard.domain.task import iso
from taskyard.engine.engine import Engine

_WINDOW_US = 24 * 3600 * 1_000_000


async def queue_figures(engine: Engine) -> list[dict[str, Any]]:
    """The five queues as the contract shapes them; ages in seconds, rates per second over the last minute.

    `slots`: how many of the queue's type run on all machines, and how many may (None: any number).
    """
    rates = await engine.store.rates(60)
    figures = []
    for row in await engine.store.queues():
        queue = Queue(row.queue)
        added, dispatched = rates.get(row.queue, (0, 0))
        figures.append(
            {
                "name": queue.title,
                "paused": row.paused,
                "depth": row.depth,
                "inFlight": row.in_flight,
                "oldestAge": None if row.oldest_age is None else round(row.oldest_age / 1e6, 3),
                "addRate": round(added / 60, 3),
                "dispatchRate": round(dispatched / 60, 3),
                "slots": {"used": row.running, "limit": engine.gates.ceiling(queue)},
            }
        )
    return figures


async def workers(engine: Engine) -> list[dict[str, Any]]:
    """The workers that live; `heartbeatAge` in seconds, `cpu` as a share of one core."""
    now = await engine.store.now()
    return [
        {
            "workerId": row.info.name,
            "host": row.info.host,
            "pid": row.info.pid,
            "version": row.info.version,
            "queues": list(row.info.queues),
            "slots": row.info.slots,
            "running": row.running,
            "startedAt": iso(row.started_at),
            "heartbeatAge": round(max(0, now - row.beat_at) / 1e6, 3),
            "cpu": row.stats.get("cpu"),
            "memoryMb": row.stats.get("memoryMb"),
            "tiers": row.stats.get("tiers", []),
        }
        for row in await engine.store.workers()
    ]


async def dependencies(engine: Engine, own: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What tasks and this process (`own`) call, by name, each as it stands where it stands worst."""
    told = [own, *(row.stats.get("dependencies", {}) for row in await engine.store.workers())]
    worst: dict[str, dict[str, Any]] = {}
    for name, figures in (item for each in told for item in each.items()):
        if name not in worst or _badness(figures) > _badness(worst[name]):
            worst[name] = figures
    return dict(sorted(worst.items()))


def _badness(figures: dict[str, Any]) -> tuple[int, float]:
    return _BY_BADNESS.index(figures["state"]), figures["failureRate"]


_BY_BADNESS = (BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN)


async def metrics(engine: Engine, own: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Queues, counts and execution times of the last 24 hours by definition, type and kind, people's work, the workers
    and, with this process' `own`, the dependencies.
    """
    since = await engine.store.now() - _WINDOW_US
    counts = await engine.tally.counts()
    known = await engine.catalog.versions(kind_id for kind_id, _, _ in counts)
    kinds = {id_: one.kind for id_, one in known.items()}
    times = await engine.store.run_times(since)
    groups: dict[str, dict[str, Any]] = {}
    for name, key_of in _GROUPS.items():
        tallies: defaultdict[str, dict[State, int]] = defaultdict(lambda: defaultdict(int))
        spans: defaultdict[str, list[int]] = defaultdict(list)
        for kind_id, state, count in counts:
            if kind_id in kinds:
                tallies[key_of(kinds[kind_id].definition)][state] += count
        for kind_id, run_ms in times:
            if kind_id in kinds:
                spans[key_of(kinds[kind_id].definition)].append(run_ms)
        groups[name] = {key: _figures(tally, spans[key]) for key, tally in sorted(tallies.items())}
    calls = await dependencies(engine, own)
    queues = {row.pop("name"): row for row in await queue_figures(engine)}
    people = await engine.work.figures()
    return {"queues": queues, **groups, "people": people, "workers": await workers(engine), "dependencies": calls}


_GROUPS: dict[str, Callable[[Definition], str]] = {
    "definitions": lambda definition: definition.key,
    "taskTypes": lambda definition: definition.task_type.value,
    "implementationKinds": lambda definition: definition.kind,
}


def _figures(tally: dict[State, int], spans: list[int]) -> dict[str, Any]:
    ended = sum(tally.get(state, 0) for state in (State.COMPLETED, State.FAILED, State.CANCELED))
    failed = tally.get(State.FAILED, 0)
    return {
        "counts": {state.value: count for state, count in sorted(tally.items())},
        "executionTime": {f"p{q}": percentile(spans, q) for q in (50, 95, 99)},
        "errorRate": round(failed / ended, 4) if ended else 0.0,
    }
