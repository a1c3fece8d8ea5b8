"""What every bridge to another orchestrator is: a few loops that go on after any error, each with a pause."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from taskyard.errors import TaskyardError

PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds after the first, second, … failure in a row."""

OUR_CODES = frozenset(
    {
        "VALIDATION_ERROR", "OUTPUT_VALIDATION_ERROR", "EXECUTION_ERROR", "TIMEOUT", "WORKER_LOST", "SANDBOX_ERROR",
        "SANDBOX_UNAVAILABLE", "RESOURCE_LIMIT", "INTEGRATION_ERROR", "CIRCUIT_OPEN", "CANCELED",
    }
)  # fmt: skip
"""The codes of failures; any other is a handler's own, and so a business error."""

Step = Callable[[], Awaitable[None]]

log = structlog.get_logger("taskyard.orchestrators")


def pause_after(failures: int) -> float:
    """Seconds to wait after so many failures in a row before this one."""
    return PAUSES[min(failures, len(PAUSES) - 1)]


class Bridge:
    """Does each of its steps again and again, side by side."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._running: list[asyncio.Task[None]] = []

    def steps(self) -> list[Step]:
        """What is done again and again."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin."""
        self._running = [asyncio.create_task(self.again(step), name=f"taskyard-{self.name}") for step in self.steps()]

    async def stop(self) -> None:
        """Stop; what is under way is taken up by whoever comes next."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def again(self, step: Step) -> None:
        """Do a step for ever."""
        failures = 0
        while True:
            try:
                await step()
                failures = 0
            except (TaskyardError, msgspec.MsgspecError) as error:
                log.warning("an orchestrator cannot be used; it is asked again", which=self.name, reason=str(error))
                await asyncio.sleep(pause_after(failures))
                failures += 1
            except Exception:
                log.exception("something went wrong with an orchestrator; it is asked again", which=self.name)
                await asyncio.sleep(pause_after(failures))
                failures += 1
