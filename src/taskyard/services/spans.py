"""The observability service: each attempt of each task is reported there as a span. While it is away they wait."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog

from taskyard.domain import sequence
from taskyard.domain.facts import AttemptFact
from taskyard.domain.ids import made_at
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.task import detail_of, iso
from taskyard.engine.engine import Engine
from taskyard.engine.events import FeedEvent, read_page
from taskyard.engine.query import Known, know
from taskyard.errors import CallFailed, CircuitOpen, EgressRefused
from taskyard.services.service import Service

READER: Final = "spans"
PATH: Final = "/api/tracing/span"
_AT_ONCE = 200
_CALLS = 10
_WELL = frozenset({Outcome.COMPLETED, Outcome.FALLBACK, Outcome.RELEASED, Outcome.ASSIGNED, Outcome.WAITING})

log = structlog.get_logger("taskyard.spans")


class Spans:
    """Reads the feed where it has come to, and reports what has ended since. One process at a time has turns."""

    def __init__(self, engine: Engine, service: Service) -> None:
        self._engine = engine
        self._service = service

    async def begin(self) -> None:
        """A service that is new hears of what happens from now on."""
        store = self._engine.store
        if await store.reader_position(READER) is None:
            await store.move_reader(READER, None, await store.feed_end())

    async def turn(self) -> None:
        """Report all that can be reported now."""
        store = self._engine.store
        position = await store.reader_position(READER) or 0
        while (page := await read_page(self._engine, position, _AT_ONCE)).end != position:
            try:
                await self._report([one for one in page.events if sequence.is_settled(one.event.sequence)])
            except (CallFailed, CircuitOpen, EgressRefused) as error:
                log.info("spans wait for the observability service", reason=error.message)
                return
            if not await store.move_reader(READER, position, page.end):
                return
            position = page.end

    async def _report(self, ended: list[FeedEvent]) -> None:
        ids = sorted({int(one.event.data["taskId"]) for one in ended})
        known = {each.facts.body.id: each for each in await know(self._engine, ids)}
        pairs = [(int(one.event.data["taskId"]), sequence.attempt_of(one.event.sequence)) for one in ended]
        calls = asyncio.Semaphore(_CALLS)

        async def post(fact: AttemptFact) -> None:
            async with calls:
                answer = await self._service.post(PATH, span_of(known[fact.task_id], fact))
            if answer.status_code >= 400:
                log.warning("a span was refused", task=str(fact.task_id), status=answer.status_code)

        facts = await self._engine.store.attempt_facts(sorted(set(pairs)))
        ends = await asyncio.gather(*(post(fact) for fact in facts if fact.task_id in known), return_exceptions=True)
        for failure in (end for end in ends if end is not None):
            raise failure


def span_of(known: Known, fact: AttemptFact) -> dict[str, Any]:
    """An attempt as a span: times as everywhere, ids as in OpenTelemetry; all attempts of a task are one trace."""
    body, definition = known.facts.body, known.kind.definition
    trace = sequence.correlation_id(body.id)
    error = detail_of(fact).error or {}
    return {
        "traceId": trace.hex,
        "spanId": sequence.event_id(body.id, sequence.settled(fact.attempt)).hex[:8] + trace.hex[-8:],
        "name": definition.key,
        "startTime": iso(fact.started_at or made_at(body.id)),
        "endTime": iso(fact.finished_at),
        "status": "OK" if fact.outcome in _WELL else "ERROR",
        "attributes": {
            "taskId": str(body.id),
            "workflowId": body.workflow_id,
            "correlationId": body.correlation_id or str(trace),
            "taskDefinitionId": definition.key,
            "taskType": definition.task_type.value,
            "attempt": fact.attempt,
            "outcome": fact.outcome.name,
            "executorId": fact.worker,
            "executionTime": fact.run_ms,
            "errorCode": error.get("code"),
        },
    }
