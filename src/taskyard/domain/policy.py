"""The effective policy of a task: decided once when it is submitted, then frozen with it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from taskyard.domain.json import canonical, digest
from taskyard.domain.retry import RetryPatch, RetryPolicy
from taskyard.errors import ValidationFailed


class Policy(msgspec.Struct, frozen=True, rename="camel"):
    """What holds for every attempt of a task; `timeout` in seconds per attempt. `target` empty: its definition's."""

    timeout: float
    retry: RetryPolicy
    security_context: dict[str, Any] | None = None
    max_deliveries: int = 5
    target: str = ""

    def fingerprint(self) -> bytes:
        """SHA-256 of the canonical content: equal policies are stored once."""
        return digest(canonical(msgspec.to_builtins(self)))


class Maxima(msgspec.Struct, frozen=True):
    """What the service allows at most; `timeout` in seconds."""

    timeout: float
    max_retries: int = 1000


class SecurityContext(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """As whom and with which rights an attempt runs; without `permissions` it may do all that its definition may."""

    run_as: str = ""
    permissions: list[str] | None = None
    security_level: str = "LOW"


class ExecutionConfig(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """The part of a policy that a request may bring; what is None or missing is the next one's to say.

    `target`: where the task runs, among those that can run its kind.
    """

    timeout: float | None = None
    retry_policy: RetryPatch | None = None
    security_context: SecurityContext | None = None
    target: Annotated[str, Meta(max_length=63, pattern="^([A-Za-z0-9][A-Za-z0-9._-]*)?$")] = ""


def parse_retry(patch: dict[str, Any], path: str, base: dict[str, Any] | None = None) -> RetryPolicy:
    """The retry policy that `patch` makes of `base`. Raises ValidationFailed naming `path`."""
    try:
        return msgspec.convert({**(base or {}), **patch}, RetryPolicy)
    except msgspec.ValidationError as error:
        raise invalid(path, str(error)) from None


def effective(layers: list[ExecutionConfig], maxima: Maxima) -> Policy:
    """The policy of `layers`, strongest first, field by field, clamped by the service's maxima."""
    timeout = next(layer.timeout for layer in layers if layer.timeout is not None)
    if not timeout > 0:
        raise invalid("/executionConfig/timeout", "must be more than 0", "exclusiveMinimum")
    merged: dict[str, Any] = {}
    for layer in reversed(layers):
        merged.update(layer.retry_policy or {})
    retry = parse_retry(merged, "/executionConfig/retryPolicy")
    security = next((layer.security_context for layer in layers if layer.security_context is not None), None)
    return Policy(
        timeout=min(timeout, maxima.timeout),
        retry=msgspec.structs.replace(retry, max_retries=min(retry.max_retries, maxima.max_retries)),
        security_context=msgspec.to_builtins(security) if security else None,
        target=next((layer.target for layer in layers if layer.target), ""),
    )


def invalid(path: str, message: str, keyword: str = "type") -> ValidationFailed:
    """The error for one wrong field at `path` (a JSON Pointer)."""
    return ValidationFailed(f"{path}: {message}", details=[{"path": path, "message": message, "keyword": keyword}])
