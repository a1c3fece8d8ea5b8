"""What a handler is given besides its input."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from taskyard.contracts.executor import Job
from taskyard.domain.facts import EMPTY_EXTRA, Extra
from taskyard.domain.text import printable
from taskyard.executors.function.errors import TaskCanceled, plain


class Services(Protocol):
    """What the process offers to handlers."""

    async def run_child(self, job: Job, target: Any, input_: Any, on_progress: Any) -> Any:
        """Run a subtask and wait for its result; `on_progress(child id, current, total)` is told how far it is."""

    async def trigger(self, name: str, properties: Any, cause: tuple[str, str]) -> list[str]:
        """Start what declared this trigger; the tasks' ids."""

    async def trigger_service(self, service: str, name: str, properties: Any, cause: tuple[str, str]) -> list[str]:
        """The same, among one service's tasks only."""

    async def emit(self, name: str, data: Any, task_id: str) -> None:
        """Call those who listen for `name` in this process."""


class Log:
    """Lines that are kept with the task and shown live. Colours (ANSI SGR) are kept, other controls are not."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __call__(self, level: str, text: object) -> None:
        """Log `text` at a level: debug, info, warning or error."""
        self._job.log(level, str(text))

    def debug(self, text: object, *args: object) -> None:
        """Log at debug; `args` are put in with `%`."""
        self._say("debug", text, args)

    def info(self, text: object, *args: object) -> None:
        """Log at info; `args` are put in with `%`."""
        self._say("info", text, args)

    def warning(self, text: object, *args: object) -> None:
        """Log at warning; `args` are put in with `%`."""
        self._say("warning", text, args)

    def error(self, text: object, *args: object) -> None:
        """Log at error; `args` are put in with `%`."""
        self._say("error", text, args)

    def _say(self, level: str, text: object, args: tuple[object, ...]) -> None:
        self._job.log(level, str(text) % args if args else str(text))


class CurrentTask:
    """The task that is running: its id, and the verbs it can call on its own behalf."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def id(self) -> str:
        """The task's id."""
        return self._context.id

    @property
    def run(self) -> Any:
        """See `Context.run`."""
        return self._context.run

    @property
    def progress(self) -> Any:
        """See `Context.progress`."""
        return self._context.progress

    @property
    def trigger(self) -> Any:
        """See `Context.trigger`."""
        return self._context.trigger

    @property
    def trigger_service(self) -> Any:
        """See `Context.trigger_service`."""
        return self._context.trigger_service


class Context:
    """A running attempt, as its handler sees it."""

    def __init__(self, job: Job, services: Services | None) -> None:
        self._job = job
        self._services = services
        self._own: tuple[float, float | None] = (0, None)
        self._action: str | None = None
        self._children: dict[int, tuple[float, float | None]] = {}
        self._extra: Extra | None = None
        self.warnings: list[dict[str, Any]] = []
        self.log = Log(job)

    @property
    def task(self) -> CurrentTask:
        """The task itself: `id, run, progress, trigger, trigger_service`."""
        return CurrentTask(self)

    @property
    def id(self) -> str:
        """The task's id."""
        return str(self._job.claimed.task_id)

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self._job.claimed.attempt

    @property
    def cause_type(self) -> str | None:
        """The kind of thing that caused the task."""
        return self._job.claimed.cause_type

    @property
    def cause(self) -> str | None:
        """What caused the task."""
        return self._job.claimed.cause

    @property
    def correlation_id(self) -> str | None:
        """The request's correlation id."""
        return self._job.claimed.correlation_id

    @property
    def workflow(self) -> dict[str, Any] | None:
        """The workflow's context: `workflowDefinitionId, variables, importance`, with `workflowId` and `stepId`."""
        extra, workflow_id = self._extras(), self._job.claimed.workflow_id
        if workflow_id is None and extra.workflow_context is None:
            return None
        return {**(extra.workflow_context or {}), "workflowId": workflow_id, "stepId": extra.step_id}

    @property
    def client(self) -> dict[str, Any] | None:
        """On whose behalf the task was asked for: `user, session`."""
        return self._extras().client

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The request's metadata."""
        return self._extras().metadata or {}

    def progress(self, current: float, total: float | None = None, action: str | None = None) -> None:
        """Say how far the task is: `current` of `total`, and what it does now. Subtasks' progress is added.

        Raises TypeError, ValueError for what is no finite number.
        """
        self._own = _finite(current), None if total is None else _finite(total)
        self._action = None if action is None else printable(str(action))
        self._report()

    def failed_item(self, item: Any, error: object) -> None:
        """One item failed without stopping the task: it completes with this among its warnings."""
        text = printable(str(error)) or type(error).__name__
        self.warnings.append({"item": plain(item), "error": text})

    def raise_if_canceled(self) -> None:
        """Raises TaskCanceled when the attempt should stop: call it now and then in a thread's loop."""
        if self._job.stopped is not None:
            raise TaskCanceled(self._job.stopped)

    @property
    def canceled(self) -> bool:
        """Whether the attempt should stop."""
        return self._job.stopped is not None

    async def run(self, task: Any, input: Any = None) -> Any:  # noqa: A002 - the public name
        """A subtask's result, typed as its handler's. It runs once in this task's life, retries included."""
        child = self._job.waiting(self._need().run_child(self._job, task, input, self._child_progress))
        return await child

    async def trigger(self, name: str, properties: Any = None) -> list[str]:
        """Start the tasks that declared this trigger, caused by this one; their ids."""
        return await self._need().trigger(name, properties or {}, ("task_Task", self.id))

    async def trigger_service(self, service: str, name: str, properties: Any = None) -> list[str]:
        """Start the tasks of one service that declared this trigger; their ids."""
        return await self._need().trigger_service(service, name, properties or {}, ("task_Task", self.id))

    async def emit(self, name: str, data: Any = None) -> None:
        """Call those who listen for `name` in this process (`@yard.on(name)`)."""
        await self._need().emit(name, data, self.id)

    def _need(self) -> Services:
        if self._services is None:
            raise RuntimeError("a handler in a process of its own cannot start other tasks; use isolation='thread'")
        return self._services

    def _extras(self) -> Extra:
        if self._extra is None:
            stored = self._job.claimed.extra
            self._extra = msgspec.json.decode(stored, type=Extra) if stored else EMPTY_EXTRA
        return self._extra

    def _child_progress(self, child_id: int, current: float, total: float | None) -> None:
        self._children[child_id] = (current, total)
        self._report()

    def _report(self) -> None:
        parts = [self._own, *self._children.values()]
        totals = [total for _, total in parts if total is not None]
        self._job.progress(sum(current for current, _ in parts), sum(totals) if totals else None, self._action)


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError(f"progress must be a finite number, not {number!r}")
    return float(number)
