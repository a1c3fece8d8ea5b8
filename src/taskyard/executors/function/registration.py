"""From a function and what is said about it to a handler that can be registered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

from taskyard.domain.definition import Definition
from taskyard.domain.json import dumps
from taskyard.domain.signature import Signature
from taskyard.engine.request import PriorityName
from taskyard.errors import ConfigurationError
from taskyard.executors.function.handler import Handler, Isolation, isolation_of


class TaskOptions(TypedDict, total=False):
    """What can be said about a task; `timeout` and `expire` in seconds.

    `retry`: how often after the first attempt, or a retry policy. `retry_delay`: retry number → seconds.
    `fallback`: a value, or a function of the same input. `trigger`, `action`: the name that starts it; True for its
    own key. `isolation`: inline, thread or process. `repair`: who mends it when it has failed for good, as a definition
    says it.
    """

    title: str
    description: str | None
    category: str
    icon: str
    tags: Sequence[str]
    danger: str
    expense: str
    timeout: float | None
    retry: int | Mapping[str, Any] | None
    retry_delay: Callable[[int], float] | None
    priority: PriorityName | None
    expire: float | None
    max_concurrent: int | None
    concurrency_key: str | None
    rate_limit: str | None
    fallback: Any
    repair: Mapping[str, Any] | None
    trigger: str | bool
    action: str | bool
    service: str
    isolation: Isolation | None


_AS_GIVEN = (
    "category", "icon", "danger", "expense", "timeout", "priority", "expire", "max_concurrent", "concurrency_key",
    "rate_limit", "repair",
)  # fmt: skip


def make_handler(key: str | None, function: Callable[..., Any], options: TaskOptions, service: str) -> Handler:
    """The handler under a key (default: the function's name), of a `service` unless it names another.

    Raises ConfigurationError.
    """
    name = key or str(getattr(function, "__name__", ""))
    _check_names(name, options)
    signature = Signature.of(function)
    fallback = options.get("fallback")
    return Handler(
        name,
        function,
        signature,
        isolation_of(function, options.get("isolation")),
        _definition(name, function, signature, options, service),
        options.get("retry_delay"),
        fallback if callable(fallback) else None,
        b'"format":"upload"' in dumps(signature.input_schema),
    )


def _definition(
    name: str, function: Callable[..., Any], signature: Signature, options: TaskOptions, service: str
) -> Definition:
    description, fallback = options.get("description"), options.get("fallback")
    as_given: dict[str, Any] = {option: value for option, value in options.items() if option in _AS_GIVEN}
    return Definition(
        key=name,
        title=options.get("title") or name.replace("_", " ").replace("-", " ").strip().capitalize(),
        description=(function.__doc__ or "").strip() if description is None else description,
        tags=tuple(options.get("tags", ())),
        implementation={"kind": "function", "name": name},
        input_schema=signature.input_schema,
        output_schema=signature.output_schema,
        retry_policy=_retry_policy(options.get("retry")),
        fallback=None if callable(fallback) else fallback,
        trigger=_start_name(options.get("trigger", ""), name),
        action=_start_name(options.get("action", ""), name),
        service=options.get("service") or service,
        **as_given,
    )


def _check_names(name: str, options: TaskOptions) -> None:
    unknown = sorted(options.keys() - TaskOptions.__annotations__.keys())
    if unknown:
        known = ", ".join(TaskOptions.__annotations__)
        raise ConfigurationError(f"{name!r} is given {', '.join(unknown)}, which is no option; there are {known}")


def _start_name(given: str | bool, key: str) -> str:
    """The name of a trigger or action; True stands for the task's own key."""
    return given if isinstance(given, str) else key if given else ""


def _retry_policy(retry: int | Mapping[str, Any] | None) -> dict[str, Any] | None:
    if retry is None:
        return None
    return {"maxRetries": retry} if isinstance(retry, int) else dict(retry)
