"""A yard in a test: in memory, with its own worker, and with time that only the test moves."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar, Unpack, overload

from taskyard.app import App
from taskyard.contracts.records import Topic
from taskyard.domain.event import TaskEvent
from taskyard.domain.lifecycle import FINAL
from taskyard.engine.engine import Engine
from taskyard.engine.events import latest_position
from taskyard.engine.firing import fire_due
from taskyard.engine.options import StartOptions
from taskyard.engine.people.timekeeping import keep_time
from taskyard.engine.query import Known
from taskyard.engine.recover import recover
from taskyard.engine.why import why
from taskyard.run import Run
from taskyard.runtime.triggers import Listeners
from taskyard.runtime.worker import Worker
from taskyard.settings import Settings, load
from taskyard.testing.clock import ManualClock
from taskyard.testing.scene import Scene, look
from taskyard.yard import TaskHandle, Taskyard

R = TypeVar("R")

_AT_ONCE = 1000
_LOOK_EVERY = 0.05
_WEEK = 7 * 86_400.0
_GRACE = 1.0
_NEVER = (1 << 63) - 1


@contextlib.asynccontextmanager
async def yard_for_test(yard: Taskyard, *, concurrency: int = 4, patience: float = 60.0) -> AsyncIterator[World]:
    """Run `yard` and all its tasks in memory until the block ends; its handles and listeners work as ever.

    The environment and the yard's own database are left alone. `concurrency`: tasks at once. `patience`: seconds
    of real time that handlers may take before the test fails with TimeoutError.
    """
    clock, told = ManualClock(), _Told(yard.listeners)
    with tempfile.TemporaryDirectory(prefix="taskyard-test-") as folder:
        app = App(_settings(yard, folder), yard.registry, told, yard.schedules, yard.workflows, clock)
        with yard.using(app):
            async with app.working(slots=concurrency) as worker:
                yield World(yard, clock, worker, told, patience)


class World:
    """A yard that runs in a test. Handlers run for real; delays and retries come due as the clock is moved.

    The timeout of an attempt, and what a handler itself sleeps, are real time.
    """

    def __init__(self, yard: Taskyard, clock: ManualClock, worker: Worker, told: _Told, patience: float) -> None:
        self.yard = yard
        self.clock = clock
        self._worker = worker
        self._told = told
        self._patience = patience

    @overload
    async def run(
        self, task: TaskHandle[..., R], input: Mapping[str, Any] | None = None, **options: Unpack[StartOptions]
    ) -> R: ...
    @overload
    async def run(self, task: str, input: Mapping[str, Any] | None = None, **options: Unpack[StartOptions]) -> Any: ...
    async def run(
        self,
        task: TaskHandle[..., Any] | str,
        input: Mapping[str, Any] | None = None,
        **options: Unpack[StartOptions],
    ) -> Any:
        """A task's result, moving the clock over its delay, its retries and its subtasks'.

        Raises TaskFailed when it FAILED or was CANCELED; AssertionError when no passing of time will end it.
        """
        if isinstance(task, str):
            run: Run[Any] = await self.yard.start(task, input, **options)
        else:
            run = await task.options(**options).start(**(input or {}))
        return await self.result(run)

    async def result(self, run: Run[R]) -> R:
        """The result of a run that was started, moving the clock as `run` does."""
        while True:
            scene = await self._settle()
            if (await run.refresh()).status in FINAL:
                return await run.result()
            if scene.next_due is None:
                reason = (await why(self._engine, int(run.id)))["reason"]
                raise AssertionError(f"task {run.id} is {run.status}, and no passing of time will end it: {reason}")
            await self._move_to(scene.next_due)

    async def settle(self) -> None:
        """Let everything run that can run now, and every listener hear of it; the clock stands still."""
        await self._settle()

    async def advance(self, seconds: float) -> None:
        """Let so many seconds pass; what comes due on the way runs at its moment, one thing after the other."""
        until = self.clock.now() + round(seconds * 1_000_000)
        while True:
            scene = await self._settle()
            moments = [moment for moment in (scene.next_due, await self._next_firing()) if moment is not None]
            if not moments or min(moments) > until:
                break
            await self._move_to(min(moments))
        await self._move_to(until)
        await self._settle()

    async def run_until_idle(self, *, within: float = _WEEK) -> None:
        """Move the clock from one due moment to the next until nothing is due any more.

        Raises AssertionError when that takes more than `within` seconds of the test's time.
        """
        until = self.clock.now() + round(within * 1_000_000)
        while (due := (await self._settle()).next_due) is not None:
            if due > until:
                raise AssertionError(f"tasks are still due after {within:g} s; is there one that never ends?")
            await self._move_to(due)

    @property
    def _engine(self) -> Engine:
        return self.yard.engine

    async def _move_to(self, moment: int) -> None:
        """Let it be that moment, and do what is to be done at it."""
        self.clock.move(max(0, moment - self.clock.now()) / 1_000_000)
        store = self._engine.store
        await store.beat(self._worker.id, self._worker.running, {})  # however far the clock leaps, it has not died
        while await store.promote(_AT_ONCE):
            pass
        await fire_due(self._engine)
        await keep_time(self._engine)
        await recover(self._engine)
        await store.tidy()
        self._worker.look_again()

    async def _next_firing(self) -> int | None:
        """When time would next start something by a schedule; None for never."""
        rows = await self._engine.store.due_schedules(_NEVER, 1, (self.clock.now() + 1, ""))
        return rows[0].due_at if rows else None

    async def _settle(self) -> Scene:
        """The scene once nothing moves. Raises TimeoutError naming what still runs when patience is at its end."""
        moved = self._told.moved
        stop_listening = self._engine.store.listen(Topic.FEED, moved.set)
        scene = None
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    moved.clear()
                    before = await latest_position(self._engine)
                    await self.yard.app.processes.turn()
                    scene = await look(self._engine, self._worker, self._can_run)
                    still = not scene.moving and self._told.count >= before
                    if still and await latest_position(self._engine) == before:
                        return scene._replace(next_due=_earlier(scene.next_due, await self._next_timer()))
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_EVERY):
                            await moved.wait()
        except TimeoutError:
            names = ", ".join(map(str, sorted(scene.moving))) if scene and scene.moving else "a listener"
            raise TimeoutError(f"after {self._patience:g} s of real time there still runs: {names}") from None
        finally:
            stop_listening()

    async def _next_timer(self) -> int | None:
        """When time would next take an instance on that waits at a timer."""
        return await self.yard.app.processes.next_timer()

    def _can_run(self, known: Known) -> bool:
        return self._worker.can_run(known.kind.definition, known.policy.target)


def _earlier(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)


class _Told(Listeners):
    """A yard's listeners, counting the events that they have been told; `moved` is set at each."""

    def __init__(self, listeners: Listeners) -> None:
        super().__init__()
        self._inner = listeners
        self.count = 0
        self.moved = asyncio.Event()

    def __bool__(self) -> bool:
        return True

    def hears(self, *names: str) -> bool:
        """See Listeners."""
        return self._inner.hears(*names)

    async def call(self, names: list[str], subject: Any) -> None:
        """Call the yard's own."""
        await self._inner.call(names, subject)
        if isinstance(subject, TaskEvent):
            self.count += 1
            self.moved.set()


def _settings(yard: Taskyard, folder: str) -> Settings:
    """The yard's own settings, or else the defaults, with a store and a folder for the test alone."""
    settings = yard.settings or load({})
    return settings.with_values(
        TASKYARD_DATABASE_URL="sqlite:///:memory:", TASKYARD_DATA_DIR=folder, TASKYARD_GRACE=_GRACE
    )
