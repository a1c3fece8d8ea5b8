"""The worker's desk: what is claimed and waits, what runs, and what has ended and is not yet settled."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import NamedTuple

from taskyard.contracts.records import Claimed
from taskyard.domain.outcome import Completed, Result, Site
from taskyard.domain.settlement import Decision
from taskyard.engine.catalog import Known
from taskyard.runtime.job import LiveJob


class Ended(NamedTuple):
    """An attempt that has ended. `decision` None: completed, nothing to decide. `run_ms` in milliseconds.

    `site`: where it said it ran.
    """

    claim_id: int
    claimed: Claimed
    known: Known
    result: Result
    decision: Decision | None
    run_ms: int | None
    site: Site | None = None


class Desk:
    """Shared by the loops of one worker, all on one event loop."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.waiting: deque[LiveJob] = deque()
        self.running: dict[int, LiveJob] = {}
        self.ended: list[Ended] = []
        self.left: Counter[int] = Counter()
        self.parents = 0
        self.stuck = 0
        self.suspects: list[LiveJob] = []
        self.stopping = False
        self.work = asyncio.Semaphore(0)
        self.hungry = asyncio.Event()
        self.settle = asyncio.Event()
        self.run_seconds = 0.0
        self.completed = 0
        self.failed = 0

    @property
    def busy(self) -> int:
        """Attempts that hold a slot: those running, less the parents that wait for their children."""
        return len(self.running) - self.parents

    @property
    def lent(self) -> int:
        """Runners held up while their slots are others': by waiting parents, by handlers that will not stop."""
        return self.parents + self.stuck

    def add(self, job: LiveJob) -> None:
        """A claimed task waits for a runner."""
        self.waiting.append(job)

    def end(self, job: LiveJob, result: Result, decision: Decision | None, run_ns: int) -> None:
        """An attempt has ended."""
        run_ms = run_ns // 1_000_000
        self.ended.append(Ended(job.claim_id, job.claimed, job.known, result, decision, run_ms, job.site))
        self.run_seconds += (run_ns / 1e9 - self.run_seconds) * 0.05
        if isinstance(result, Completed):
            self.completed += 1
        else:
            self.failed += 1

    def put_back(self, job: LiveJob, result: Result, decision: Decision) -> None:
        """A claimed task leaves without having run."""
        self.ended.append(Ended(job.claim_id, job.claimed, job.known, result, decision, None))
        self.settle.set()
