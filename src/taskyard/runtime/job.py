"""One attempt while it runs in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from taskyard.contracts.executor import Fallback, Run
from taskyard.contracts.records import Claimed
from taskyard.domain.definition import Kind
from taskyard.domain.outcome import Site
from taskyard.domain.policy import Policy
from taskyard.engine.catalog import Known
from taskyard.runtime.reporter import Reporter


class LiveJob:
    """A claimed task, how to run it, and what was heard of it. `deadline` in the event loop's time."""

    __slots__ = (
        "_awaited", "_callbacks", "_reporter", "_task", "_waits", "abandoned", "claim_id", "claimed", "deadline",
        "fallback", "kind", "known", "policy", "run", "site", "stopped",
    )  # fmt: skip

    def __init__(
        self, claim_id: int, claimed: Claimed, known: Known, policy: Policy, run: Run, fallback: Fallback | None
    ) -> None:
        self.claim_id = claim_id
        self.claimed = claimed
        self.known = known
        self.kind: Kind = known.kind
        self.policy = policy
        self.run = run
        self.fallback = fallback
        self.stopped: str | None = None
        self.abandoned = False
        self.site: Site | None = None
        self.deadline = 0.0
        self._reporter: Reporter | None = None
        self._task: asyncio.Task[Any] | None = None
        self._waits: Callable[[int], None] | None = None
        self._awaited = 0
        self._callbacks: list[Callable[[str], None]] | None = None

    def begin(self, reporter: Reporter, task: asyncio.Task[Any], waits: Callable[[int], None], now: float) -> None:
        """The attempt starts now, in this runner's task. `waits(±1)` tells that it waits, or no longer does."""
        self._reporter, self._task, self._waits = reporter, task, waits
        self.deadline = now + self.policy.timeout

    def end(self) -> None:
        """The attempt has ended: whatever a thread of it still says is not heard."""
        if self._awaited and self._waits is not None:
            self._waits(-1)
        self._reporter = self._task = self._waits = None

    def stop(self, reason: str) -> None:
        """Tell the attempt to stop: an async handler is cancelled, the others are told."""
        if self.stopped is not None or self._task is None:
            return
        self.stopped = reason
        for callback in self._callbacks or ():
            callback(reason)
        self._task.cancel()

    def on_stop(self, callback: Callable[[str], None]) -> None:
        """See the contract of `Job`."""
        if self._callbacks is None:
            self._callbacks = []
        self._callbacks.append(callback)

    def log(self, level: str, text: str) -> None:
        """See the contract of `Job`."""
        reporter = self._reporter
        if reporter is not None:
            reporter.line(self.claimed.task_id, self.claimed.attempt, level, text)

    def progress(self, current: float, total: float | None, action: str | None) -> None:
        """See the contract of `Job`."""
        reporter = self._reporter
        if reporter is not None:
            reporter.progress(self.claimed.task_id, self.claimed.attempt, current, total, action)

    def placed(self, tier: str, lock: str = "") -> None:
        """See the contract of `Job`."""
        self.site = Site(tier, lock)

    async def emit(self, name: str, data: Any) -> None:
        """See the contract of `Job`."""
        reporter = self._reporter
        if reporter is not None:
            await reporter.emit(self.claimed.task_id, self.claimed.attempt, name, data)

    async def waiting(self, awaited: Awaitable[Any]) -> Any:
        """See the contract of `Job`."""
        if self._waits is None:
            return await awaited
        self._awaited += 1
        if self._awaited == 1:
            self._waits(1)
        try:
            return await awaited
        finally:
            self._awaited -= 1
            if self._awaited == 0 and self._waits is not None:
                self._waits(-1)
