"""The executor: knows how to run one kind of implementation, and nothing of queues or stores."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from taskyard.contracts.records import Claimed
from taskyard.domain.definition import Definition, Kind
from taskyard.domain.outcome import Report, TaskError
from taskyard.domain.policy import Policy


class Job(Protocol):
    """One attempt as its executor sees it."""

    claimed: Claimed
    kind: Kind
    policy: Policy

    @property
    def stopped(self) -> str | None:
        """Why the attempt should stop (`canceled`, `timeout`, `shutdown`), or None."""

    def log(self, level: str, text: str) -> None:
        """Say a line; never blocks. May be called from any thread."""

    def progress(self, current: float, total: float | None, action: str | None) -> None:
        """Say how far it is; never blocks. May be called from any thread."""

    def placed(self, tier: str, lock: str = "") -> None:
        """Say where the attempt runs, such as `bubblewrap` or `kubernetes`, and the hash of the lock of its packages;
        kept with the attempt.
        """

    async def emit(self, name: str, data: Any) -> None:
        """Put an event of the task's own into its trail; `data` is any JSON value."""

    def on_stop(self, callback: Callable[[str], None]) -> None:
        """Call `callback(reason)` on the event loop when the attempt should stop."""

    async def waiting(self, awaited: Awaitable[Any]) -> Any:
        """Wait for another task without holding this worker's slot."""


Run = Callable[[Job], Awaitable[Report]]
Fallback = Callable[[Job, TaskError], Awaitable[Any]]


def constant_fallback(kind: Kind) -> Fallback | None:
    """What gives a definition's constant; None where it has none."""
    constant = kind.definition.fallback

    async def give(job: Job, error: TaskError) -> Any:
        del job, error
        return constant

    return None if constant is None else give


class Executor(Protocol):
    """One kind of implementation."""

    def can_run(self, definition: Definition, target: str = "") -> bool:
        """Whether this process can run the definition, at the target that a task asks for if it asks for one."""

    def bind(self, kind: Kind) -> Run:
        """How to run one attempt of this version. Handlers' errors come back as reports, never raised;
        `asyncio.CancelledError` passes through.
        """

    def fallback(self, kind: Kind) -> Fallback | None:
        """What gives a result after the last attempt has failed; None when nothing does. It may raise."""

    async def start(self) -> None:
        """Make ready what runs need."""

    async def stop(self) -> None:
        """Let go of everything; runs have ended."""
