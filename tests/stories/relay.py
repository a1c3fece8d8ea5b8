"""A relay that has its turns when a test says so, and sends to a real HTTP receiver."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from taskyard import Taskyard
from taskyard.calls.breakers import Circuit
from taskyard.connectors.http import HttpConnector, HttpOptions
from taskyard.contracts.bus import LetterFilter, LetterStatus
from taskyard.domain.window import BREAKER
from taskyard.runtime.relay import Relay
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules
from taskyard.testing.clock import ManualClock
from tests.servers.receiver import Posted, Receiver, receiving

DEAD = LetterFilter(frozenset({LetterStatus.DEAD}))


class Plant:
    """A yard whose relay has its turns when the test says so, at the time it says."""

    def __init__(self, yard: Taskyard, receiver: Receiver, egress: Egress) -> None:
        self.yard = yard
        self.receiver = receiver
        self.egress = egress
        self.clock = ManualClock()
        self.circuit = Circuit("connector:http", BREAKER, self.clock)
        self.relay = self.new_relay()

    def new_relay(self, *, cloud_events: bool = False, secret: str = "") -> Relay:
        """As another process would have it."""
        connector = HttpConnector(HttpOptions(self.receiver.url, "token", secret), self.egress)
        return Relay(
            self.yard.engine, connector, self.circuit, cloud_events=cloud_events, now=lambda: self.clock.now() / 1e6
        )

    async def turn(self, seconds: float = 0.0, relay: Relay | None = None) -> None:
        """Let time pass, then have the relay its turn."""
        self.clock.move(seconds)
        while await self.yard.engine.store.sequence(1000):
            pass
        await (relay or self.relay).turn()

    async def put(self, count: int = 1) -> list[str]:
        """New tasks that come to an end each: created and canceled."""
        runs = [await self.yard.start("job") for _ in range(count)]
        for run in runs:
            await run.cancel()
        return [run.id for run in runs]

    async def letters(self, status: LetterStatus = LetterStatus.DEAD) -> list[str]:
        found = await self.yard.engine.store.letters(LetterFilter(frozenset({status})), 99, None, oldest_first=True)
        return [letter.event_id for letter in found]


def is_about(posted: Posted, task_id: str, what: str) -> bool:
    """Whether it is this event of this task."""
    event = posted.json
    return bool(event["data"]["taskId"] == task_id and event["type"].endswith(what))


@contextlib.asynccontextmanager
async def planted(yard: Taskyard) -> AsyncIterator[Plant]:
    """A plant on an open yard with a task `job`."""

    @yard.task
    async def job() -> None: ...

    egress = Egress(Guard(Rules.parse(["127.0.0.1"])))
    async with yard, receiving() as receiver:
        plant = Plant(yard, receiver, egress)
        await plant.relay.begin()
        yield plant
        await egress.aclose()


BOTH = ["task.instance.created", "task.instance.canceled"]
"""What is told of a task that is put and canceled."""
