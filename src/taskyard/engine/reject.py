"""Reject: a task that was asked for by an event and cannot be had FAILED before it began, so that who asked is told."""

from __future__ import annotations

from typing import Any

import msgspec

from taskyard.contracts.records import Entry
from taskyard.domain.definition import Definition
from taskyard.domain.facts import AttemptDetail
from taskyard.domain.outcome import TaskError
from taskyard.domain.priority import Priority
from taskyard.engine.draft import draft_all, only_one
from taskyard.engine.engine import Engine
from taskyard.engine.request import TaskRequest
from taskyard.engine.settle import encode_detail, error_json
from taskyard.errors import NotFound, PayloadTooLarge, TaskyardError, ValidationFailed
from taskyard.security.caller import Caller

UNKNOWN = "taskyard.unknown"
"""The definition of tasks whose own is not known."""

_LATER_US = 3_600_000_000
_TEXTS = ("workflowId", "stepId", "correlationId", "causeType", "cause", "severity")
_LONGEST = 255


async def reject(engine: Engine, data: Any, caller: Caller, error: TaskyardError, once: bytes) -> int:
    """Store what was asked for in `data` as FAILED with VALIDATION_ERROR; its task's id, or that of the one before."""
    given = data if isinstance(data, dict) else {}
    key = given.get("taskDefinitionId")
    try:
        entry = await _draft(engine, _request(given, str(key), given.get("input")), caller)
    except (NotFound, ValidationFailed, PayloadTooLarge):
        entry = await _draft_unknown(engine, given, caller)
    failure = TaskError("VALIDATION_ERROR", error.message, error.details, retryable=False)
    detail = encode_detail(AttemptDetail(error=error_json(failure), by=caller.subject))
    found = await engine.store.enqueue_failed(entry, detail or b"{}", [only_one(once)])
    return entry.id if found is None else found.task_id


async def _draft(engine: Engine, request: TaskRequest, caller: Caller) -> Entry:
    entry = (await draft_all(engine, [request], caller, checked=False))[0].entry
    return entry._replace(run_at=await engine.store.now() + _LATER_US)


def _request(given: dict[str, Any], key: str, input_: Any) -> TaskRequest:
    """As much of the request as can be kept."""
    texts = {name: text for name in _TEXTS if isinstance(text := given.get(name), str) and len(text) <= _LONGEST}
    priority = given.get("priority")
    if isinstance(priority, str) and priority in Priority.__members__:
        texts["priority"] = priority
    return msgspec.convert({"taskDefinitionId": key, "input": input_, **texts}, TaskRequest)


async def _draft_unknown(engine: Engine, given: dict[str, Any], caller: Caller) -> Entry:
    """Nobody runs it and nobody is offered it, but its tasks are told as all others are."""
    definition = Definition(
        key=UNKNOWN,
        title="Request that could not be taken",
        description="An event asked for a task that does not exist, or not in a way that can be read.",
        implementation={"kind": "function", "name": UNKNOWN},
    )
    engine.catalog.publish((await engine.store.save_kinds([definition]))[0])
    try:
        return await _draft(engine, _request(given, UNKNOWN, None), caller)
    finally:
        await engine.store.retire(UNKNOWN)
