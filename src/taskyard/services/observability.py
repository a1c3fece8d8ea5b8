"""The observability service: each attempt of each task is reported there as a span."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import structlog

from taskyard.domain import sequence
from taskyard.domain.ids import made_at
from taskyard.domain.task import detail_of, iso
from taskyard.errors import CallFailed
from taskyard.services.service import Service
from taskyard.services.spans import REFUSED, Ended

READER: Final = "spans"
PATH: Final = "/api/tracing/span"
_CALLS = 10

log = structlog.get_logger("taskyard.spans")


class Observability:
    """Reports spans to the service, one a call."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def report(self, ended: Sequence[Ended]) -> None:
        """See `Report`."""
        calls = asyncio.Semaphore(_CALLS)

        async def post(one: Ended) -> int:
            async with calls:
                status = (await self._service.post(PATH, span_of(one))).status_code
            if status >= 400 and status not in REFUSED:
                raise CallFailed(f"the observability service answered {status}", reason="refused")
            return status

        ends = await asyncio.gather(*(post(one) for one in ended), return_exceptions=True)
        takes_some = any(isinstance(end, int) for end in ends)
        for end in ends:
            if isinstance(end, BaseException) and not (takes_some and _is_status(end)):
                raise end
        for one, end in zip(ended, ends, strict=True):
            if isinstance(end, BaseException) or end >= 400:
                self._service.circuit.refused += 1
                log.warning("a span was refused and is lost", task=str(one.fact.task_id), reason=str(end))


def _is_status(error: BaseException) -> bool:
    """Whether the service answered by an error: where it takes others, what it was told makes it fail."""
    return isinstance(error, CallFailed) and error.reason == "status"


def span_of(one: Ended) -> dict[str, Any]:
    """An attempt as a span: times as everywhere, ids as in OpenTelemetry; all attempts of a task are one trace."""
    body, definition, fact = one.known.facts.body, one.known.kind.definition, one.fact
    trace = sequence.correlation_id(body.id)
    error = detail_of(fact).error or {}
    return {
        "traceId": trace.replace("-", ""),
        "spanId": one.span_id.hex(),
        "name": definition.key,
        "startTime": iso(fact.started_at or made_at(body.id)),
        "endTime": iso(fact.finished_at),
        "status": "OK" if one.is_well else "ERROR",
        "attributes": {
            "taskId": str(body.id),
            "workflowId": body.workflow_id,
            "correlationId": body.correlation_id or trace,
            "taskDefinitionId": definition.key,
            "taskType": definition.task_type.value,
            "attempt": fact.attempt,
            "outcome": fact.outcome.name,
            "executorId": fact.worker,
            "executionTime": fact.run_ms,
            "errorCode": error.get("code"),
        },
    }
