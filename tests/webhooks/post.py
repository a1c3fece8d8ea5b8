"""The post office of a test: a yard whose webhooks are planned and sent when the test says so."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import msgspec

from taskyard import Taskyard
from taskyard.contracts.webhooks import DeliveryFilter, DeliveryRow, SubscriptionRow
from taskyard.domain.definition import Definition
from taskyard.domain.queue import Queue
from taskyard.domain.webhook import Endpoint
from taskyard.engine.cancel import cancel
from taskyard.engine.define import define
from taskyard.engine.lease import DequeueRequest, HeartbeatRequest, Report, dequeue, heartbeat
from taskyard.engine.request import TaskRequest
from taskyard.engine.submit import submit, submit_many
from taskyard.engine.subscriptions import subscribe
from taskyard.notify.webhooks.dispatcher import Dispatcher
from taskyard.notify.webhooks.lines import Lines
from taskyard.notify.webhooks.planner import Planner
from taskyard.security.caller import LOCAL, Caller
from taskyard.security.egress.client import Egress
from taskyard.security.lease import LeaseSigner
from taskyard.testing.clock import ManualClock

_SIGNER = LeaseSigner(b"k" * 32)


class Post:
    """An open yard on a clock that is moved by hand; nothing is executed."""

    def __init__(self, yard: Taskyard, clock: ManualClock | None, egress: Egress | None = None) -> None:
        self.engine = yard.engine
        self.store = yard.engine.store
        self.outside = yard.app.outside
        self.egress = egress or yard.app.egress
        self._clock = clock
        self.planner = Planner(self.engine)
        self.dispatcher = self.new_dispatcher()

    @classmethod
    async def on(cls, yard: Taskyard, clock: ManualClock | None, egress: Egress | None = None) -> Post:
        """The post office of an open yard."""
        await define(yard.engine, [Definition(key="sums", implementation={"kind": "external", "topic": "sums"})])
        return cls(yard, clock, egress)

    @property
    def clock(self) -> ManualClock:
        """The clock that the test moves."""
        assert self._clock is not None
        return self._clock

    def new_dispatcher(self) -> Dispatcher:
        """Another one, as another process would have it."""
        return Dispatcher(self.engine, Lines(self.engine, self.outside, self.egress))

    async def subscribe(
        self, url: str, *events: str, caller: Caller = LOCAL, vetted: bool = True, **fields: Any
    ) -> tuple[SubscriptionRow, str]:
        """A subscription of these events, or of all, and its secret."""
        outside = self.outside if vetted else self.outside._replace(check_url=_pass)
        endpoint = msgspec.convert({"url": url, "events": list(events) or ["*"], **fields}, Endpoint)
        return await subscribe(self.engine, outside, caller, endpoint)

    async def start(self, count: int = 1, **fields: Any) -> list[int]:
        """Tasks that wait; their ids. Each is an event."""
        request = TaskRequest(task_definition_id="sums", **fields)
        done = await submit_many(self.engine, [request] * count, LOCAL)
        return [int(each.task.task_id) for each in done]

    async def one(self, caller: Caller = LOCAL, **fields: Any) -> int:
        """One task that waits."""
        return int((await submit(self.engine, TaskRequest(task_definition_id="sums", **fields), caller)).task.task_id)

    async def lease(self) -> str:
        """Have a worker elsewhere begin the task that waits; its lease token."""
        (message,) = await dequeue(self.engine, _SIGNER, LOCAL, Queue.AUTOMATED, DequeueRequest(worker_id="elsewhere"))
        return str(message["leaseToken"])

    async def report(self, task_id: int, token: str, current: int) -> None:
        """The worker says how far the task is, and whoever wants that is told."""
        said = HeartbeatRequest(lease_token=token, progress=Report(current=current, total=4))
        await heartbeat(self.engine, _SIGNER, LOCAL, task_id, said)
        await self.planner.plan_progress()
        await self.send()

    async def end(self, task_id: int, reason: str | None = None) -> None:
        """Cancel a task. That is an event."""
        await cancel(self.engine, task_id, "ada", reason)

    async def plan(self) -> None:
        """Plan all there is."""
        while await self.store.sequence(1000):
            pass
        while await self.planner.plan():
            pass

    async def send(self, patience: float = 60) -> None:
        """Send what is due now, and what becomes due by that."""
        async with asyncio.timeout(patience):
            while await self.dispatcher.look() or not self.dispatcher.is_idle:
                await asyncio.sleep(0.001)

    async def settle(self) -> None:
        """Plan and send all that can be now."""
        await self.plan()
        await self.send()

    async def pass_time(self, seconds: float, patience: float = 60) -> None:
        """Let time pass, and send what is due then."""
        self.clock.move(seconds)
        await self.send(patience)

    async def deliveries(self, **wanted: Any) -> list[DeliveryRow]:
        """What there is, oldest first."""
        pages, after = [], None
        for _ in itertools.count():
            rows = await self.store.deliveries(DeliveryFilter(**wanted), 1000, after)
            if not rows:
                break
            pages += rows
            after = rows[-1].id
        return pages[::-1]


async def _pass(url: str, path: str) -> str:
    del path
    return url
