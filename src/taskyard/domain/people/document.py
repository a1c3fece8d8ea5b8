"""What expressions about a task look into: rules of assignment, due dates, defaults, conditions, templates."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from taskyard.domain.facts import EMPTY_EXTRA, Body, Extra


class Asked(NamedTuple):
    """What a task was asked for with; `input` is JSON."""

    task_id: int
    priority: int
    input: bytes
    extra: Extra
    workflow_id: str | None
    correlation_id: str | None


def asked_of(body: Body) -> Asked:
    """What the stored task was asked for with."""
    return Asked(body.id, body.priority, body.input, read_extra(body.extra), body.workflow_id, body.correlation_id)


def read_extra(stored: bytes | None) -> Extra:
    """The less common facts of a request as they are stored."""
    return msgspec.json.decode(stored, type=Extra) if stored else EMPTY_EXTRA


def document(asked: Asked) -> dict[str, Any]:
    """As `{input, workflow, task}`."""
    extra = asked.extra
    context = extra.workflow_context or {}
    return {
        "input": msgspec.json.decode(asked.input),
        "workflow": {**context, **(context.get("variables") or {})},
        "task": {
            "taskId": str(asked.task_id), "workflowId": asked.workflow_id, "stepId": extra.step_id,
            "correlationId": asked.correlation_id, "caller": extra.caller, "client": extra.client,
        },
    }  # fmt: skip
