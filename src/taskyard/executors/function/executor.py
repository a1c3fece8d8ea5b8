"""Running registered Python functions."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections import defaultdict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from taskyard.contracts.executor import Fallback, Job, Run
from taskyard.domain.definition import Definition, Kind
from taskyard.domain.outcome import Failed, Released, Report, TaskError
from taskyard.domain.upload import UploadedFile
from taskyard.executors.function.blocking import LoopCalls
from taskyard.executors.function.context import BlockingContext, Context, Services
from taskyard.executors.function.errors import TaskCanceled, report_failure
from taskyard.executors.function.handler import Handler, Registry
from taskyard.executors.function.process import ProcessPool
from taskyard.executors.function.results import report_result

_SPARE = 32
_MOST_THREADS = 10_000

_decode = msgspec.json.Decoder().decode

FindUploads = Callable[[list[str]], Awaitable[dict[str, UploadedFile]]]


class FunctionExecutor:
    """Runs the functions of a registry. `find_uploads` gives the files behind upload ids.

    As parents that wait for subtasks hold no slot but do hold a thread or a process, there is room for so many of one
    handler's attempts; who finds none waits like a parent. Their subtasks are other handlers' and so find room.
    """

    def __init__(self, registry: Registry, services: Services, slots: int, find_uploads: FindUploads) -> None:
        self._registry = registry
        self._services = services
        self._find_uploads = find_uploads
        self._threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="taskyard-handler")
        self._processes = ProcessPool(slots, services)
        self._rooms: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(slots + _SPARE))
        self._runs: dict[int, Run] = {}

    def can_run(self, definition: Definition, target: str = "") -> bool:
        """See the contract."""
        return not target and definition.kind == "function" and self._registry.get(_name(definition)) is not None

    def bind(self, kind: Kind) -> Run:
        """See the contract."""
        if kind.id not in self._runs:
            handler = self._registry.get(_name(kind.definition))
            assert handler is not None  # noqa: S101 - `can_run` was asked first
            self._runs[kind.id] = self._bind(handler)
        return self._runs[kind.id]

    def fallback(self, kind: Kind) -> Fallback | None:
        """See the contract."""
        handler = self._registry.get(_name(kind.definition))
        if handler is not None and handler.fallback is not None:
            return self._fallback(handler, handler.fallback)
        constant = kind.definition.fallback
        return None if constant is None else _constant(constant)

    async def start(self) -> None:
        """See the contract."""
        await self._processes.start()

    async def stop(self) -> None:
        """See the contract."""
        await self._processes.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _bind(self, handler: Handler) -> Run:
        call = {"inline": self._inline, "thread": self._in_thread, "process": self._in_process}[handler.isolation]

        async def run(job: Job) -> Report:
            try:
                value = _decode(job.claimed.input) or {}
                uploads = await self._uploads(handler, value) if handler.takes_uploads else None
                report = await call(handler, handler.signature.bind(value, prefix="/input", uploads=uploads), job)
            except TaskCanceled as stop:
                report = Released(str(stop))
            except BaseException as error:
                if _is_meant_for_us(error) and job.stopped != "timeout":
                    raise
                report = report_failure(error)
            return _delayed(handler, job, report)

        return run

    async def _uploads(self, handler: Handler, value: dict[str, Any]) -> dict[str, UploadedFile]:
        return await self._find_uploads(handler.signature.upload_ids(value))

    async def _inline(self, handler: Handler, arguments: dict[str, Any], job: Job) -> Report:
        context = Context(job, self._services)
        if handler.signature.takes_context:
            value = await handler.function(context, **arguments)
        else:
            value = await handler.function(**arguments)
        return report_result(handler.signature, value, context.warnings)

    async def _in_thread(self, handler: Handler, arguments: dict[str, Any], job: Job) -> Report:
        calls = LoopCalls(job)
        context = BlockingContext(job, self._services, calls)
        room = await self._enter(handler, job)
        try:
            future = self._threaded(handler.function, *_context(handler, context), **arguments)
        except BaseException:
            room.release()
            raise
        future.add_done_callback(lambda _: room.release())
        try:
            value = await asyncio.shield(future)
        except asyncio.CancelledError:
            calls.stop()
            if job.stopped == "canceled":  # the slot is held until the thread lets go
                await asyncio.wait([future])
            future.add_done_callback(_heard)
            raise
        return report_result(handler.signature, value, context.warnings)

    async def _enter(self, handler: Handler, job: Job) -> asyncio.Semaphore:
        """The handler's room, in which there is a place less now."""
        room = self._rooms[handler.key]
        await (job.waiting(room.acquire()) if room.locked() else room.acquire())
        return room

    def _threaded(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """The function's result, from a thread with a copy of this context."""
        run = contextvars.copy_context().run
        return asyncio.get_running_loop().run_in_executor(self._threads, run, _carried, function, args, kwargs)

    async def _in_process(self, handler: Handler, arguments: dict[str, Any], job: Job) -> Report:
        room = await self._enter(handler, job)
        try:
            return await self._processes.run(handler, arguments, job)
        finally:
            room.release()

    def _fallback(self, handler: Handler, function: Callable[..., Any]) -> Fallback:
        async def run(job: Job, error: TaskError) -> Any:
            del error
            given = _decode(job.claimed.input) or {}
            uploads = await self._uploads(handler, given) if handler.takes_uploads else None
            try:
                value = await self._called(function, handler.signature.bind(given, prefix="/input", uploads=uploads))
            except BaseException as failure:
                if isinstance(failure, Exception) or _is_meant_for_us(failure):
                    raise
                raise RuntimeError(f"the fallback raised {type(failure).__name__}") from failure
            return handler.signature.dump_output(value)

        return run

    async def _called(self, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(function):
            return await function(**arguments)
        return await self._threaded(function, **arguments)


def _name(definition: Definition) -> str:
    return str(definition.implementation.get("name", definition.key))


def _context(handler: Handler, context: BlockingContext) -> tuple[BlockingContext, ...]:
    return (context,) if handler.signature.takes_context else ()


def _constant(value: Any) -> Fallback:
    async def run(job: Job, error: TaskError) -> Any:
        del job, error
        return value

    return run


def _delayed(handler: Handler, job: Job, report: Report) -> Report:
    """A failure that names no delay of its own takes the handler's `retry_delay`."""
    if handler.retry_delay is None or not isinstance(report, Failed) or report.delay is not None:
        return report
    return Failed(report.error, handler.retry_delay(job.claimed.failures + 1))


def _heard(future: asyncio.Future[Any]) -> None:
    """An abandoned thread's error has been told already."""
    if not future.cancelled():
        future.exception()


def _carried(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call the function; a future cannot carry StopIteration, so that becomes an error that says so."""
    try:
        return function(*args, **kwargs)
    except StopIteration as error:
        raise RuntimeError("the handler raised StopIteration") from error


def _is_meant_for_us(error: BaseException) -> bool:
    """Whether it is not the handler's own: somebody cancels this attempt, or its coroutine is being closed."""
    own = asyncio.current_task()
    canceled = isinstance(error, asyncio.CancelledError) and own is not None and own.cancelling() > 0
    return canceled or isinstance(error, GeneratorExit)
