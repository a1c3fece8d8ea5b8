"""A connection: an external system by name, how it is reached and what may be asked of it. Durations are seconds."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from taskyard.domain.json import Detail, detail, refusal
from taskyard.domain.rate import parse_rate
from taskyard.domain.schema import compile_schema

ID_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
_ID = re.compile(ID_PATTERN)
_Text = Annotated[str, Meta(max_length=2000)]
_Pattern = Annotated[str, Meta(pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,127}\*?)$")]
_Subject = Annotated[str, Meta(min_length=1, max_length=255)]


class SecretFrom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A secret that is kept elsewhere: `env:NAME`, `file:name`, or by a source of another package, `vault:path`."""

    source: Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,31}:.{1,1000}$")] = msgspec.field(name="from")


Secret = Annotated[str, Meta(max_length=65_536)] | SecretFrom


class ConnectionLimits(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """On all machines together: how many of its tasks may start (`10/s`) and run at once. `timeout` of one call."""

    rate_limit: str | None = None
    max_concurrent: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    timeout: Annotated[float, Meta(gt=0, le=86_400)] = 60.0


class Connection(
    msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    """One connection without its secrets.

    `allowedDefinitions`: keys of the definitions that may use it, `billing.*` for all that begin so; null: any.
    `allowedCallers`: who else may call through it without a task: subjects, and groups as `group:name`.
    `logBodies`: what goes and comes is written to the task's log.
    """

    connection_id: Annotated[str, Meta(pattern=ID_PATTERN)]
    type: Annotated[str, Meta(min_length=1, max_length=64)]
    title: _Text = ""
    description: _Text = ""
    settings: dict[str, Any] = {}
    limits: ConnectionLimits = ConnectionLimits()
    allowed_definitions: list[_Pattern] | None = None
    allowed_callers: list[_Subject] = []
    log_bodies: bool = False

    def allows(self, definition: str) -> bool:
        """Whether the tasks of a definition may use it."""
        return self.allowed_definitions is None or any(
            definition.startswith(pattern[:-1]) if pattern.endswith("*") else definition == pattern
            for pattern in self.allowed_definitions
        )

    def admits(self, subject: str, groups: Collection[str]) -> bool:
        """Whether somebody may call through it without a task."""
        return not {subject, *(f"group:{group}" for group in groups)}.isdisjoint(self.allowed_callers)


def check_connection(
    connection: Connection, secrets: Mapping[str, Secret], settings: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    """Raise ValidationFailed unless the settings and secrets fit the schemas of its type, `settings` and `wanted`.

    Of a secret that is kept elsewhere only the name is checked.
    """
    wrong = compile_schema(dict(settings)).errors(connection.settings, "/settings")
    elsewhere = {f"/secrets/{name}" for name, secret in secrets.items() if isinstance(secret, SecretFrom)}
    values = {name: "" if isinstance(secret, SecretFrom) else secret for name, secret in secrets.items()}
    found = compile_schema(dict(wanted)).errors(values, "/secrets")
    wrong += [each for each in found if each["path"] not in elsewhere or each["keyword"] == "additionalProperties"]
    wrong += _rate_faults(connection.limits)
    if wrong:
        raise refusal(wrong)


def _rate_faults(limits: ConnectionLimits) -> list[Detail]:
    try:
        if limits.rate_limit is not None:
            parse_rate(limits.rate_limit)
    except ValueError as error:
        return [detail("/limits/rateLimit", str(error), "pattern")]
    return []


def is_connection_id(text: str) -> bool:
    """Whether the text may be the id of a connection."""
    return _ID.fullmatch(text) is not None
