"""Calling external systems: one call over a connection, from the input to what becomes of it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

import structlog

from taskyard.calls.shared import BreakerStore, SharedCircuit
from taskyard.contracts.clock import Clock
from taskyard.contracts.connections import ConnectionRow
from taskyard.contracts.integration import Accepted, Answer, Call, ConnectionTypes, OperationFailed
from taskyard.domain.breaker import Permit
from taskyard.domain.implementation import Integration
from taskyard.domain.integration import Seen, body_of, verdict
from taskyard.domain.json import dumps
from taskyard.domain.mask import Mask
from taskyard.domain.outcome import Done, Failed, Handed, Postponed, Report, TaskError
from taskyard.domain.schema import compile_schema
from taskyard.errors import CallFailed, CircuitOpen, ConfigurationError, TaskyardError, ValidationFailed
from taskyard.executors.integration.attached import Attached, FileStore
from taskyard.executors.integration.busy import in_use
from taskyard.executors.integration.journal import Entry, write
from taskyard.executors.integration.links import Links, OpenLink, trace_of

_TEST_SECONDS = 15.0
_JITTER = 0.2
_OURS = frozenset({"secret", "disk", "busy"})

log = structlog.get_logger("taskyard.integration")


class Asking(NamedTuple):
    """Who asks for a call and hears of it. `timeout`: the seconds there are; `task` is what expressions see of it.

    `log(level, text)` and `progress(current, total, action)` never block. `ids`: the uploads that may be read.
    """

    input: Any
    task: Mapping[str, Any]
    key: str
    timeout: float
    log: Callable[[str, str], None]
    progress: Callable[[float, float | None, str | None], None]
    owner: str
    ids: frozenset[str] = frozenset()
    tries: int = 1
    traceparent: str = ""


class Integrations:
    """Makes the calls of this process. An output of more than `most_output` bytes is kept as a file."""

    def __init__(
        self, types: ConnectionTypes, links: Links, files: FileStore, store: BreakerStore, clock: Clock,
        most_output: int,
    ) -> None:  # fmt: skip
        self.types = types
        self.links = links
        self._files = files
        self._store = store
        self._clock = clock
        self.most_output = most_output
        self._circuits: dict[str, SharedCircuit] = {}
        self._background: set[asyncio.Task[None]] = set()

    def figures(self) -> dict[str, dict[str, Any]]:
        """The circuits of this process by name; for metrics and readiness. May be called from any thread."""
        return {f"connection:{name}": circuit.figures() for name, circuit in tuple(self._circuits.items())}

    def misfit(self, row: ConnectionRow, asked: Integration) -> Failed | None:
        """What is wrong with an operation for the connection's type; None for a sound one."""
        try:
            schema = dict(self.types.get(row.connection.type).operation)
            compile_schema(schema).check(asked.operation, "/implementation/operation")
        except TaskyardError as error:
            return Failed(_error_of(error))
        return None

    async def perform(self, row: ConnectionRow, asked: Integration, asking: Asking) -> Report:
        """Make the call, whose operation was found sound; what becomes of it. Raises only `asyncio.CancelledError`."""
        try:
            body = body_of(asked, asking.input, asking.task)
            permit = await self._circuit(row.id).enter()
        except CircuitOpen as open_:
            wait = (open_.retry_after or 1.0) * (1 + _JITTER * random.random())  # noqa: S311 - jitter is no secret
            return Postponed(wait, open_.message, open_.circuit)
        except ValueError as error:
            return Failed(TaskError("VALIDATION_ERROR", f"the request's expression cannot take this input: {error}"))
        except TaskyardError as error:
            return Failed(_error_of(error))
        return await self._permitted(row, asked, asking, body, permit)

    async def test(self, row: ConnectionRow) -> tuple[float, TaskError | None]:
        """See whether the other side is there and lets us in: the seconds it took, and what is wrong."""
        began = time.perf_counter()
        open_: OpenLink | None = None
        error: TaskError | None = None
        try:
            async with asyncio.timeout(_TEST_SECONDS), self.links.use(row) as (open_, link):
                await link.test()
        except TimeoutError:
            error = TaskError("TIMEOUT", f"no answer within {_TEST_SECONDS:g} s")
        except Exception as failure:  # noqa: BLE001 - whatever a type raises is what is wrong
            error = _masked(_error_of(failure), self._mask(row, open_))
        return time.perf_counter() - began, error

    async def stop(self) -> None:
        """Let go of everything; calls have ended."""
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.links.close()

    async def _permitted(
        self, row: ConnectionRow, asked: Integration, asking: Asking, body: Any, permit: Permit
    ) -> Report:
        entry = Entry(row.id, asking.tries, asking.traceparent)
        files = Attached(self._files, asking.ids, asking.owner)
        try:
            answer, failure = await self._called(row, asked, asking, body, entry, files)
            await self._tell(row.id, permit, failure)
            report = await self._reported(asked, asking, answer, failure, files)
        except asyncio.CancelledError as cancelled:
            self._spawn(self._circuit(row.id).give_back(permit))
            write(entry, None, cancelled, asking.log, bodies=row.connection.log_bodies)
            raise
        finally:
            await files.remove()
        write(entry, answer, failure, asking.log, bodies=row.connection.log_bodies)
        return entry.mask.report(report)

    async def _tell(self, connection_id: str, permit: Permit, failure: Exception | None) -> None:
        """The breaker hears what became of the call, unless that says nothing of the other side."""
        if failure is not None and _is_ours(failure):
            await self._circuit(connection_id).give_back(permit)
        else:
            await self._circuit(connection_id).tell(permit, failed=failure is not None and _counts(failure))

    async def _called(
        self, row: ConnectionRow, asked: Integration, asking: Asking, body: Any, entry: Entry, files: Attached
    ) -> tuple[Answer | Accepted | None, Exception | None]:
        seconds = min(asking.timeout, row.connection.limits.timeout)

        def progress(current: float, total: float | None) -> None:
            asking.progress(current, total, None)

        open_: OpenLink | None = None
        call = Call(asked.operation, body, asking.input, seconds, asking.key, files, progress, asking.traceparent)
        try:
            async with asyncio.timeout(seconds) as scope, self.links.use(row) as (open_, link):
                entry.begin(link.target(call), body)
                return await link.call(call), None
        except TimeoutError:
            if not scope.expired():
                return None, CallFailed("the other side did not answer in time", reason="timeout")
            return None, CallFailed(f"no whole answer within {seconds:g} s", reason="timeout")
        except TaskyardError as error:
            if open_ is not None and isinstance(error, CallFailed) and error.reason == "credentials":
                await self.links.refused(row.id, open_)
            return None, in_use(row.id) if _is_full_here(error) else error
        except Exception as error:  # noqa: BLE001 - whatever a type raises is a failure of the call
            mask = self._mask(row, open_)  # which the logger's own traceback would not go through
            log.error("a connection type raised", connection=row.id, trace=trace_of(error, mask))  # noqa: TRY400 - its own trace is not masked
            return None, error
        finally:
            entry.mask = self._mask(row, open_)

    def _mask(self, row: ConnectionRow, found: OpenLink | None) -> Mask:
        return self.links.mask(row.id) if found is None else found.mask

    async def _reported(
        self, asked: Integration, asking: Asking, answer: Answer | Accepted | None, failure: Exception | None,
        files: Attached,
    ) -> Report:  # fmt: skip
        if isinstance(answer, Accepted):
            wake_at = None if answer.within is None else self._clock.now() + int(answer.within * 1e6)
            return Handed(to_person=False, correlation_id=answer.correlation_id, wake_at=wake_at)
        if answer is not None:
            seen = Seen(answer.status, answer.output, dict(answer.details))
        else:
            assert failure is not None  # noqa: S101 - what gave no answer has failed
            seen = _seen(failure)
        judged = verdict(asked, asking.input, seen)
        if isinstance(judged, Done):
            return await self._kept(judged, files, 0 if answer is None else answer.bytes_in)
        if judged.error is seen.error and isinstance(failure, CallFailed):
            if isinstance(failure, OperationFailed) and not failure.burns:
                return Postponed(failure.retry_after, failure.message)
            return Failed(judged.error, failure.retry_after)
        return judged

    async def _kept(self, done: Done, files: Attached, size: int) -> Report:
        """The result; a large one as a file."""
        if 0 < size <= self.most_output // 8:  # as JSON it cannot become that much larger
            return done
        try:
            content = dumps(done.value)
        except ValidationFailed as error:
            return Failed(TaskError("OUTPUT_VALIDATION_ERROR", f"the answer cannot be kept: {error.message}"))
        if len(content) <= self.most_output:
            return done
        try:
            return Done({"file": await files.keep_bytes(content, "result.json")}, done.warnings)
        except TaskyardError as error:
            return Failed(_error_of(error))

    def _circuit(self, name: str) -> SharedCircuit:
        known = self._circuits.get(name)
        if known is None:
            known = self._circuits[name] = SharedCircuit(name, self._clock, self._store)
        return known

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _counts(failure: Exception) -> bool:
    """Whether the breaker takes it for a failure of the other side."""
    if isinstance(failure, OperationFailed):
        return failure.counts
    return isinstance(failure, CallFailed) and failure.retryable


