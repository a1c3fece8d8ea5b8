"""Claiming: one loop a worker, over all the lanes it can run, in batches as large as it can soon work off."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Collection
from functools import partial

from taskyard.contracts.executor import Executor, Fallback, Run
from taskyard.contracts.records import Lease, Topic
from taskyard.domain.definition import Definition, Kind
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.outcome import Released
from taskyard.domain.policy import Policy
from taskyard.domain.settlement import Budgets, Decision
from taskyard.engine.catalog import Known
from taskyard.engine.engine import Engine
from taskyard.engine.gates import Lanes, Rank
from taskyard.runtime.desk import Desk
from taskyard.runtime.insistence import Wait, insist
from taskyard.runtime.job import LiveJob
from taskyard.runtime.runner import Runners

_LARGEST = 512
_AHEAD_SECONDS = 0.1
_AHEAD_MOST = 1024
_POLL_SOONEST, _POLL_LATEST = 0.02, 0.5
_LANES_FRESH, _LANES_AGAIN = 1.0, 0.05
_SUSPECTS_EVERY, _SUSPECTS_AGAIN = 0.5, 0.1


class Claimer:
    """Keeps the desk filled.

    `prefetch`: whether more may be claimed than run at once. Only a supervised worker may, for only then is it
    known after a crash which tasks had started.
    """

    def __init__(
        self, engine: Engine, desk: Desk, runners: Runners, executors: list[Executor], homes: frozenset[int],
        worker_id: int, *, prefetch: bool, wait: Wait = asyncio.sleep,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._desk = desk
        self._runners = runners
        self._executors = executors
        self._homes = homes
        self._prefetch = prefetch
        self._sleep = wait
        self.worker_id = worker_id
        self.definitions: list[str] | None = None
        self._lanes = Lanes([], [])
        self._suspect_lanes: list[Rank] = []
        self._lanes_seen = 0
        self._lanes_until = self._newer_lanes_from = 0.0
        self._woken = False
        self._suspects_waiting: list[LiveJob] = []
        self._suspects_from = 0.0

    async def run(self) -> None:
        """Claim until cancelled, or until the desk is stopping."""
        stop_listening = self._engine.store.listen(Topic.READY, self._wake)
        pause = _POLL_SOONEST
        try:
            while not self._desk.stopping:
                room = self._room()
                if room <= 0:
                    await self._wait(_POLL_SOONEST if self._desk.suspects else _POLL_LATEST)
                    continue
                got = await insist(partial(self._claim, room), "no tasks can be claimed now", self._sleep)
                if got >= room:
                    pause = _POLL_SOONEST
                    continue
                pause = _POLL_SOONEST if got else min(pause * 2, _POLL_LATEST)
                opens_in = await insist(self._engine.gates.opens_in, "rates cannot be looked up now", self._sleep)
                jittered = pause * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
                if await self._wait(jittered if opens_in is None else min(jittered, opens_in)):
                    pause = _POLL_SOONEST
        finally:
            stop_listening()

    def _wake(self) -> None:
        self._woken = True
        self._desk.hungry.set()

    async def _wait(self, seconds: float) -> bool:
        """Wait until there may be more to do; False when only time has passed."""
        try:
            async with asyncio.timeout(seconds):
                await self._desk.hungry.wait()
        except TimeoutError:
            return False
        self._desk.hungry.clear()
        return True

    def _room(self) -> int:
        """How many more to claim: free slots, and what is worked off within a tenth of a second."""
        desk = self._desk
        if self._advance_suspects():
            return 0
        ahead = 0
        if self._prefetch and desk.run_seconds > 0:
            ahead = min(_AHEAD_MOST, int(desk.slots * _AHEAD_SECONDS / desk.run_seconds))
        room = desk.slots + ahead - desk.busy - len(desk.waiting)
        return min(room, _LARGEST) if room > ahead // 2 else 0

    async def _claim(self, room: int) -> int:
        """Claim up to `room`; how many. A wake-up that brings nothing may be for a lane not known yet."""
        if self._desk.stopping:
            return 0
        if time.monotonic() >= self._lanes_until:
            await self._refresh_lanes()
        if self._suspect_lanes and not self._desk.suspects and time.monotonic() >= self._suspects_from:
            self._suspects_from = time.monotonic() + _SUSPECTS_EVERY
            if await self._claim_suspects():
                return 0
        claimed = await self._claim_lanes(room)
        if not claimed and self._woken and await self._has_new_lanes():
            await self._refresh_lanes()
            claimed = await self._claim_lanes(room)
        return claimed

    async def _has_new_lanes(self) -> bool:
        """Whether there are lanes that were not there at the last look; looked up so often at most."""
        if time.monotonic() < self._newer_lanes_from:
            return False
        self._newer_lanes_from = time.monotonic() + _LANES_AGAIN
        self._woken = False
        return len(await self._engine.catalog.latest_lanes()) > self._lanes_seen

    async def _claim_lanes(self, room: int) -> int:
        lease = await self._engine.gates.claim(self.worker_id, self._lanes, room)
        return 0 if lease is None else await self._take(lease)

    async def _refresh_lanes(self) -> None:
        self._lanes_until = time.monotonic() + _LANES_FRESH
        lanes = await self._engine.catalog.all_lanes()
        current = {kind.definition.key: kind.definition for kind in await self._engine.catalog.all_current()}
        runnable = {(key, "") for key, definition in current.items() if self._executor(definition, "") is not None}
        self.definitions = sorted(key for key, _ in runnable)
        asked = {(key.definition, key.target) for key in lanes.values() if key.target and key.definition in current}
        runnable |= {(key, target) for key, target in asked if self._executor(current[key], target) is not None}
        self._lanes_seen = len(lanes)
        homes = self._homes
        mine = {i: key for i, key in lanes.items() if key.home in homes and (key.definition, key.target) in runnable}
        self._lanes = await self._engine.gates.sort({id_: key for id_, key in mine.items() if not key.solo})
        self._suspect_lanes = await self._engine.gates.sort_solo(mine)

    def _executor(self, definition: Definition, target: str) -> Executor | None:
        return next((executor for executor in self._executors if executor.can_run(definition, target)), None)

    async def _claim_suspects(self) -> bool:
        """Claim tasks that have lost a worker before; they run apart from others, once the desk is empty."""
        lease = await self._engine.gates.claim_solo(self.worker_id, self._suspect_lanes, company=self._desk.slots)
        if lease is None:
            return False
        self._desk.left[lease.id] = len(lease.tasks)
        self._suspects_waiting = await self._jobs(lease)
        self._desk.suspects = list(self._suspects_waiting)
        return True

    def _advance_suspects(self) -> bool:
        """Start the suspects when nothing else is at work; whether they keep others from being claimed.

        Parents that wait for their children are not at work, and their children must not wait for suspects.
        """
        desk = self._desk
        if not desk.suspects:
            return False
        if self._suspects_waiting and not desk.busy and not desk.waiting:
            self._start(self._suspects_waiting)
            self._suspects_waiting = []
        elif not self._suspects_waiting and not any(self._is_at_work(job) for job in desk.suspects):
            desk.suspects = []
            self._suspects_from = time.monotonic() + _SUSPECTS_AGAIN
            return False
        return bool(desk.busy or desk.waiting or self._suspects_waiting)

    def _is_at_work(self, job: LiveJob) -> bool:
        return job in self._desk.waiting or self._desk.running.get(job.claimed.task_id) is job

    def give_back_suspects(self, reason: str, queues: Collection[int] | None = None) -> None:
        """Let go of the suspects, where they have not begun and come from one of these queues (None: from any)."""
        lane_key = self._engine.catalog.lane_key
        for job in tuple(self._suspects_waiting):
            if queues is None or lane_key(job.claimed.lane_id).queue in queues:
                self._suspects_waiting.remove(job)
                self._desk.suspects.remove(job)
                self._put_back(job, reason)

    def _put_back(self, job: LiveJob, reason: str) -> None:
        budgets = Budgets(job.claimed.failures, job.claimed.losses)
        self._desk.put_back(job, Released(reason), Decision(Outcome.RELEASED, budgets))

    async def _take(self, lease: Lease) -> int:
        """Start what was leased; what comes when the worker is stopping already goes back."""
        self._desk.left[lease.id] = len(lease.tasks)
        jobs = await self._jobs(lease)
        if self._desk.stopping:
            for job in jobs:
                self._put_back(job, "not begun")
        else:
            self._start(jobs)
        return len(lease.tasks)

    def _start(self, jobs: list[LiveJob]) -> None:
        for job in jobs:
            self._desk.add(job)
        self._runners.wake(len(jobs))

    async def _jobs(self, lease: Lease) -> list[LiveJob]:
        """The leased tasks with all they need; those that cannot run here after all go back."""
        known, policies = await insist(partial(self._looked_up, lease), "claimed tasks wait for the store", self._sleep)
        bound: dict[tuple[int, str], tuple[Run | None, Fallback | None]] = {}
        jobs = []
        for task in lease.tasks:
            one, policy = known[task.kind_id], policies[task.policy_id]
            way = task.kind_id, policy.target
            if way not in bound:
                bound[way] = self._bound(one.kind, policy.target)
            run, fallback = bound[way]
            job = LiveJob(lease.id, task, one, policy, run, fallback)  # type: ignore[arg-type]  # without a way it goes back
            if run is None:
                self._put_back(job, "this worker cannot run this version")
            else:
                jobs.append(job)
        return jobs

    def _bound(self, kind: Kind, target: str) -> tuple[Run | None, Fallback | None]:
        """How this version is run at a target, and what is given where it fails; None where it cannot be."""
        executor = self._executor(kind.definition, target)
        return (None, None) if executor is None else (executor.bind(kind), executor.fallback(kind))

    async def _looked_up(self, lease: Lease) -> tuple[dict[int, Known], dict[int, Policy]]:
        catalog = self._engine.catalog
        return (
            await catalog.versions(task.kind_id for task in lease.tasks),
            await catalog.policies(task.policy_id for task in lease.tasks),
        )
