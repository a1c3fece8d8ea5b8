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


def askers_of(extra: Extra) -> list[str]:
    """Everybody on whose behalf a task was asked for, the nearest first: its caller, the user for whom they say they
    called, those behind the task that asked for it, and who has corrected its input.
    """
    named = (extra.caller, (extra.client or {}).get("user"), *extra.askers, *extra.correctors)
    return list(dict.fromkeys(name for name in named if isinstance(name, str)))


def with_corrector(stored: bytes | None, name: str) -> bytes | None:
    """The facts as they are stored, with one more person behind the task: who has corrected its input."""
    extra = read_extra(stored)
    if name in askers_of(extra):
        return stored
    return msgspec.json.encode(msgspec.structs.replace(extra, correctors=[*extra.correctors, name]))


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
