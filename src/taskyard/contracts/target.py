"""The target: a place where code that is not ours runs. JSON goes in and JSON comes out, wherever that is.

What runs there is never trusted: what it says comes as frames (`taskyard.domain.frame`), which are read as hostile.
A target outside this package is found by the entry point `taskyard.targets`; `taskyard.testing.conformance.target`
holds it to this contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from taskyard.domain.outcome import Report
from taskyard.domain.resources import Resources
from taskyard.domain.upload import UploadedFile


class Call(NamedTuple):
    """One attempt at running something at a target.

    `implementation` is the definition's, its `kind` one of the target's; `input` is JSON, checked already.
    `token` is the same for all attempts of a task until somebody requeues it, so that a place which has seen it may
    give what came of it.
    `timeout` is in seconds and the whole attempt's; `resources.wall_seconds` never exceeds it.
    `files`: what the input names by upload id; they may be read, and never changed.
    """

    task_id: str
    attempt: int
    token: str
    definition: str
    version: str
    implementation: Mapping[str, Any]
    input: bytes
    timeout: float
    resources: Resources
    security_level: str = "LOW"
    files: Mapping[str, UploadedFile] = {}

    @property
    def wall(self) -> float:
        """How long it may take once it has begun, in seconds."""
        return min(self.timeout, self.resources.wall_seconds or self.timeout)

    @property
    def kind(self) -> str:
        """The kind of implementation."""
        return str(self.implementation["kind"])


class Observer(Protocol):
    """Who is told what a call says while it runs. Every `Job` is one."""

    def log(self, level: str, text: str) -> None:
        """Hear a line: level debug, info, warning or error. Never blocks."""

    def progress(self, current: float, total: float | None, action: str | None) -> None:
        """Hear how far it is. Never blocks."""

    def placed(self, tier: str, lock: str = "") -> None:
        """Hear where it runs, such as `bubblewrap` or `kubernetes`, before it does; kept with the attempt.

        `lock`: the hash of the lock of the packages it was given, if it was given any.
        """


class Standing(NamedTuple):
    """What a target can do on this machine for one kind.

    `tier`: where it would run, or empty where it cannot; then `missing` says what is missing and `mend` what to do.
    """

    kind: str
    tier: str
    missing: str = ""
    mend: str = ""


class Target(Protocol):
    """A place where code runs."""

    @property
    def name(self) -> str:
        """What a definition's `target` calls it."""

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of implementation it can be asked to run."""

    async def run(self, call: Call, observer: Observer) -> Report:
        """Run the call and report how it ended; never raises but `asyncio.CancelledError`.

        Cancelled, it has the place stop and let go of everything before it lets the cancellation pass; the caller
        cancels it when the task is canceled, when its time is over, and when this worker stops.
        A result is `Done` with any JSON value, not yet checked against the output schema; who answers later is
        `Handed`; what went wrong is `Failed`, its code one of the contract's:
        `SANDBOX_UNAVAILABLE` (never started), `RESOURCE_LIMIT` with `details.limit`, `TIMEOUT`, `EXECUTION_ERROR`
        with the program's own message and its last output, `SANDBOX_ERROR` for whatever else is not the program's.
        """

    async def standings(self) -> list[Standing]:
        """What it can do here, a kind each."""

    async def start(self) -> None:
        """Make ready, and clear away what a worker that crashed has left there."""

    async def stop(self) -> None:
        """Let go of everything; calls have ended."""
