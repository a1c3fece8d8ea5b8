"""The Python API: a yard of tasks, their handles, and their runs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

import msgspec

from taskyard.app import App
from taskyard.contracts.clock import Clock
from taskyard.domain.definition import Definition
from taskyard.domain.ids import parse_id
from taskyard.domain.json import dumps
from taskyard.domain.signature import Signature, plain_input
from taskyard.domain.task import Task
from taskyard.engine.engine import Engine
from taskyard.engine.query import get_task
from taskyard.engine.request import TaskRequest, parse_request
from taskyard.engine.submit import Submitted, submit, submit_many, submit_with
from taskyard.engine.trigger import fire
from taskyard.errors import ConfigurationError, NotFound
from taskyard.executors.function.context import Context
from taskyard.executors.function.handler import Handler, Isolation, Registry, isolation_of
from taskyard.run import Run
from taskyard.runtime.triggers import Listener, Listeners
from taskyard.security.caller import LOCAL
from taskyard.settings import Settings, load

if TYPE_CHECKING:
    from starlette.types import ASGIApp

P = ParamSpec("P")
R = TypeVar("R")

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

    def options(
        self,
        *,
        priority: str | None = None,
        delay: float | None = None,
        transaction: Any = None,
        cause: tuple[str, str] | None = None,
        expire: float | None = None,
        client: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        workflow_id: str | None = None,
        **more: Any,
    ) -> TaskHandle[P, R]:
        """The same task with options apart from its input; `delay` and `expire` in seconds.

        `transaction`: an open connection or session of yours; the task is there when it commits.
        `more` are further fields of the create body, in snake case.
        """
        given = {
            "priority": priority, "delay": delay, "transaction": transaction, "cause": cause, "expire": expire,
            "client": client, "idempotency_key": idempotency_key, "correlation_id": correlation_id,
            "workflow_id": workflow_id, **more,
        }  # fmt: skip
        kept = {name: value for name, value in given.items() if value is not None}
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


class Taskyard:
    """A yard of tasks on one store.

    `async with yard:` opens the store and registers the definitions but runs nothing;
    `async with yard.worker():` executes as well. `service`: the name of the service that owns its tasks.
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
        self._database_url = database_url
        self._service = service
        self._settings = settings
        self._clock = clock
        self._app: App | None = None

    @property
    def app(self) -> App:
        """The wired process, made when it is first needed, so that importing a yard reads no settings."""
        if self._app is None:
            settings = self._settings or load()
            if self._database_url is not None:
                settings = settings.with_values(TASKYARD_DATABASE_URL=self._database_url)
            self._app = App(settings, self.registry, self.listeners, self._clock)
        return self._app

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
    def task(self, function: Callable[Concatenate[Context, P], R], /) -> TaskHandle[P, R]: ...
    @overload
    def task(self, function: Callable[P, Awaitable[R]], /) -> TaskHandle[P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> TaskHandle[P, R]: ...
    @overload
    def task(self, /, **options: Any) -> Callable[[Callable[..., Any]], TaskHandle[..., Any]]: ...
    def task(self, function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Register a function as a task, as a decorator with or without options; see `register` for these."""
        if function is not None:
            return self.register(None, function)
        return lambda decorated: self.register(options.pop("key", None), decorated, **options)

    def register(
        self,
        key: str | None,
        function: Callable[..., Any],
        *,
        title: str = "",
        description: str | None = None,
        category: str = "",
        icon: str = "",
        tags: Sequence[str] = (),
        danger: str = "",
        expense: str = "",
        timeout: float | None = None,
        retry: int | Mapping[str, Any] | None = None,
        retry_delay: Callable[[int], float] | None = None,
        priority: str | None = None,
        expire: float | None = None,
        max_concurrent: int | None = None,
        rate_limit: str | None = None,
        fallback: Any = None,
        trigger: str | bool = "",
        action: str | bool = "",
        service: str = "",
        isolation: Isolation | None = None,
    ) -> TaskHandle[..., Any]:
        """Register a function under a key (default: its name).

        `timeout`, `expire` in seconds. `retry`: how often after the first attempt, or a retry policy.
        `retry_delay`: retry number → seconds. `fallback`: a value, or a function of the same input.
        `trigger`, `action`: the name that starts it; True for its own key. `isolation`: inline, thread or process.
        Raises ConfigurationError.
        """
        signature = Signature.of(function)
        name = key or str(getattr(function, "__name__", ""))
        constant = None if callable(fallback) else fallback
        definition = Definition(
            key=name,
            title=title or _title(name),
            description=(function.__doc__ or "").strip() if description is None else description,
            category=category,
            icon=icon,
            tags=tuple(tags),
            danger=danger,
            expense=expense,
            implementation={"kind": "function", "name": name},
            input_schema=signature.input_schema,
            output_schema=signature.output_schema,
            timeout=timeout,
            retry_policy=_retry_policy(retry),
            priority=priority,
            expire=expire,
            max_concurrent=max_concurrent,
            rate_limit=rate_limit,
            fallback=constant,
            trigger=_start_name(trigger, name),
            action=_start_name(action, name),
            service=service or self._service,
        )
        handler = Handler(
            name,
            function,
            signature,
            isolation_of(function, isolation),
            definition,
            retry_delay,
            fallback if callable(fallback) else None,
            b'"format":"upload"' in dumps(signature.input_schema),
        )
        self.registry.add(handler)
        return TaskHandle(self, handler)

    def on(self, name: str) -> Callable[[Listener], Listener]:
        """Call the decorated function for a trigger name such as `taskDone`, a routing key, or an emitted name."""

        def add(listener: Listener) -> Listener:
            self.listeners.add(name, listener)
            return listener

        return add

    # ---- starting
    async def start(self, key: str, input: Mapping[str, Any] | None = None, **options: Any) -> Run[Any]:  # noqa: A002
        """Have a task run by its key; `options` as in `TaskHandle.options`."""
        transaction = options.pop("transaction", None)
        request = _request(key, input, options)
        if transaction is not None:
            return self._run((await submit_with(self.engine, [request], LOCAL, transaction))[0], key)
        return self._run(await submit(self.engine, request, LOCAL), key)

    async def run(self, key: str, input: Mapping[str, Any] | None = None, **options: Any) -> Any:  # noqa: A002
        """Have a task run by its key and wait for its result. Raises TaskFailed."""
        return await (await self.start(key, input, **options)).result()

    async def start_many(self, key: str, inputs: Sequence[Mapping[str, Any]], **options: Any) -> list[Run[Any]]:
        """Have a task run once for each input, stored in one transaction."""
        transaction = options.pop("transaction", None)
        requests = [_request(key, one, options) for one in inputs]
        if transaction is not None:
            return [self._run(one, key) for one in await submit_with(self.engine, requests, LOCAL, transaction)]
        return [self._run(one, key) for one in await submit_many(self.engine, requests, LOCAL)]

    async def run_many(self, key: str, inputs: Sequence[Mapping[str, Any]], **options: Any) -> list[Any]:
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
        handler = self.registry.get(key or (seen if isinstance(seen, Task) else seen.task).task_definition_id)
        return Run(self.app, seen, handler.signature.load_output if handler else _as_it_is)


def _as_it_is(value: Any) -> Any:
    return value


def _no_positional(args: tuple[Any, ...], key: str) -> None:
    if args:
        raise ConfigurationError(f"give the input of {key!r} by name, such as start(format='tar')")


def _title(key: str) -> str:
    return key.replace("_", " ").replace("-", " ").strip().capitalize()


def _start_name(given: str | bool, key: str) -> str:
    """The name of a trigger or action; True stands for the task's own key."""
    return given if isinstance(given, str) else key if given else ""


def _retry_policy(retry: int | Mapping[str, Any] | None) -> dict[str, Any] | None:
    if retry is None:
        return None
    return {"maxRetries": retry} if isinstance(retry, int) else dict(retry)


def _request(key: str, input_: Mapping[str, Any] | None, options: Mapping[str, Any]) -> TaskRequest:
    """The request; options are checked as a create body is. Raises ValidationFailed, ConfigurationError."""
    fields = dict(options)
    cause = fields.pop("cause", None)
    if cause is not None:
        fields["cause_type"], fields["cause"] = cause
    try:
        request = TaskRequest(task_definition_id=key, input=None if input_ is None else plain_input(input_), **fields)
    except TypeError as error:
        raise ConfigurationError(f"an option of {key!r} is not known: {error}") from None
    return parse_request(msgspec.to_builtins(request)) if fields else request
