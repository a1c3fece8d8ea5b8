"""The targets that tasks ask for: each gets lanes of its own, which everybody's workers look through."""

from __future__ import annotations

from collections.abc import Iterable

from taskyard.contracts.records import WorkerRow
from taskyard.domain.policy import invalid
from taskyard.domain.queue import LaneKey
from taskyard.engine.engine import Engine

_MOST_ABSENT = 32
"""Targets that no worker has may be waited for, as for one that is about to start; so many of them at most."""

_PATH = "/executionConfig/target"


def runs_at(worker: WorkerRow, kind: str, target: str) -> bool:
    """Whether the worker has the target, and that runs the kind."""
    return f"{kind}:{target}" in worker.stats.get("targets", ())


async def admit_target(engine: Engine, kind: str, lane: LaneKey) -> None:
    """Raises ValidationFailed where the lane's target does not run the kind, or is one more that no worker has."""
    if not lane.target or engine.catalog.has_lane(lane):
        return
    there = _kinds_by_target(await engine.store.workers())
    kinds = there.get(lane.target, set())
    if kinds and kind not in kinds:
        raise invalid(_PATH, f"{lane.target!r} runs {', '.join(sorted(kinds))}, not {kind}", "kind")
    absent = {key.target for key in (await engine.catalog.all_lanes()).values()} - there.keys() - {""}
    if not kinds and lane.target not in absent and len(absent) >= _MOST_ABSENT:
        raise invalid(_PATH, f"no worker has the target {lane.target!r}; start one where it is set up", "target")


def _kinds_by_target(workers: Iterable[WorkerRow]) -> dict[str, set[str]]:
    """The kinds that run at each target, as the workers tell."""
    found: dict[str, set[str]] = {}
    for worker in workers:
        for told in worker.stats.get("targets", ()):
            kind, _, target = told.rpartition(":")
            found.setdefault(target, set()).add(kind)
    return found
