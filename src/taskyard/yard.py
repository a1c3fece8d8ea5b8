"""The Python API: a yard of tasks, their handles, and their runs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

from taskyard.app import App
from taskyard.contracts.clock import Clock
from taskyard.domain.ids import parse_id
from taskyard.domain.schedule import Overlap, Schedule, parse_schedule
from taskyard.domain.signature import plain_input
from taskyard.domain.task import Task
from taskyard.engine.engine import Engine
from taskyard.engine.options import StartOptions, make_request
from taskyard.engine.query import get_task
from taskyard.engine.submit import Submitted, submit, submit_many, submit_with
from taskyard.engine.trigger import fire
from taskyard.errors import ConfigurationError, NotFound
from taskyard.executors.function.context import BlockingContext, Context
from taskyard.executors.function.handler import Handler, Registry
from taskyard.executors.function.registration import TaskOptions, make_handler
from taskyard.run import Run
from taskyard.runtime.triggers import Listener, Listeners
from taskyard.security.caller import LOCAL
from taskyard.settings import Settings, load

if TYPE_CHECKING:
    from starlette.types import ASGIApp

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", Context, BlockingContext)

__all__ = ["Run", "TaskHandle", "Taskyard"]


class TaskHandle(Generic[P, R]):
    """A registered task: call it as the function it is, or have it run."""

    def __init__(self, yard: Taskyard, handler: Handler, options: Mapping[str, Any] | None = None) -> None:
        self._yard = yard
        self._handler = handler
        self._options = dict(options or {})
        self.function = handler.function
        self.key = handler.key
        self.definition = handler.definition
        self.__doc__ = handler.function.__doc__
        self.__name__ = getattr(handler.function, "__name__", handler.key)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, here and now, without Taskyard."""
        return self.function(*args, **kwargs)

    def options(self, **options: Unpack[StartOptions]) -> TaskHandle[P, R]:
        """The same task with options apart from its input; see `StartOptions`."""
        kept = {name: value for name, value in options.items() if value is not None}
        return TaskHandle(self._yard, self._handler, {**self._options, **kept})

    async def start(self, *args: P.args, **kwargs: P.kwargs) -> Run[R]:
        """Have it run; returns as soon as it is stored."""
        _no_positional(args, self.key)
        return cast("Run[R]", await self._yard.start(self.key, dict(kwargs), **self._options))

    async def run(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Have it run and wait for its result. Raises TaskFailed when it FAILED or was CANCELED."""
        return await (await self.start(*args, **kwargs)).result()

    async def start_many(self, inputs: Sequence[Mapping[str, Any]]) -> list[Run[R]]:
        """Have it run once for each input, stored in one transaction."""
        return cast("list[Run[R]]", await self._yard.start_many(self.key, inputs, **self._options))

    async def run_many(self, inputs: Sequence[Mapping[str, Any]]) -> list[R]:
        """The results for each input, in order."""
        return [await run.result() for run in await self.start_many(inputs)]

    def load_output(self, value: Any) -> R:
        """A stored output as the type the handler returns."""
        return cast("R", self._handler.signature.load_output(value))


class Decorator(Protocol):
    """Registers a function as a task, with the options it was made with."""

    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], Awaitable[R]], /) -> TaskHandle[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[C, P], R], /) -> TaskHandle[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, Awaitable[R]], /) -> TaskHandle[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> TaskHandle[P, R]: ...


class Taskyard:
    """A yard of tasks on one store.

    `async with yard:` opens the store and registers definitions and schedules but runs nothing;
    `async with yard.worker():` executes as well. `service`: the name of the service that owns its tasks.
    `settings`: those it was given; without any it goes by the environment's.
    """

    def __init__(
        self,
        database_url: str | None = None,
        *,
        service: str = "",
        settings: Settings | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.registry = Registry()
        self.listeners = Listeners()
        self.schedules: dict[str, Schedule] = {}
        self.workflows: list[str] = []
        self._database_url = database_url
        self._service = service
        self.settings = settings
        self._clock = clock
        self._app: App | None = None

    @property
    def app(self) -> App:
        """The wired process, made when it is first needed, so that importing a yard reads no settings."""
        if self._app is None:
            settings = self.settings or load()
            if self._database_url is not None:
                settings = settings.with_values(TASKYARD_DATABASE_URL=self._database_url)
            self._app = App(settings, self.registry, self.listeners, self.schedules, self.workflows, self._clock)
        return self._app

    @contextlib.contextmanager
    def using(self, app: App) -> Iterator[None]:
        """Let another app be the yard's until the block ends: its handles, runs and doors go there."""
        usual, self._app = self._app, app
        try:
            yield
        finally:
            self._app = usual

    @property
    def engine(self) -> Engine:
        """The engine, for those who build doors of their own."""
        return self.app.engine

    async def __aenter__(self) -> Taskyard:
        await self.app.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.app.close()

    @contextlib.asynccontextmanager
    async def worker(self, *, concurrency: int | None = None) -> AsyncIterator[Taskyard]:
        """Open the yard and execute its tasks here; `concurrency` at once, else TASK_MAX_CONCURRENT."""
        async with self.app.keeping(), self.app.working(slots=concurrency):
            yield self

    def asgi(self) -> ASGIApp:
        """The HTTP API as an ASGI application to mount into another; open the yard in that one's lifespan."""
        from taskyard.server import make_asgi

        return make_asgi(self.app)

    async def dependency(self) -> Taskyard:
        """For FastAPI's `Depends(yard.dependency)`: this yard, opened by the application's lifespan."""
        return self

    # ---- registering
    @overload
    def task(self, function: Callable[Concatenate[Context, P], Awaitable[R]], /) -> TaskHandle[P, R]: ...
    @overload
    def task(self, function: Callable[Concatenate[C, P], R], /) -> TaskHandle[P, R]: ...
    @overload
    def task(self, function: Callable[P, Awaitable[R]], /) -> TaskHandle[P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> TaskHandle[P, R]: ...
    @overload
    def task(self, /, *, key: str | None = None, **options: Unpack[TaskOptions]) -> Decorator: ...
    def task(
        self, function: Callable[..., Any] | None = None, /, *, key: str | None = None, **options: Unpack[TaskOptions]
    ) -> Any:
        """Register a function as a task, as a decorator with or without options; see `TaskOptions`."""
        if function is not None:
            return self.register(key, function)
        return lambda decorated: self.register(key, decorated, **options)

    def register(
        self, key: str | None, function: Callable[..., Any], **options: Unpack[TaskOptions]
    ) -> TaskHandle[..., Any]:
        """Register a function under a key (default: its name); see `TaskOptions`. Raises ConfigurationError."""
        handler = make_handler(key, function, options, self._service)
        self.registry.add(handler)
        return TaskHandle(self, handler)

    def on(self, name: str) -> Callable[[Listener], Listener]:
        """Call the decorated function for a trigger name such as `taskDone`, a routing key, or an emitted name."""

        def add(listener: Listener) -> Listener:
            self.listeners.add(name, listener)
            return listener

        return add

    def schedule(
        self,
        schedule_id: str,
        task: TaskHandle[..., Any] | str,
        *,
        cron: str | None = None,
        interval: float | None = None,
        input: Mapping[str, Any] | None = None,
        timezone: str = "UTC",
        jitter: float = 0,
        overlap: Overlap = "skip",
        catch_up: float = 3600,
    ) -> None:
        """Have a task start again and again; the store learns of it when the yard is opened.

        By `cron` in `timezone`, or every `interval`; `interval`, `jitter` and `catch_up` in seconds. `overlap`: what
        happens at a time when the task started before has not ended: skip, bufferOne or allow. Declared again as it
        was, a schedule goes on as it is, paused ones too. Raises ValidationFailed, ConfigurationError.
        """
        if schedule_id in self.schedules:
            raise ConfigurationError(f"the schedule {schedule_id!r} is declared twice; give one another id")
        key = task if isinstance(task, str) else task.key
        given = {
            "scheduleId": schedule_id, "taskDefinitionId": key, "cron": cron, "interval": interval,
            "input": None if input is None else plain_input(input), "timezone": timezone, "jitter": jitter,
            "overlap": overlap, "catchUp": catch_up,
        }  # fmt: skip
        self.schedules[schedule_id] = parse_schedule(given)

    def workflow(self, file: Path) -> None:
        """Have the process in a BPMN file run here: a task by its id; the store learns of it when the yard is opened.

        It needs the extra `taskyard[bpmn]`.
        """
        self.workflows.append(file.read_text(encoding="utf-8"))

    # ---- starting
    async def start(
        self,
        key: str,
        input: Mapping[str, Any] | None = None,
        **options: Unpack[StartOptions],
    ) -> Run[Any]:
        """Have a task run by its key; returns as soon as it is stored."""
        transaction = options.get("transaction")
        request = make_request(key, input, options)
        if transaction is not None:
            return self._run((await submit_with(self.engine, [request], LOCAL, transaction))[0], key)
        return self._run(await submit(self.engine, request, LOCAL), key)

    async def run(
        self,
        key: str,
        input: Mapping[str, Any] | None = None,
        **options: Unpack[StartOptions],
    ) -> Any:
        """Have a task run by its key and wait for its result. Raises TaskFailed."""
        return await (await self.start(key, input, **options)).result()

    async def start_many(
        self, key: str, inputs: Sequence[Mapping[str, Any]], **options: Unpack[StartOptions]
    ) -> list[Run[Any]]:
        """Have a task run once for each input, stored in one transaction."""
        transaction = options.get("transaction")
        requests = [make_request(key, one, options) for one in inputs]
        if transaction is not None:
            submitted = await submit_with(self.engine, requests, LOCAL, transaction)
        else:
            submitted = await submit_many(self.engine, requests, LOCAL)
        load_output = self._loader(key)
        return [Run(self.app, one, load_output) for one in submitted]

    async def run_many(
        self, key: str, inputs: Sequence[Mapping[str, Any]], **options: Unpack[StartOptions]
    ) -> list[Any]:
        """The results for each input, in order."""
        return [await run.result() for run in await self.start_many(key, inputs, **options)]

    async def trigger(
        self, name: str, properties: Mapping[str, Any] | None = None, *, cause: tuple[str, str] | None = None
    ) -> list[Run[Any]]:
        """Start what declared this trigger."""
        tasks = await fire(self.engine, name, dict(properties or {}), LOCAL, cause or ("trigger", name))
        return [self._run(task) for task in tasks]

    async def get(self, task_id: str) -> Run[Any]:
        """A task by its id. Raises NotFound."""
        number = parse_id(task_id)
        if number is None:
            raise NotFound(f"there is no task {task_id!r}")
        return self._run(await get_task(self.engine, number))

    def _run(self, seen: Task | Submitted, key: str | None = None) -> Run[Any]:
        key = key or (seen if isinstance(seen, Task) else seen.task).task_definition_id
        return Run(self.app, seen, self._loader(key))

    def _loader(self, key: str) -> Callable[[Any], Any]:
        handler = self.registry.get(key)
        return handler.signature.load_output if handler else _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


def _no_positional(args: tuple[Any, ...], key: str) -> None:
    if args:
        raise ConfigurationError(f"give the input of {key!r} by name, such as start(format='tar')")
