"""What the show knows of one run, gathered from the messages that follow it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from taskyard.demo.plan import Step

Message = Mapping[str, Any]

FINAL = frozenset({"COMPLETED", "FAILED", "CANCELED"})


class Run(Protocol):
    """A run that was started."""

    @property
    def id(self) -> str:
        """The task's id."""

    @property
    def status(self) -> str:
        """Its state when last seen."""

    def follow(self) -> AsyncIterator[Message]:
        """Yield what happened and happens, until the end."""


@dataclass(slots=True)
class Track:
    """One run as it stands: `total` is None until it is known, `result` one line for people."""

    step: Step
    run: Run
    status: str = "PENDING"
    attempts: int = 0
    current: float = 0
    total: float | None = None
    action: str = ""
    result: str = ""
    started: datetime | None = None
    ended: datetime | None = None

    @property
    def as_expected(self) -> bool:
        """Whether it ended, and in the state that its step expected."""
        return self.status == self.step.expected

    @property
    def percent(self) -> float:
        """How far it is, 0 to 100."""
        if self.status == "COMPLETED":
            return 100
        return 100 * self.current / self.total if self.total else 0

    @property
    def caption(self) -> str:
        """What there is to say beside its bar."""
        delay = self.step.options.get("delay")
        scheduled = f"scheduled for {delay} s later" if delay and not self.attempts else ""
        return self.result or self.action or scheduled

    @property
    def elapsed(self) -> timedelta | None:
        """From the first start to the end; None unless it started and ended."""
        return self.ended - self.started if self.started and self.ended else None

    def take(self, message: Message) -> None:
        """Learn from one message of the run."""
        match message["type"]:
            case "status":
                self._take_status(str(message["status"]), datetime.fromisoformat(message["at"]))
            case "progress":
                self.current = message.get("current") or 0
                self.total = message.get("total")
                self.action = message.get("action") or ""
            case "result":
                self.status = str(message["status"])
                self.result = _in_short(message)

    def _take_status(self, status: str, at: datetime) -> None:
        if status == "RUNNING":
            self.attempts += 1
            self.started = self.started or at
        if status in FINAL:
            self.ended = at
        self.status = status


def _in_short(message: Message) -> str:
    """Say a result in one line: the samples' outputs bring a summary, errors a code and a message."""
    error = message.get("error")
    if error:
        return f"{error['code']}: {error['message']}"
    output = message.get("output")
    return str(output.get("summary", "")) if isinstance(output, Mapping) else ""