def _is_full_here(failure: Exception) -> bool:
    """Whether the client for what leaves had no connection to spare."""
    return type(failure) is CallFailed and failure.reason == "busy"


def _is_ours(failure: Exception) -> bool:
    """Whether it failed here: nothing reached the other side, or what came could not be kept."""
    if isinstance(failure, CallFailed):
        return failure.reason in _OURS
    return isinstance(failure, ValidationFailed | ConfigurationError)


def _seen(failure: Exception) -> Seen:
    error = _error_of(failure)
    if isinstance(failure, OperationFailed):
        return Seen(failure.status, failure.output, failure.details, error)
    return Seen("", None, None, error)


def _error_of(failure: Exception) -> TaskError:
    if isinstance(failure, OperationFailed):
        details = {"status": failure.status, "reason": failure.reason}
        details |= failure.details if isinstance(failure.details, dict) else {}
        return TaskError(failure.error_code, failure.message, details, retryable=failure.retryable)
    if isinstance(failure, CallFailed):
        code = "TIMEOUT" if failure.reason == "timeout" else failure.code
        return TaskError(code, failure.message, {"reason": failure.reason}, retryable=failure.retryable)
    if isinstance(failure, ValidationFailed):
        return TaskError(failure.code, failure.message, failure.details, retryable=False)
    if isinstance(failure, ConfigurationError):
        return TaskError("INTEGRATION_ERROR", failure.message, {"reason": "configuration"})
    if isinstance(failure, TaskyardError):
        return TaskError("INTEGRATION_ERROR", failure.message, failure.details)
    return TaskError("INTEGRATION_ERROR", f"the connection type failed: {type(failure).__name__}", retryable=False)


def _masked(error: TaskError, mask: Mask) -> TaskError:
    report = mask.report(Failed(error))
    assert isinstance(report, Failed)  # noqa: S101 - what was reported stays what it is
    return report.error
