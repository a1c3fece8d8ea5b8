"""What a handler is given besides its input."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol, Self, TypeVar, overload

import msgspec

from taskyard.contracts.executor import Job
from taskyard.domain.facts import EMPTY_EXTRA, Extra
from taskyard.domain.json import dumps
from taskyard.domain.signature import plain_input
from taskyard.domain.text import printable
from taskyard.executors.function.errors import TaskCanceled, plain

_EVENT_BYTES = 65_536

T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
OnProgress = Callable[[int, float, float | None], None]


class Services(Protocol):
    """What the process offers to handlers."""

    async def run_child(self, job: Job, key: str, input_: dict[str, Any], on_progress: OnProgress) -> Any:
        """Run a subtask and wait for its output; `on_progress(child id, current, total)` is told how far it is."""

    async def trigger(self, name: str, properties: Any, cause: tuple[str, str]) -> list[str]:
        """Start what declared this trigger; the tasks' ids."""

    async def trigger_service(self, service: str, name: str, properties: Any, cause: tuple[str, str]) -> list[str]:
        """The same, among one service's tasks only."""

    async def emit(self, name: str, data: Any, task_id: str) -> None:
        """Call those who listen for `name` in this process."""


class Subtask(Protocol[R_co]):
    """What can be run as a subtask: a registered task's handle."""

    @property
    def key(self) -> str:
        """The task's key."""

    def load_output(self, value: Any) -> R_co:
        """A stored output as the type the handler returns."""


class Block(Protocol):
    """Runs a coroutine elsewhere and gives its result to a thread that waits. Raises TaskCanceled on a stop."""

    def __call__(self, verb: Callable[[], Coroutine[Any, Any, T]]) -> T: ...  # noqa: D102 - its name says it


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


class Attempt:
    """A running attempt, as its handler sees it. One is made for each, so what few use is made when it is used."""

    __slots__ = ("_action", "_children", "_extra", "_job", "_log", "_own", "_services", "warnings")

    def __init__(self, job: Job, services: Services) -> None:
        self._job = job
        self._services = services
        self._own: tuple[float, float | None] = (0, None)
        self._action: str | None = None
        self._children: dict[int, tuple[float, float | None]] | None = None
        self._extra: Extra | None = None
        self._log: Log | None = None
        self.warnings: list[dict[str, Any]] = []

    @property
    def log(self) -> Log:
        """The task's log: `ctx.log.info(text)`, or `ctx.log(level, text)`."""
        if self._log is None:
            self._log = Log(self._job)
        return self._log

    @property
    def task(self) -> Self:
        """The task itself: `id, run, progress, trigger, trigger_service`."""
        return self

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

    async def _run(self, task: Subtask[Any] | str, input_: Mapping[str, Any] | None) -> Any:
        key = task if isinstance(task, str) else task.key
        child = self._services.run_child(self._job, key, plain_input(input_ or {}), self._child_progress)
        output = await self._job.waiting(child)
        return output if isinstance(task, str) else task.load_output(output)

    async def _trigger(self, name: str, properties: Any) -> list[str]:
        return await self._services.trigger(name, properties or {}, ("task_Task", self.id))

    async def _trigger_service(self, service: str, name: str, properties: Any) -> list[str]:
        return await self._services.trigger_service(service, name, properties or {}, ("task_Task", self.id))

    async def _emit(self, name: str, data: Any) -> None:
        told = printable(name), plain(data)
        if len(dumps(told)) > _EVENT_BYTES:
            raise ValueError(f"an event may have {_EVENT_BYTES} bytes; keep more in a file")
        await self._job.emit(*told)
        await self._services.emit(name, data, self.id)

    def _extras(self) -> Extra:
        if self._extra is None:
            stored = self._job.claimed.extra
            self._extra = msgspec.json.decode(stored, type=Extra) if stored else EMPTY_EXTRA
        return self._extra

    def _child_progress(self, child_id: int, current: float, total: float | None) -> None:
        if self._children is None:
            self._children = {}
        self._children[child_id] = (current, total)
        self._report()

    def _report(self) -> None:
        parts = [self._own, *(self._children or {}).values()]
        totals = [total for _, total in parts if total is not None]
        self._job.progress(sum(current for current, _ in parts), sum(totals) if totals else None, self._action)


class Context(Attempt):
    """What an `async def` handler is given besides its input."""

    __slots__ = ()

    @overload
    async def run(self, task: Subtask[R], input: Mapping[str, Any] | None = None) -> R: ...
    @overload
    async def run(self, task: str, input: Mapping[str, Any] | None = None) -> Any: ...
    async def run(self, task: Subtask[Any] | str, input: Mapping[str, Any] | None = None) -> Any:
        """A subtask's result, typed as its handler's. It runs once in this task's life, retries included."""
        return await self._run(task, input)

    async def trigger(self, name: str, properties: Any = None) -> list[str]:
        """Start the tasks that declared this trigger, caused by this one; their ids."""
        return await self._trigger(name, properties)

    async def trigger_service(self, service: str, name: str, properties: Any = None) -> list[str]:
        """Start the tasks of one service that declared this trigger; their ids."""
        return await self._trigger_service(service, name, properties)

    async def emit(self, name: str, data: Any = None) -> None:
        """Put an event into the task's trail, and call those who listen for `name` in this process (`@yard.on(name)`).

        It is told as JSON. Raises ValueError when that is longer than 64 KiB.
        """
        await self._emit(name, data)


class BlockingContext(Attempt):
    """What a plain `def` handler is given besides its input: its verbs wait until they are done.

    Where the attempt is to stop they raise TaskCanceled.
    """

    __slots__ = ("_block",)

    def __init__(self, job: Job, services: Services, block: Block) -> None:
        super().__init__(job, services)
        self._block = block

    @overload
    def run(self, task: Subtask[R], input: Mapping[str, Any] | None = None) -> R: ...
    @overload
    def run(self, task: str, input: Mapping[str, Any] | None = None) -> Any: ...
    def run(self, task: Subtask[Any] | str, input: Mapping[str, Any] | None = None) -> Any:
        """See `Context.run`."""
        return self._wait(lambda: self._run(task, input))

    def trigger(self, name: str, properties: Any = None) -> list[str]:
        """See `Context.trigger`."""
        return self._wait(lambda: self._trigger(name, properties))

    def trigger_service(self, service: str, name: str, properties: Any = None) -> list[str]:
        """See `Context.trigger_service`."""
        return self._wait(lambda: self._trigger_service(service, name, properties))

    def emit(self, name: str, data: Any = None) -> None:
        """See `Context.emit`."""
        self._wait(lambda: self._emit(name, data))

    def _wait(self, verb: Callable[[], Coroutine[Any, Any, T]]) -> T:
        self.raise_if_canceled()
        return self._block(verb)


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError(f"progress must be a finite number, not {number!r}")
    return float(number)
