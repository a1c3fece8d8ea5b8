"""From a JSON Schema to the description of a form; the schema stays the judge of what the form sends."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from taskyard.domain.forms.reference import referred
from taskyard.domain.json import dumps

Object: TypeAlias = dict[str, Any]

MAX_GROUP_DEPTH = 3
TEXTAREA_LENGTH = 200

_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\-\s]+")

_WIDGETS_BY_FORMAT = {"date": "date", "date-time": "datetime", "upload": "file", "password": "password"}
_WIDGETS_BY_TYPE = {"string": "text", "integer": "integer", "number": "number", "boolean": "checkbox"}
_REPEATABLE = frozenset({"text", "integer", "number", "date", "datetime", "file"})
_COPIED = {
    "default": "default", "format": "format", "pattern": "pattern", "minLength": "minLength",
    "maxLength": "maxLength", "minItems": "minItems", "maxItems": "maxItems", "multipleOf": "step",
    "description": "help", "readOnly": "readOnly",
}  # fmt: skip


def form_for(schema: Object, ui: Object | None = None) -> Object:
    """Describe the form for a value of `schema` as `{"fields": […]}`.

    Each field has `key, label, type, widget, required`, and where they apply `default, options, help, min, max,
    step, pattern, format, minLength, maxLength, minItems, maxItems, multiple, nullable, readOnly, fields`. Hints
    come from `x-ui` in the schema and, before it, from `ui`, which maps a field's key to its hints and those of
    a group under `fields`; `order` sorts, all others become part of the field. A schema that is no object with
    known properties gives one field with the key `""` for the whole value.
    """
    reader = _Reader(schema)
    whole = reader.flat(schema)
    if "properties" in whole or whole.get("additionalProperties") is False:
        return {"fields": reader.fields(whole, ui or {}, MAX_GROUP_DEPTH)}
    return {"fields": [reader.field("", whole, required=True, hints=ui or {}, depth=MAX_GROUP_DEPTH)]}


def with_defaults(schema: Object, value: Object) -> Object:
    """An object that fits `schema`, with the defaults that its form shows written out."""
    reader = _Reader(schema)
    completed: Object = reader.completed(reader.flat(schema), value)
    return completed


def label_of(name: str) -> str:
    """A name as a person reads it: `dry_run` and `dryRun` become "Dry run"."""
    words = [word if word.isupper() else word.lower() for word in _WORD_BREAK.split(name) if word]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads fields from a schema whose references point into `root`."""

    root: Object

    def fields(self, schema: Object, ui: Object, depth: int) -> list[Object]:
        """The fields of an object in the order they are shown."""
        required = schema.get("required", ())
        ranked: list[tuple[float, bool, Object]] = []
        for position, (key, inner) in enumerate(schema.get("properties", {}).items()):
            if inner is False:
                continue
            flat = self.flat(inner)
            hints = _mapping(flat.get("x-ui")) | _mapping(ui.get(key))
            given = hints.get("order")
            order = given if isinstance(given, int | float) else None
            field = self.field(key, flat, required=key in required, hints=hints, depth=depth)
            ranked.append((position if order is None else order, order is None, field))
        return [field for *_, field in sorted(ranked, key=lambda each: each[:2])]

    def field(self, key: str, schema: Object, *, required: bool, hints: Object, depth: int) -> Object:
        """One field from its flattened schema."""
        field: Object = {"key": key, "label": schema.get("title") or label_of(key), "required": required}
        field |= {name: schema[keyword] for keyword, name in _COPIED.items() if keyword in schema}
        field |= _bounds(schema)
        if schema.get("nullable"):
            field["nullable"] = True
        field |= self.control(schema, _mapping(hints.get("fields")), depth)
        return field | {name: hint for name, hint in hints.items() if name not in ("order", "fields")}

    def control(self, schema: Object, ui: Object, depth: int) -> Object:
        """The `type` and `widget` of a field and what the widget needs; `json` where nothing simpler fits."""
        kind = schema.get("type", "any")
        if options := _options(schema):
            return {"type": kind, "widget": "select", "options": options} | _only_choice(schema)
        if kind == "array":
            return {"type": kind} | self.repeated(schema)
        if kind == "object" and schema.get("properties") and depth > 0:
            return {"type": kind, "widget": "group", "fields": self.fields(schema, ui, depth - 1)}
        return {"type": kind, "widget": _scalar_widget(schema)}

    def repeated(self, schema: Object) -> Object:
        """The control for a list: many of a simple one, or JSON."""
        items = self.flat(schema.get("items", True))
        if "prefixItems" in schema or items.get("nullable"):
            return {"widget": "json"}
        if options := _options(items):
            return {"widget": "multiselect", "options": options, "multiple": True}
        if (widget := _scalar_widget(items)) not in _REPEATABLE:
            return {"widget": "json"}
        return {"widget": widget, "multiple": True} | _bounds(items)

    def completed(self, schema: Object, value: Any) -> Any:
        """The value, and in its objects the defaults of what they leave out."""
        if not isinstance(value, dict):
            return value
        known = {name: self.flat(inner) for name, inner in schema.get("properties", {}).items()}
        whole = {name: inner["default"] for name, inner in known.items() if "default" in inner} | value
        return {name: self.completed(known.get(name, {}), inner) for name, inner in whole.items()}

    def flat(self, schema: Any) -> Object:
        """The schema with references, `allOf` and unions resolved as far as a form can show them.

        A union with null becomes `nullable`, an alternative of constants an `enum` with titles in `x-options`,
        and a number that may be written as text that text. Any other union loses its type.
        """
        return self._flat(schema, frozenset())

    def _flat(self, schema: Any, opened: frozenset[str]) -> Object:
        if not isinstance(schema, dict):
            return {}
        flat = {key: value for key, value in schema.items() if key not in ("$ref", "allOf", "anyOf", "oneOf")}
        target = schema.get("$ref")
        if isinstance(target, str) and target not in opened:
            whole = self._flat(referred(self.root, target), opened | {target})
            # A shared schema is titled after what it is, a field after what it is for.
            flat = _merged({key: value for key, value in whole.items() if key != "title"}, flat)
        for part in schema.get("allOf", ()):
            flat = _merged(self._flat(part, opened), flat)
        for keyword in ("anyOf", "oneOf"):
            if branches := schema.get(keyword):
                flat = _merged(_union([self._flat(each, opened) for each in branches]), flat)
        return _without_null(flat)


