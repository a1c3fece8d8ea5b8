"""The executor: knows how to run one kind of implementation, and nothing of queues or stores."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from taskyard.contracts.records import Claimed
from taskyard.domain.definition import Definition, Kind
from taskyard.domain.outcome import Result
from taskyard.domain.policy import Policy


class Job(Protocol):
    """One attempt as its executor sees it."""

    claimed: Claimed
    kind: Kind
    policy: Policy

    @property
    def canceled(self) -> str | None:
        """Why the attempt should stop (`canceled`, `timeout`, `lease lost`, `shutdown`), or None."""

    def log(self, level: str, text: str) -> None:
        """Say a line; never blocks."""

    def progress(self, current: float, total: float | None, action: str | None) -> None:
        """Say how far it is; never blocks."""

    def services(self) -> Any:
        """What the process offers to handlers: starting subtasks, triggers, uploads."""


Run = Callable[[Job], Awaitable[Result]]


class Executor(Protocol):
    """One kind of implementation."""

    def can_run(self, definition: Definition) -> bool:
        """Whether this process can run the definition."""

    def bind(self, kind: Kind) -> Run:
        """How to run one attempt of this version. Handlers' errors come back as results, never raised;
        `asyncio.CancelledError` passes through.
        """

    async def start(self) -> None:
        """Make ready what runs need."""

    async def stop(self) -> None:
        """Let go of everything; runs have ended."""
