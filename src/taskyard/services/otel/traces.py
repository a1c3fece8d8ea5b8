"""Traces: tasks and their attempts are exported as spans.

A task is a span from when it was asked for to its end, each attempt one within; subtasks go on in the trace of the task
that started them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

from taskyard.calls.breakers import Circuit
from taskyard.domain import sequence
from taskyard.domain.facts import Body
from taskyard.domain.ids import made_at
from taskyard.domain.lifecycle import FINAL, OUTCOME_MOVES
from taskyard.domain.queue import Queue
from taskyard.domain.task import detail_of
from taskyard.engine.engine import Engine
from taskyard.engine.query import know
from taskyard.errors import CallFailed
from taskyard.services.otel.resource import make_resource
from taskyard.services.spans import Ended, span_id

READER: Final = "otlp"
_SCOPE: Final = InstrumentationScope("taskyard")
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_DEEPEST = 64


class Collector:
    """Exports to the collector at `endpoint` (OTLP over HTTP). `OTEL_*` of the environment say the rest."""

    def __init__(self, engine: Engine, endpoint: str, circuit: Circuit) -> None:
        self._engine = engine
        self._circuit = circuit
        self._exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self._resource = make_resource()

    async def report(self, ended: Sequence[Ended]) -> None:
        """See `Report`."""
        roots = await self._roots([one.known.facts.body for one in ended])
        spans = [span for one in ended for span in self._spans(one, roots[one.fact.task_id])]
        with self._circuit.call():
            if await asyncio.to_thread(self._exporter.export, spans) is not SpanExportResult.SUCCESS:
                raise CallFailed("the collector did not take the spans", reason="status")

    def close(self) -> None:
        """Wait for nobody any more."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    async def _roots(self, bodies: Sequence[Body]) -> dict[int, int]:
        """The task by whose trace each of these goes: the first of those that started one another."""
        parents = {body.id: body.parent_id for body in bodies}
        for _ in range(_DEEPEST):
            unknown = {parent for parent in parents.values() if parent is not None} - parents.keys()
            if not unknown:
                break
            found = {known.facts.body.id: known.facts.body.parent_id for known in await know(self._engine, [*unknown])}
            parents |= dict.fromkeys(unknown) | found
        return {body.id: _root(body.id, parents) for body in bodies}

    def _spans(self, one: Ended, root: int) -> list[ReadableSpan]:
        body, fact = one.known.facts.body, one.fact
        task = _context(root, span_id(body.id, sequence.queued(1)))
        attempt = self._span(one, _context(root, one.span_id), task, fact.started_at or made_at(body.id), {
            "taskyard.attempt": fact.attempt, "taskyard.executor": fact.worker or "",
        })  # fmt: skip
        if OUTCOME_MOVES[fact.outcome].target not in FINAL:
            return [attempt]
        parent = None if body.parent_id is None else _context(root, span_id(body.parent_id, sequence.queued(1)))
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


def _root(task_id: int, parents: dict[int, int | None]) -> int:
    while (parent := parents.get(task_id)) is not None:
        task_id = parent
    return task_id


def _context(root: int, own: bytes) -> SpanContext:
    trace = sequence.correlation_id(root).int
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
