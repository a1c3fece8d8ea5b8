"""HTTP: an endpoint is called with the input, and answers at once or later."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from taskyard.calls.breakers import Breakers, is_outage
from taskyard.contracts.clock import Clock
from taskyard.contracts.target import Call, Observer, Standing
from taskyard.domain.frame import LONGEST_TEXT, Broke, Gave
from taskyard.domain.implementation import Http
from taskyard.domain.json import loads
from taskyard.domain.outcome import Done, Failed, Handed, Report, TaskError
from taskyard.domain.text import printable
from taskyard.errors import CallFailed, CircuitOpen, TaskyardError
from taskyard.executors.script.hearing import Hearing, broke, too_much, waits_for
from taskyard.security.egress.client import Egress
from taskyard.security.egress.terms import Answer, Limits
from taskyard.security.egress.url import parse_url

if TYPE_CHECKING:
    import httpx

Sign = Callable[[str, int, bytes], dict[str, str]]
"""`sign(message_id, now_us, body)` gives the headers that prove who calls."""

_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_FRAMES = "application/x-ndjson"
_WITHOUT_BODY = frozenset({"GET", "DELETE"})


class HttpTarget:
    """Calls endpoints. `url` is where we answer ourselves, empty when nobody knows."""

    name = "http"
    kinds = frozenset({"http"})

    def __init__(
        self, egress: Callable[[], Egress], breakers: Breakers, clock: Clock, sign: Sign | None = None, url: str = ""
    ) -> None:
        self._egress = egress
        self._breakers = breakers
        self._clock = clock
        self._sign = sign
        self._url = url.rstrip("/")

    async def run(self, call: Call, observer: Observer) -> Report:
        """See the contract. What answers 202 has been handed the task, and answers later."""
        observer.placed(self.name)
        asked = msgspec.convert(call.implementation, Http)
        try:
            circuit = self._breakers.circuit(f"http:{parse_url(asked.url).netloc.decode()}")
            with circuit.call(lambda error: isinstance(error, _Unwell) or is_outage(error)):
                return await self._run(asked, call, observer)
        except _Unwell as unwell:
            return unwell.report
        except CircuitOpen as open_:
            return waits_for(open_)
        except CallFailed as failed:
            return _failed(failed, call)
        except TaskyardError as refused:
            return Failed(TaskError(refused.code, refused.message, refused.details))

    async def standings(self) -> list[Standing]:
        """See the contract."""
        return [Standing("http", self.name)]

    async def start(self) -> None:
        """See the contract: an endpoint is not ours to tidy up."""

    async def stop(self) -> None:
        """See the contract."""

    async def _run(self, asked: Http, call: Call, observer: Observer) -> Report:
        body = b"" if asked.method in _WITHOUT_BODY else call.input
        limits = Limits(read=call.wall, total=call.wall, max_bytes=call.resources.output_bytes)
        url = asked.url if body else _with_query(asked.url, _query(call.input))
        async with self._egress().stream(
            asked.method, url, headers=self._headers(call, body), content=body or None, limits=limits
        ) as answer:
            return await _read(answer, call, observer)

    def _headers(self, call: Call, body: bytes) -> dict[str, str]:
        headers = {
            "accept": f"application/json, {_FRAMES}",
            "idempotency-key": call.token,
            "x-task-id": call.task_id,
            "x-task-attempt": str(call.attempt),
            "x-task-definition": call.definition,
            "x-task-timeout": f"{call.wall:g}",
        }
        if body:
            headers["content-type"] = "application/json"
        if self._url:
            headers["x-task-callback"] = f"{self._url}/api/internal/tasks/{call.task_id}/status?token={call.token}"
        if self._sign is not None:
            headers |= self._sign(call.token, self._clock.now(), body)
        return headers


class _Unwell(Exception):
    """The endpoint answers that it is not well."""

    def __init__(self, report: Failed) -> None:
        super().__init__(report.error.message)
        self.report = report


async def _read(answer: Answer, call: Call, observer: Observer) -> Report:
    response = answer.response
    if response.status_code == HTTPStatus.ACCEPTED:
        return Handed(to_person=False, correlation_id=call.token)
    if response.headers.get("content-type", "").startswith(_FRAMES) and response.is_success:
        return await _hear(answer, call, observer)
    body = b"".join([piece async for piece in answer.pieces])
    if response.is_success:
        return _done(body)
    failed = _refused(response, body)
    if response.status_code in _TRY_AGAIN:
        raise _Unwell(failed)
    return failed


async def _hear(answer: Answer, call: Call, observer: Observer) -> Report:
    hearing = Hearing(observer, call.resources.output_bytes)
    async for piece in answer.pieces:
        hearing.feed(piece)
    hearing.close()
    if hearing.over:
        return too_much(hearing, call.resources.output_bytes)
    match hearing.last:
        case Gave(output):
            return Done(output)
        case Broke():
            return broke(hearing.last, hearing)
    return Failed(TaskError("SANDBOX_ERROR", "the endpoint ended without a result", hearing.details()))


def _done(body: bytes) -> Done | Failed:
    if not body.strip():
        return Done(None)
    try:
        return Done(loads(body))
    except (TaskyardError, ValueError, RecursionError) as error:
        message = getattr(error, "message", str(error))
        return Failed(TaskError("OUTPUT_VALIDATION_ERROR", f"the answer is no JSON that can be kept: {message}"))


def _refused(response: httpx.Response, body: bytes) -> Failed:
    status = response.status_code
    retryable = status in _TRY_AGAIN
    after = response.headers.get("retry-after", "")
    delay = float(after) if after.isdecimal() and len(after) < 7 else None
    told = _error_in(body)
    if told is not None:
        code, message = str(told.get("code") or "EXECUTION_ERROR")[:64], str(told["message"])[:LONGEST_TEXT]
        retryable = told["retryable"] if isinstance(told.get("retryable"), bool) else retryable
        return Failed(TaskError(printable(code), printable(message), told.get("details"), retryable=retryable), delay)
    shown = printable(body[:2048].decode("utf-8", "replace"))
    details = {"status": status, "body": shown}
    return Failed(
        TaskError("INTEGRATION_ERROR", f"the endpoint answered {status}", details, retryable=retryable), delay
    )


def _error_in(body: bytes) -> dict[str, Any] | None:
    """What an endpoint says of its failure, in the form in which we say it ourselves."""
    try:
        error = loads(body).get("error")
    except (TaskyardError, ValueError, RecursionError, AttributeError):
        return None
    return error if isinstance(error, dict) and "message" in error else None


def _failed(failed: CallFailed, call: Call) -> Failed:
    if failed.reason == "timeout":
        return Failed(TaskError("TIMEOUT", f"the endpoint did not answer within {call.wall:g} s"))
    if failed.reason == "too-large":
        details = {"limit": "output"}
        return Failed(TaskError("RESOURCE_LIMIT", failed.message, details))
    return Failed(TaskError(failed.code, failed.message, {"reason": failed.reason}, retryable=failed.retryable))


def _with_query(url: str, query: dict[str, str]) -> str:
    import httpx  # loaded with the first call

    return str(httpx.URL(url).copy_merge_params(query))


def _query(body: bytes) -> dict[str, str]:
    """The input's fields as a query: texts as they are, all else as JSON."""
    value = loads(body)
    fields = value if isinstance(value, dict) else {"input": value}
    return {
        name: each if isinstance(each, str) else msgspec.json.encode(each).decode() for name, each in fields.items()
    }
