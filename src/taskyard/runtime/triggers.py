"""Triggers: code in this process that listens to what happens to tasks."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import structlog

from taskyard.contracts.records import Topic
from taskyard.domain.event import TaskEvent
from taskyard.engine.engine import Engine
from taskyard.engine.events import read_feed
from taskyard.errors import TaskyardError

_AT_ONCE = 200
_LOOK_EVERY = 0.5
_LAST_WORDS = 2.0

Listener = Callable[[Any], Any]

log = structlog.get_logger("taskyard.triggers")


class Listeners:
    """Who listens for which name; `*` hears every event."""

    def __init__(self) -> None:
        self._by_name: defaultdict[str, list[Listener]] = defaultdict(list)

    def add(self, name: str, listener: Listener) -> None:
        """Call `listener(event)` for `name`: a trigger name, a routing key, an event type, or a name emitted."""
        self._by_name[name].append(listener)

    def __bool__(self) -> bool:
        return bool(self._by_name)

    async def call(self, names: list[str], subject: Any) -> None:
        """Call everybody who listens for any of `names`; one that fails harms nobody."""
        for name in names:
            for listener in self._by_name.get(name, ()):
                try:
                    answer = listener(subject)
                    if inspect.isawaitable(answer):
                        await answer
                except Exception:
                    log.exception("a listener failed", name=name)


class Triggers:
    """Reads the feed from where it stands when the process starts, and calls the listeners in order."""

    def __init__(self, engine: Engine, listeners: Listeners) -> None:
        self._engine = engine
        self._listeners = listeners
        self._after = 0
        self._woken = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen from now on."""
        self._after = await self._engine.store.feed_end()
        self._task = asyncio.create_task(self._run(), name="taskyard-triggers")

    async def stop(self) -> None:
        """Listen no more; what has happened until now is still told, as far as that takes no more than 2 s."""
        if self._task is None:
            return
        task, self._task = self._task, None
        with contextlib.suppress(TimeoutError, TaskyardError):
            async with asyncio.timeout(_LAST_WORDS):
                while await self._engine.store.sequence(_AT_ONCE):
                    pass
                self._stopping = True
                self._woken.set()
                await task
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        stop_listening = self._engine.store.listen(Topic.FEED, self._woken.set)
        try:
            while True:
                self._woken.clear()
                if await self._step():
                    continue
                if self._stopping:
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY):
                        await self._woken.wait()
        finally:
            stop_listening()

    async def _step(self) -> bool:
        """Tell what is new; False when nothing was."""
        try:
            events = await read_feed(self._engine, self._after, _AT_ONCE)
        except TaskyardError as error:
            log.warning("listeners wait for the store", reason=error.message)
            await asyncio.sleep(_LOOK_EVERY)
            return True
        for one in events:
            self._after = one.pos
            await self._listeners.call(names_of(one.event, one.triggers), one.event)
        return bool(events)


def names_of(event: TaskEvent, triggers: list[str]) -> list[str]:
    """Every name under which an event is heard."""
    return [*triggers, event.key, event.type, "*"]
