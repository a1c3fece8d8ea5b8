"""Traces: tasks and their attempts are exported as spans.

A task is a span from when it was asked for to its end, each attempt one within; subtasks go on in the trace of the task
that started them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import requests
import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

from taskyard.calls.breakers import Circuit
from taskyard.domain import sequence
from taskyard.domain.ids import made_at
from taskyard.domain.lifecycle import FINAL, OUTCOME_MOVES
from taskyard.domain.queue import Queue
from taskyard.domain.task import detail_of
from taskyard.engine.engine import Engine
from taskyard.engine.traces import roots, trace_id
from taskyard.errors import CallFailed
from taskyard.services.otel.resource import make_resource
from taskyard.services.spans import REFUSED, Ended

READER: Final = "otlp"
_SCOPE: Final = InstrumentationScope("taskyard")
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)

log = structlog.get_logger("taskyard.spans")


class _Session(requests.Session):
    """Remembers whether the collector was asked, and what it answered."""

    asked = False
    status: int | None = None

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """See the base."""
        self.asked = True
        response = super().send(request, **options)
        self.status = response.status_code
        return response


class Collector:
    """Exports to the collector at `endpoint` (OTLP over HTTP). `OTEL_*` of the environment say the rest."""

    def __init__(self, engine: Engine, endpoint: str, circuit: Circuit) -> None:
        self._engine = engine
        self._circuit = circuit
        self._session = _Session()
        self._exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", session=self._session)
        self._resource = make_resource()

    async def report(self, ended: Sequence[Ended]) -> None:
        """See `Report`."""
        of = await roots(self._engine, [one.known.facts.body for one in ended])
        await self._tell([span for one in ended for span in self._spans(one, of[one.fact.task_id])])

    async def _tell(self, spans: Sequence[ReadableSpan]) -> None:
        """Export them; of those that are refused together, what is not refused by itself."""
        try:
            with self._circuit.call():
                await asyncio.to_thread(self._export, spans)
        except CallFailed as error:
            if error.retryable:
                raise
            if len(spans) == 1:
                self._circuit.refused += 1
                log.warning("a span was refused and is lost", span=spans[0].name, reason=error.message)
                return
            half = len(spans) // 2
            await self._tell(spans[:half])
            await self._tell(spans[half:])

    def _export(self, spans: Sequence[ReadableSpan]) -> None:
        session = self._session
        session.asked, session.status = False, None
        if self._exporter.export(spans) is SpanExportResult.SUCCESS:
            return
        if not session.asked or session.status in REFUSED:
            said = f"answered {session.status}" if session.asked else "was not asked, as they cannot be written"
            raise CallFailed(f"the collector {said}", reason="refused", retryable=False)
        raise CallFailed("the collector did not take the spans", reason="status")

    def close(self) -> None:
        """Wait for nobody any more."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # of theirs

    def _spans(self, one: Ended, root: int) -> list[ReadableSpan]:
        body, fact = one.known.facts.body, one.fact
        task = _context(root, sequence.span_id(body.id, sequence.queued(1)))
        attempt = self._span(one, _context(root, one.span_id), task, fact.started_at or made_at(body.id), {
            "taskyard.attempt": fact.attempt, "taskyard.executor": fact.worker or "",
        })  # fmt: skip
        if OUTCOME_MOVES[fact.outcome].target not in FINAL:
            return [attempt]
        above = body.parent_id
        parent = None if above is None else _context(root, sequence.span_id(above, sequence.queued(1)))
        return [attempt, self._span(one, task, parent, made_at(body.id), {"taskyard.attempts": fact.attempt})]

    def _span(
        self, one: Ended, context: SpanContext, parent: SpanContext | None, begun: int, more: dict[str, Any]
    ) -> ReadableSpan:
        error = detail_of(one.fact).error or {}
        return ReadableSpan(
            one.known.kind.definition.key,
            context=context,
            parent=parent,
            resource=self._resource,
            attributes=_attributes(one) | more,
            status=Status(StatusCode.OK) if one.is_well else Status(StatusCode.ERROR, error.get("message")),
            start_time=begun * 1000,
            end_time=one.fact.finished_at * 1000,
            instrumentation_scope=_SCOPE,
        )


def _context(root: int, own: bytes) -> SpanContext:
    trace = int(trace_id(root), 16)
    return SpanContext(trace, int.from_bytes(own, "big"), is_remote=False, trace_flags=_SAMPLED)


def _attributes(one: Ended) -> dict[str, Any]:
    body, definition = one.known.facts.body, one.known.kind.definition
    error = detail_of(one.fact).error or {}
    told = {
        "taskyard.task.id": str(body.id),
        "taskyard.task.key": definition.key,
        "taskyard.task.category": definition.category,
        "taskyard.task.queue": Queue.of(definition.task_type).title,
        "taskyard.task.outcome": one.fact.outcome.name,
        "taskyard.workflow.id": body.workflow_id,
        "taskyard.correlation.id": body.correlation_id,
        "error.type": error.get("code"),
    }
    return {name: value for name, value in told.items() if value}
