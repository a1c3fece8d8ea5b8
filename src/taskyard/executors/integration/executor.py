"""Integration tasks: the operation of their definition, over its connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from taskyard.contracts.executor import Fallback, Job, Run, constant_fallback
from taskyard.contracts.records import Claimed
from taskyard.domain import sequence
from taskyard.domain.definition import Definition, Kind
from taskyard.domain.forms.start import input_schema
from taskyard.domain.implementation import Integration
from taskyard.domain.json import loads
from taskyard.domain.outcome import Failed, Report, TaskError
from taskyard.domain.people.document import read_extra
from taskyard.domain.schema import compile_schema
from taskyard.engine.connection_book import ConnectionBook, Known
from taskyard.engine.upload import requester
from taskyard.executors.integration.calling import Asking, Integrations
from taskyard.security.caller import LOCAL

FindToken = Callable[[Claimed], Awaitable[str]]


class IntegrationExecutor:
    """Runs integration tasks. `integrations()` is what makes the calls of this process, `find_token` gives what a
    task's calls are known again by.
    """

    def __init__(self, book: ConnectionBook, integrations: Callable[[], Integrations], find_token: FindToken) -> None:
        self._book = book
        self._integrations = integrations
        self._find_token = find_token
        self._runs: dict[int, Run] = {}

    def can_run(self, definition: Definition, target: str = "") -> bool:
        """See the contract. Whether this process knows the connection's type is told when it is called."""
        return not target and definition.kind == "integration"

    def bind(self, kind: Kind) -> Run:
        """See the contract."""
        if kind.id not in self._runs:
            self._runs[kind.id] = self._bind(kind.definition)
        return self._runs[kind.id]

    def fallback(self, kind: Kind) -> Fallback | None:
        """See the contract: a definition's constant, or nothing."""
        return constant_fallback(kind)

    async def start(self) -> None:
        """See the contract."""

    async def stop(self) -> None:
        """See the contract: what makes the calls is let go of with the app."""

    def _bind(self, definition: Definition) -> Run:
        asked = msgspec.convert(definition.implementation, Integration)
        schema = input_schema(definition)
        validator = compile_schema(schema) if schema else None
        uploads = validator.upload_ids if validator is not None and validator.takes_uploads else None
        sound_for = ""

        async def run(job: Job) -> Report:
            nonlocal sound_for
            known = await self._book.find(asked.connection_id)
            if known is None:
                await self._integrations().links.drop(asked.connection_id)
                message = f"there is no connection {asked.connection_id!r}; put it under /api/v1/connections"
                return Failed(TaskError("INTEGRATION_ERROR", message, {"reason": "connection"}))
            if refused := refusal(known, definition.key):
                return refused
            if sound_for != known.row.connection.type:
                if misfit := self._integrations().misfit(known.row, asked):
                    return misfit
                sound_for = known.row.connection.type
            value = loads(job.claimed.input)
            ids = frozenset(uploads(value)) if uploads is not None else frozenset[str]()
            token = await self._find_token(job.claimed)
            return await self._integrations().perform(known.row, asked, asking_of(job, token, value, ids))

        return run


def refusal(known: Known, definition: str) -> Failed | None:
    """Of a definition whose tasks may not go over the connection; None for one whose tasks may."""
    if known.row.connection.allows(definition):
        return None
    message = f"the definition may not use the connection {known.row.id!r}: its allowedDefinitions leave it out"
    return Failed(TaskError("FORBIDDEN", message, retryable=False))


def asking_of(job: Job, token: str, value: Any, ids: frozenset[str]) -> Asking:
    """A task's attempt as who asks for a call: by its token, with this input, which may read the uploads `ids`."""
    claimed = job.claimed
    told = sequence.correlation_id(claimed.task_id)
    span = sequence.span_id(claimed.task_id, sequence.settled(claimed.attempt)).hex()
    return Asking(
        input=value,
        task={
            "taskId": str(claimed.task_id),
            "attempt": claimed.attempt,
            "workflowId": claimed.workflow_id,
            "correlationId": claimed.correlation_id or told,
        },
        key=token,
        timeout=job.policy.timeout,
        log=job.log,
        progress=job.progress,
        owner=requester(read_extra(claimed.extra)) or LOCAL.subject,
        ids=ids,
        tries=claimed.attempt,
        traceparent=f"00-{told.replace('-', '')}-{span}-01",
    )
