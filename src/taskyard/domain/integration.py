"""What is made of a task's input, and of what an external system answers, by the expressions of its definition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from taskyard.domain.expression import evaluate
from taskyard.domain.implementation import Integration
from taskyard.domain.outcome import Done, Failed, TaskError

_LONGEST_CODE, _LONGEST_MESSAGE = 64, 4096


class Seen(NamedTuple):
    """What came of a call: an answer, or an `error` that may have one. `output` and `details` are JSON values."""

    status: int | str
    output: Any
    details: Any
    error: TaskError | None = None


def body_of(asked: Integration, input: Any, task: Mapping[str, Any]) -> Any:
    """What is sent. Raises ValueError where the request's expression cannot take this input."""
    return input if asked.request is None else evaluate(asked.request, {"input": input, "task": task})


def verdict(asked: Integration, input: Any, seen: Seen) -> Done | Failed:
    """What the task is given for it: the expression of errors has the first word, then that of the response."""
    document = {"status": seen.status, "output": seen.output, "details": seen.details, "input": input}
    try:
        judged = _judged(asked, document, seen.error)
    except ValueError as error:
        return _unfit(f"the error expression cannot take this answer: {error}")
    if judged is not None:
        return judged
    if seen.error is not None:
        return Failed(seen.error)
    try:
        return Done(seen.output if asked.response is None else evaluate(asked.response, document))
    except ValueError as error:
        return _unfit(f"the response's expression cannot take this answer: {error}")


def _judged(asked: Integration, document: dict[str, Any], error: TaskError | None) -> Done | Failed | None:
    """What the expression of errors makes of it; None for nothing."""
    if asked.error_expression is None:
        return None
    told = None if error is None else {"code": error.code, "message": error.message, "retryable": error.retryable}
    found = evaluate(asked.error_expression, {**document, "error": told})
    if found is None or found is False:
        return None
    if isinstance(found, dict) and isinstance(found.get("code"), str) and found["code"]:
        return Failed(_error(found))
    if isinstance(found, dict) and "output" in found:
        return Done(found["output"])
    raise ValueError("it must give null, {code, message} for a failure, or {output} for a success")


def _error(found: Mapping[str, Any]) -> TaskError:
    message, retryable = found.get("message"), found.get("retryable", False)
    return TaskError(
        found["code"][:_LONGEST_CODE],
        str(message or "the external system answered with an error")[:_LONGEST_MESSAGE],
        found.get("details"),
        retryable=retryable if isinstance(retryable, bool) else False,
    )


def _unfit(message: str) -> Failed:
    return Failed(TaskError("OUTPUT_VALIDATION_ERROR", message))
