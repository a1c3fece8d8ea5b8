"""Showing a form for one task: conditions about the task decided, templates and defaults filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from taskyard.domain.expression import evaluate
from taskyard.domain.forms.components import Action, Component
from taskyard.domain.forms.conditions import Condition, decide
from taskyard.domain.forms.fields import form_for
from taskyard.domain.forms.form import Form, Object
from taskyard.domain.forms.template import fill
from taskyard.domain.json import pointer

T = TypeVar("T")

_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def show(form: Form, document: Mapping[str, Any]) -> Object:
    """The form as the browser gets it, for the task that `{input, workflow, task}` tells of.

    What cannot be computed is left out and told under `problems`; the form can be used all the same.
    """
    return _Showing(form, document).show()


class _Showing:
    def __init__(self, form: Form, document: Mapping[str, Any]) -> None:
        self.form = form
        self.document = document
        self.problems: list[Object] = []

    def show(self) -> Object:
        fields = [told for field in self.form.fields if (told := self.field(field)) is not None]
        keys = {field["key"] for field in fields}
        sections = [
            each | {"fields": [key for key in each["fields"] if key in keys]} for each in self.form.layout["sections"]
        ]
        return {
            "schema": self.form.schema,
            "fields": fields,
            "layout": self.form.layout | {"sections": [section for section in sections if section["fields"]]},
            "actions": [told for each in self.form.actions if (told := self.action(*each)) is not None],
            "parts": [told for each in self.form.parts if (told := self.part(*each)) is not None],
            "problems": self.problems,
        }

    def field(self, field: Object) -> Object | None:
        key, expression = field["key"], field.get("defaultFrom")
        condition = self.form.conditions.get(key, ())
        if expression is None and not condition:
            return field
        told = {name: value for name, value in field.items() if name != "defaultFrom"}
        if expression is not None:
            found = self.attempt(key, "default", lambda: evaluate(expression, self.document))
            told |= {} if found is None else {"default": found}
        return self.if_shown(key, condition, told)

    def action(self, action: Action, condition: Condition) -> Object | None:
        told = {"key": action.action_key, "label": action.label, "style": action.style, "verb": action.verb}
        return self.if_shown(action.action_key, condition, told | {"confirmation": action.confirmation})

    def part(self, component: Component, condition: Condition) -> Object | None:
        template, name = component.display_template, component.component_id
        text = None if template is None else self.attempt(name, "text", lambda: fill(template, self.document))
        told = {
            "componentId": name, "componentType": component.component_type, "title": component.title,
            "description": component.description, "text": text, "customProps": component.custom_props,
            "fields": [field.field_key for field in component.fields],
        }  # fmt: skip
        return self.if_shown(name, condition, told)

    def if_shown(self, name: str, condition: Condition, told: Object) -> Object | None:
        """With what is left of its condition; None where the task says that it is not shown.

        What a condition cannot tell is shown: else nobody could fill it in.
        """
        if not condition:
            return told
        left = self.attempt(name, "condition", lambda: (decide(condition, self.document),))
        if left == (None,):
            return None
        clauses = msgspec.to_builtins(list(left[0] or ()) if left else [])
        return told | ({"visibleIf": clauses} if clauses else {})

    def attempt(self, name: str, what: str, compute: Callable[[], T]) -> T | None:
        try:
            return compute()
        except ValueError as error:
            self.problems.append({"path": pointer([name]), "message": f"its {what} cannot be told: {error}"})
            return None


def input_fields(schema: Object | None, hints: Object | None, value: Any) -> list[Object]:
    """The fields that show a task's input, which nobody can change; without a schema told from the value itself."""
    if schema is None and value is None:
        return []
    if schema is None:
        is_object = isinstance(value, dict)
        schema = {"properties": {name: _shape(each) for name, each in value.items()}} if is_object else _shape(value)
        hints = None
    return _read_only(msgspec.json.encode((schema, hints)))


@lru_cache(maxsize=512)
def _read_only(text: bytes) -> list[Object]:
    fields = form_for(*msgspec.json.decode(text))["fields"]
    return [field | {"readOnly": True, "required": False} for field in fields]


def _shape(value: Any) -> Object:
    """A schema that says of a value what it is, as far as it matters for showing it."""
    return {"type": _TYPES[type(value)]} if type(value) in _TYPES else {}
