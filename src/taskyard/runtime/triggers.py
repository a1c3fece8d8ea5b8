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
from taskyard.domain.webhook import PROGRESS
from taskyard.engine.engine import Engine
from taskyard.engine.events import read_page
from taskyard.engine.progress import EVERY, read_reports
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

    def hears(self, *names: str) -> bool:
        """Whether somebody listens for one of these names."""
        return any(name in self._by_name for name in names)

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
        self._told: dict[int, int] = {}
        self._look_at = 0.0
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
            progress = await self._progress()  # before what may have followed it
            page = await read_page(self._engine, self._after, _AT_ONCE)
        except TaskyardError as error:
            log.warning("listeners wait for the store", reason=error.message)
            await asyncio.sleep(_LOOK_EVERY)
            return True
        for one in page.events:
            self._after = one.pos
            task_id = one.event.data["taskId"]
            if task_id in progress and progress[task_id].sequence < one.event.sequence:
                await self._tell_progress(progress.pop(task_id))
            await self._listeners.call(names_of(one.event, one.triggers), one.event)
        for event in progress.values():
            await self._tell_progress(event)
        is_new = page.end > self._after or bool(page.events)
        self._after = page.end
        return is_new

    async def _tell_progress(self, event: TaskEvent) -> None:
        await self._listeners.call([event.key, event.type], event)

    async def _progress(self) -> dict[str, TaskEvent]:
        """What running tasks have reported, by their ids; now and then, if somebody listens for that."""
        now = asyncio.get_running_loop().time()
        if now < self._look_at or not self._listeners.hears(PROGRESS.key, PROGRESS.type):
            return {}
        self._look_at = now + EVERY
        events, reporting = await read_reports(self._engine, lambda task_id: self._told.get(task_id, 0))
        self._told |= {task_id: event.sequence for task_id, event in events.items()}
        self._told = {task_id: number for task_id, number in self._told.items() if task_id in reporting}
        return {event.data["taskId"]: event for event in events.values()}


def names_of(event: TaskEvent, triggers: list[str]) -> list[str]:
    """Every name under which an event is heard."""
    return [*triggers, event.key, event.type, "*"]
