"""Shapes: what a body or a query must look like, said once for the check, for reading it, and for OpenAPI."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

import msgspec

from taskyard.domain.json import detail, refusal
from taskyard.domain.schema import compile_schema
from taskyard.errors import ConfigurationError

T = TypeVar("T")
JsonObject = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"


class Shape(Generic[T]):
    """The JSON that a type reads, checked in full before it is read.

    `limits` adds to the fields' schemas what the type does not say, such as `{"waitTime": {"maximum": 30}}`;
    `optional` names fields that a client may leave out although the type has no default for them.
    """

    def __init__(
        self, type_: type[T] | Any, limits: Mapping[str, JsonObject] | None = None, *, optional: Collection[str] = ()
    ) -> None:
        self.type = type_
        self._limits = dict(limits or {})
        self._optional = frozenset(optional)
        schema = msgspec.json.schema(type_)
        self._restrict(schema.get("$defs", {}))
        self._validator = compile_schema(schema)

    def parse(self, value: Any, path: str = "") -> T:
        """Read a JSON value. Raises ValidationFailed with every error, its JSON Pointer below `path`."""
        self._validator.check(value, path)
        try:
            return cast("T", msgspec.convert(value, self.type))
        except msgspec.ValidationError as error:  # what a schema cannot say, such as a time that does not exist
            message, _, where = str(error).partition(" - at `$")
            place = where.rstrip("`").replace(".", "/").replace("[", "/").replace("]", "")
            raise refusal([detail(path + place, f"cannot be read: {message}", "type")]) from None

    def document(self, components: JsonObject) -> JsonObject:
        """The schema for OpenAPI; what it refers to is put into `components`."""
        return _document(self.type, self._restrict, components)

    @cached_property
    def fields(self) -> JsonObject:
        """The schemas of an object's fields by their names."""
        parts: JsonObject = {}
        self.document(parts)
        return dict(parts[self._name]["properties"])

    @property
    def _name(self) -> str:
        return str(getattr(self.type, "__name__", ""))

    def _restrict(self, parts: JsonObject) -> None:
        """Close every object to unknown fields, and apply the limits."""
        for part in parts.values():
            if "properties" in part:
                part.setdefault("additionalProperties", False)
        own = parts.get(self._name, {})
        for field, limit in self._limits.items():
            _narrow(own["properties"][field], limit)
        if self._optional:
            own["required"] = [name for name in own.get("required", []) if name not in self._optional]


def _narrow(schema: JsonObject, limit: JsonObject) -> None:
    """Add the limit; of a field that may be null, to its other form."""
    forms = [form for form in schema.get("anyOf", [schema]) if form.get("type") != "null"]
    for form in forms:
        form.update(limit)


ANYTHING: Shape[Any] = Shape(Any)
"""Any JSON value."""


def document_of(type_: Any, components: JsonObject) -> JsonObject:
    """The OpenAPI schema of an answer's type; what it refers to is put into `components`."""
    return _document(type_, _leave, components)


def _document(type_: Any, restrict: Callable[[JsonObject], None], components: JsonObject) -> JsonObject:
    (schema,), parts = msgspec.json.schema_components([type_], ref_template=_REFERENCE)
    restrict(parts)
    for name, part in parts.items():
        if components.setdefault(name, part) != part:
            raise ConfigurationError(f"two different schemas are called {name!r}")
    return schema


def _leave(parts: JsonObject) -> None:
    """An answer's types say all there is to say."""
