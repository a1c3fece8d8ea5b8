"""UI components as a definition writes them, read strictly; and the JSON Schema and hints that they amount to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

JsonObject = dict[str, Any]

_Key = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,99}$")]
_Title = Annotated[str, Meta(max_length=200)]
_Text = Annotated[str, Meta(max_length=10_000)]
_Columns = Annotated[int, Meta(ge=1, le=4)]

FieldType = Literal[
    "text", "textarea", "number", "integer", "boolean", "select", "radio", "multiselect", "date", "datetime", "time",
    "email", "url", "password", "file", "json",
]  # fmt: skip

_SCHEMAS: dict[FieldType, JsonObject] = {
    "text": {"type": "string"}, "textarea": {"type": "string"}, "number": {"type": "number"},
    "integer": {"type": "integer"}, "boolean": {"type": "boolean"}, "select": {}, "radio": {}, "multiselect": {},
    "date": {"type": "string", "format": "date"}, "datetime": {"type": "string", "format": "date-time"},
    "time": {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
    "email": {"type": "string", "format": "email"}, "url": {"type": "string", "format": "uri"},
    "password": {"type": "string", "writeOnly": True}, "file": {"type": "string", "format": "upload"}, "json": {},
}  # fmt: skip
CHOICES: frozenset[FieldType] = frozenset({"select", "radio", "multiselect"})
_WIDGETS: frozenset[FieldType] = frozenset({"textarea", "radio", "json"})
"""The types that their schema does not tell from others."""


class _Strict(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Nothing that is not known."""


class Rule(_Strict, frozen=True):
    """What a field's value has to be besides its type; `errorMessage` is told where it is not.

    `regex`: the text, or each of several, matches `value`. `range`: a number, a text's length or a date lies within
    `{min, max}`. `set`: one of the list. `crossField`: `{op, field}`, how it compares to another field. `expression`:
    JMESPath over `{value, output, input, workflow, task}` that finds something true.
    """

    type: Literal["regex", "range", "set", "crossField", "expression"]
    value: Any
    error_message: _Text = ""
    rule_id: _Title = ""


class Option(_Strict, frozen=True):
    """One choice, and what it is called."""

    value: Any
    label: _Title = ""


class Field(_Strict, frozen=True):
    """One field. `default` is a value, `defaultFrom` an expression over `{input, workflow, task}` that finds one.

    `accept` (media types such as `image/*`, or endings such as `.pdf`) and `maxSize` (bytes) are for files.
    """

    field_key: _Key
    type: FieldType = "text"
    label: _Title = ""
    required: bool = False
    multiple: bool = False
    options: list[Option | str | int | float | bool] = []
    placeholder: _Title = ""
    help_text: _Text = ""
    default: Any = None
    default_from: str | None = None
    validation_rules: Annotated[list[Rule], Meta(max_length=20)] = []
    visible_if: JsonObject | None = None
    accept: list[_Title] = []
    max_size: Annotated[int, Meta(ge=1)] | None = None


class Section(_Strict, frozen=True):
    """Fields that belong together, shown while the condition holds."""

    title: _Title
    fields: list[_Key]
    description: _Text = ""
    columns: _Columns | None = None
    visible_if: JsonObject | None = None


class Layout(_Strict, frozen=True):
    """How the fields stand: in so many columns, in this order, in sections."""

    columns: _Columns = 1
    order: list[_Key] = []
    sections: list[Section] = []


class Action(_Strict, frozen=True):
    """A button: it completes the task with its key as the outcome, or rejects it. `confirmation` is asked first."""

    action_key: _Key
    label: _Title
    style: Literal["primary", "secondary", "danger"] = "secondary"
    verb: Literal["complete", "reject"] = "complete"
    confirmation: _Text = ""
    visible_if: JsonObject | None = None


class Component(_Strict, frozen=True):
    """A part of a form, in the order of `priority` (the lowest first).

    `condition` decides whether it is shown. `displayTemplate` is text with `{{ expressions }}` over
    `{input, workflow, task}`. `customProps` go to the browser as they are.
    """

    component_id: _Key
    component_type: Literal["Form", "Modal", "Display", "Custom"] = "Form"
    name: _Title = ""
    title: _Title = ""
    description: _Text = ""
    priority: int = 0
    condition: JsonObject | None = None
    fields: Annotated[list[Field], Meta(max_length=200)] = []
    layout: Layout | None = None
    actions: Annotated[list[Action], Meta(max_length=20)] = []
    display_template: Annotated[str, Meta(max_length=20_000)] | None = None
    custom_props: JsonObject = {}


SCHEMA = msgspec.json.schema(list[Component])
"""What `uiComponents` have to be."""


def schema_of(fields: list[Field]) -> JsonObject:
    """The schema of what the fields send."""
    return {
        "type": "object",
        "properties": {field.field_key: _property(field) for field in fields},
        "required": [field.field_key for field in fields if field.required],
        "additionalProperties": False,
    }


def hints_of(field: Field) -> JsonObject:
    """What the field says beside its schema, as `x-ui` hints; its label, help and default too, where it has them."""
    hints: JsonObject = {
        "label": field.label, "help": field.help_text, "placeholder": field.placeholder, "default": field.default,
        "defaultFrom": field.default_from, "accept": field.accept, "maxSize": field.max_size,
        "rules": [msgspec.to_builtins(rule) for rule in field.validation_rules],
        "widget": field.type if field.type in _WIDGETS else None,
        "options": options_of(field) if field.type in CHOICES else None,
    }  # fmt: skip
    given = {name: hint for name, hint in hints.items() if hint not in (None, "", [])}
    return given | ({"required": True} if field.required else {})


def options_of(field: Field) -> list[JsonObject]:
    """The field's choices as `{value, label}`."""
    given = [each if isinstance(each, Option) else Option(each) for each in field.options]
    return [{"value": each.value, "label": each.label or str(each.value)} for each in given]


def _property(field: Field) -> JsonObject:
    schema = dict(_SCHEMAS[field.type])
    if field.type in CHOICES:
        schema = {"enum": [option["value"] for option in options_of(field)]}
    if field.type == "multiselect":
        return {"type": "array", "items": schema, "uniqueItems": True}
    return {"type": "array", "items": schema} if field.multiple else schema
