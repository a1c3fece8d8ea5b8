"""The form of a version: what is shown when, and what is asked of what it sends besides its schema."""

from __future__ import annotations

from typing import Any, NamedTuple

from taskyard.domain.forms.components import Action, Component
from taskyard.domain.forms.conditions import Condition
from taskyard.domain.forms.rules import Check

Object = dict[str, Any]


class FileLimit(NamedTuple):
    """What a file field takes: media types and endings (none: all), and at most so many bytes."""

    accept: tuple[str, ...] = ()
    max_size: int | None = None


class Form(NamedTuple):
    """`conditions`, `checks` and `limits` by the field's key, where it has any; `actions` and `parts` each with its own
    condition; a part is a component, for what it shows beside its fields.
    """

    schema: Object | None
    fields: list[Object]
    layout: Object
    actions: list[tuple[Action, Condition]]
    parts: list[tuple[Component, Condition]]
    conditions: dict[str, Condition]
    checks: dict[str, list[Check]]
    limits: dict[str, FileLimit]