def _merged(base: Object, over: Object) -> Object:
    """Both schemas at once; where they differ `over` wins."""
    merged = base | over
    if "properties" in base and "properties" in over:
        merged["properties"] = base["properties"] | over["properties"]
    if "required" in base and "required" in over:
        merged["required"] = [*base["required"], *over["required"]]
    return merged


def _without_null(schema: Object) -> Object:
    """The schema for the values that are not null, `nullable` if null is allowed too."""
    kinds, options = schema.get("type"), schema.get("enum")
    if isinstance(kinds, list):
        others = [kind for kind in kinds if kind != "null"]
        schema = schema | {"type": others[0] if len(others) == 1 else "any", "nullable": "null" in kinds}
    if options and None in options:
        schema = schema | {"enum": [option for option in options if option is not None], "nullable": True}
    return schema


def _union(branches: list[Object]) -> Object:
    """One schema for a form from alternatives."""
    others = [branch for branch in branches if branch.get("type") != "null" and branch.get("const", "") is not None]
    nullable = {"nullable": True} if len(others) < len(branches) else {}
    if len(others) == 1:
        return others[0] | nullable
    if others and all("const" in branch for branch in others):
        return {"x-options": [_option(each["const"], each.get("title")) for each in others]} | nullable
    kinds = {str(branch.get("type")) for branch in others}
    if kinds in ({"number", "string"}, {"integer", "string"}):
        return next(branch for branch in others if branch.get("type") == "string") | nullable
    return {"type": "any"} | nullable


def _options(schema: Object) -> list[Object]:
    if "x-options" in schema:
        return list(schema["x-options"])
    if "const" in schema:
        return [_option(schema["const"], None)]
    return [_option(value, None) for value in schema.get("enum", ())]


def _option(value: Any, title: str | None) -> Object:
    return {"value": value, "label": title or (value if isinstance(value, str) else dumps(value).decode())}


def _only_choice(schema: Object) -> Object:
    return {"default": schema["const"]} if "const" in schema else {}


def _scalar_widget(schema: Object) -> str:
    kind, form = schema.get("type"), str(schema.get("format"))
    if kind != "string":
        return _WIDGETS_BY_TYPE.get(str(kind), "json")
    if schema.get("maxLength", 0) > TEXTAREA_LENGTH and form == "None":
        return "textarea"
    return "password" if schema.get("writeOnly") else _WIDGETS_BY_FORMAT.get(form, "text")


def _bounds(schema: Object) -> Object:
    """The smallest and the largest number as `min` and `max`; exclusive ones are exact for integers only."""
    step = 1 if schema.get("type") == "integer" else 0
    lowest = _given(schema.get("minimum"), _moved(schema.get("exclusiveMinimum"), step))
    highest = _given(schema.get("maximum"), _moved(schema.get("exclusiveMaximum"), -step))
    return ({"min": max(lowest)} if lowest else {}) | ({"max": min(highest)} if highest else {})


def _moved(bound: float | None, step: int) -> float | None:
    return None if bound is None else bound + step


def _given(*bounds: float | None) -> list[float]:
    return [bound for bound in bounds if bound is not None]


def _mapping(value: Any) -> Object:
    return value if isinstance(value, dict) else {}
