"""The intake: takes what the connector brings, and lets go of a message when its effect, or it itself, is stored."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog

from taskyard.contracts.bus import LetterStatus
from taskyard.contracts.connector import Away, Connector, Received
from taskyard.domain.incoming import read_incoming
from taskyard.domain.json import loads
from taskyard.domain.window import PUBLISHING
from taskyard.engine.engine import Engine
from taskyard.engine.letters import keep_message
from taskyard.engine.take import Shutdown, take_or_hold
from taskyard.errors import PayloadTooLarge, TaskyardError
from taskyard.runtime.insistence import Wait, insist, until_back
from taskyard.security.caller import Caller

_EXTEND_EVERY = 15.0
_TRIES = 5
_FIRST_PAUSE = 0.2

log = structlog.get_logger("taskyard.intake")


class IntakeOptions(NamedTuple):
    """With whose rights events come, how large they may be (bytes), and how pauses pass.

    `is_over`: whether the process has been told to stop, so that nothing more is to be asked for.
    """

    caller: Caller
    max_body: int = 1 << 20
    is_over: Callable[[], bool] = lambda: False
    wait: Wait = asyncio.sleep
    extend_every: float = _EXTEND_EVERY


class Intake:
    """Receives until it is stopped. Messages of one lane are taken in order, those of several lanes together."""

    def __init__(self, engine: Engine, connector: Connector, shutdown: Shutdown, options: IntakeOptions) -> None:
        self._engine = engine
        self._connector = connector
        self._shutdown = shutdown
        self._options = options
        self._wait = until_back(engine.store, options.wait)
        self._task: asyncio.Task[None] | None = None
        self._done: list[Received] = []
        self.taken = 0

    def start(self) -> None:
        """Begin to receive."""
        self._task = asyncio.create_task(self._run(), name="taskyard-intake")

    async def stop(self) -> None:
        """Receive no more. What is done is acknowledged, the rest comes again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        failures = 0
        while not self._options.is_over():
            try:
                received = await self._connector.receive()
                failures = 0
                if received and self._options.is_over():
                    await self._connector.release(received)
                elif received:
                    await self._take_all(received)
            except Away as error:
                failures += 1
                pause = PUBLISHING.delay(failures, 0.5)
                log.warning("no events come", connector=self._connector.name, reason=str(error), again_in=pause)
                await self._options.wait(pause)
            except Exception:
                log.exception("the intake failed; it goes on", connector=self._connector.name)
                await self._options.wait(_FIRST_PAUSE)

    async def _take_all(self, received: Sequence[Received]) -> None:
        lanes: defaultdict[str, list[Received]] = defaultdict(list)
        for one in received:
            lanes[one.lane].append(one)
        self._done = []
        keeping = asyncio.create_task(self._keep_hidden(received))
        try:
            async with asyncio.TaskGroup() as group:
                for lane in lanes.values():
                    group.create_task(self._take_lane(lane))
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await _to_the_end(asyncio.create_task(self._let_go(received)))

    async def _let_go(self, received: Sequence[Received]) -> None:
        done = {one.id for one in self._done}
        rest = [one for one in received if one.id not in done]
        try:
            await self._connector.acknowledge(self._done)
        finally:
            if rest:
                await self._connector.release(rest)

    async def _take_lane(self, lane: Sequence[Received]) -> None:
        for one in lane:
            await self._take(one)
            self._done.append(one)
            self.taken += 1

    async def _keep_hidden(self, received: Sequence[Received]) -> None:
        """Extend what is still in hand, so that nobody else begins with it."""
        while True:
            await asyncio.sleep(self._options.extend_every)
            done = {one.id for one in self._done}
            with contextlib.suppress(Away):
                await self._connector.extend([one for one in received if one.id not in done])

    async def _take(self, one: Received) -> None:
        """Take a message, or keep it where it cannot be: nobody waits behind it for longer."""
        reason, tries = "", 0
        for tries in range(1, _TRIES + 1):
            try:
                await insist(lambda: self._try(one), "an event waits for the store", self._wait)
            except TaskyardError as error:
                reason = error.message
                break
            except Exception as error:
                log.exception("an event could not be taken", message=one.id, tries=tries)
                reason = f"{type(error).__name__}: {error}"
                await self._options.wait(_FIRST_PAUSE * 2 ** (tries - 1))
            else:
                return
        log.error("a message was put aside", message=one.id, reason=reason)
        await insist(lambda: self._keep(one, reason, tries), "an event waits for the store", self._wait)

    async def _try(self, one: Received) -> None:
        if len(one.body) > self._options.max_body:
            raise PayloadTooLarge(f"the message has {len(one.body)} bytes and may have {self._options.max_body}")
        message_id = f"{self._connector.name}:{one.id}"
        event = read_incoming(loads(one.body), message_id=message_id, headers=one.headers, topic=one.topic)
        await take_or_hold(self._engine, event, self._options.caller, self._shutdown)

    async def _keep(self, one: Received, reason: str, tries: int) -> None:
        name = f"{self._connector.name}:{one.id}"
        facts = {"headers": one.headers, "topic": one.topic, "messageId": name}
        await keep_message(
            self._engine, name, one.topic, one.body, facts, self._options.caller, LetterStatus.DEAD, reason, tries
        )


async def _to_the_end(task: asyncio.Task[None]) -> None:
    """Wait for the task also when the waiting is canceled: what is done must not come again."""
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
