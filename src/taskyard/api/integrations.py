"""Integrations: calls over connections for those who bring their own tasks."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

import msgspec
import structlog
from msgspec import Meta
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.access import CONNECT
from taskyard.api.answers import answer
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.domain.implementation import Integration
from taskyard.domain.json import check
from taskyard.domain.outcome import Done, Failed, Handed, Postponed, Report, TaskError
from taskyard.domain.policy import invalid
from taskyard.domain.schema import compile_schema
from taskyard.engine.connections import entered, get_connection
from taskyard.engine.define import check_integration
from taskyard.errors import CallFailed, CircuitOpen, Forbidden, Overloaded, TaskyardError, ValidationFailed
from taskyard.executors.integration.calling import Asking

routes = Routes("Integrations")
log = structlog.get_logger("taskyard.integration")

_Expression = Annotated[str, Meta(min_length=1, max_length=4000)]
_OF_TASKS = "taskyard-"
"""How the keys of tasks begin: with one, a call could be taken for a task's, or be given its answer."""
_LONGEST = 300.0


class Invocation(schemas.Strict):
    """A call: `operation`, `request`, `response` and `errorExpression` are those of a definition's implementation.

    `timeout` in seconds. `idempotencyKey` goes along where the other side knows one.
    """

    operation: dict[str, Any] = msgspec.field(default_factory=dict)
    input: Any = None
    request: _Expression | None = None
    response: _Expression | None = None
    error_expression: _Expression | None = None
    idempotency_key: Annotated[str, Meta(min_length=1, max_length=255, pattern="^[!-~]+$")] | None = None
    correlation_id: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    timeout: Annotated[float, Meta(gt=0, le=_LONGEST)] = 60.0


class Invoked(schemas.Answer):
    """What came of it."""

    output: Any
    correlation_id: str


class InvocationTaken(schemas.Answer):
    """The other side answers later, under this correlation id."""

    correlation_id: str


INVOCATION = Shape[Invocation](Invocation)


@routes.add(
    "POST /api/v1/integrations/{connectionId}/invoke", body=INVOCATION, answers={200: Invoked, 202: InvocationTaken}
)
async def invoke(call: Call) -> Response:
    """Make a call over a connection, and wait for its end."""
    known = await get_connection(call.engine, call.param("connectionId"))
    caller = call.caller
    if not caller.allows(CONNECT) and not known.row.connection.admits(caller.subject, caller.groups):
        raise Forbidden(f"the connection {known.row.id!r} does not name you among its allowedCallers")
    body = await call.body(INVOCATION)
    check(body.input)
    for name, key in (("idempotencyKey", body.idempotency_key), ("correlationId", body.correlation_id)):
        if (key or "").startswith(_OF_TASKS):
            raise invalid(f"/{name}", f"must not begin with {_OF_TASKS}, as those of tasks do", "pattern")
    asked = Integration("integration", known.row.id, body.operation, body.request, body.response, body.error_expression)
    check_integration(asked, "")
    type_ = call.engine.connection_types.get(known.row.connection.type)
    compile_schema(dict(type_.operation)).check(asked.operation, "/operation")
    correlation_id = body.correlation_id or str(uuid.uuid4())
    asking = Asking(
        input=body.input,
        task={"correlationId": correlation_id},
        key=body.idempotency_key or correlation_id,
        timeout=body.timeout,
        log=lambda level, text: log.info(text, by=caller.subject),
        progress=lambda current, total, action: None,
        owner=caller.subject,
    )
    async with entered(call.engine, known, body.timeout):
        call.audit("integration invoked", kept=False, connection=known.row.id, correlation=correlation_id)
        report = await call.while_here(call.services.integrations().perform(known.row, asked, asking))
    return _answered(report, correlation_id)


def _answered(report: Report, correlation_id: str) -> Response:
    match report:
        case Done(value):
            return answer({"output": value, "correlationId": correlation_id})
        case Handed():
            return answer({"correlationId": report.correlation_id or correlation_id}, 202)
        case Failed(error, delay):
            raise _raised(error, delay)
        case Postponed(delay, reason, circuit) if circuit is not None:
            raise CircuitOpen(reason or "a circuit is open", circuit=circuit, retry_after=delay or 1.0)
        case Postponed(delay, reason):
            raise Overloaded(reason or "the other side asks to come back later", retry_after=delay or 1.0)
    raise TaskyardError("the call was not made; ask again")


def _raised(error: TaskError, delay: float | None) -> TaskyardError:
    if error.code == "VALIDATION_ERROR":
        return ValidationFailed(error.message, details=error.details)
    details = {name: value for name, value in msgspec.to_builtins(error).items() if name != "message"}
    return CallFailed(
        error.message, reason="call", retryable=error.retryable is True, details=details, retry_after=delay
    )
