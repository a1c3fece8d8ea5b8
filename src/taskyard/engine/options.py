"""What a program can say about a task besides its input, in Python's own names and types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

import msgspec

from taskyard.domain.signature import plain_input
from taskyard.engine.request import PriorityName, TaskRequest, parse_request
from taskyard.errors import ConfigurationError


class StartOptions(TypedDict, total=False):
    """Fields of the create body; None is the same as nothing. `delay` and `expire` in seconds, times with a zone.

    `transaction`: an open connection or session of yours; the task is there when it commits.
    `cause`: its type, and what it is.
    """

    transaction: Any
    priority: PriorityName | None
    delay: float | None
    available_at: datetime | str | None
    expire: float | None
    cause: tuple[str, str] | None
    client: Mapping[str, str] | None
    idempotency_key: str | None
    concurrency_key: str | None
    fairness_key: str | None
    correlation_id: str | None
    workflow_id: str | None
    step_id: str | None
    workflow_context: Mapping[str, Any] | None
    severity: str | None
    tags: Sequence[str] | None
    metadata: Mapping[str, Any] | None
    callback_url: str | None
    due_date: datetime | str | None
    assignee: Mapping[str, str] | None
    execution_config: Mapping[str, Any] | None


def make_request(key: str, input_: Mapping[str, Any] | None, options: StartOptions) -> TaskRequest:
    """The request; options are checked as a create body is. Raises ValidationFailed, ConfigurationError."""
    fields: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    fields.pop("transaction", None)
    if "cause" in fields:
        fields["cause_type"], fields["cause"] = fields["cause"]
    try:
        request = TaskRequest(task_definition_id=key, input=None if input_ is None else plain_input(input_), **fields)
    except TypeError as error:
        raise ConfigurationError(f"an option of {key!r} is not known: {error}") from None
    return parse_request(msgspec.to_builtins(request)) if fields else request
