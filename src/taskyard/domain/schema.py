"""JSON Schema (2020-12 unless a schema names its draft): compile once, then say what is wrong and where.

A schema reaches nothing outside itself: `$ref` is never retrieved from a network or a file. Patterns run on a
linear-time engine, so look-around and back-references are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec
from jsonschema_rs import ValidationErrorKind as Kind

from taskyard.domain.findings import details
from taskyard.domain.json import Detail, canonical, check, detail, pointer, refusal
from taskyard.errors import ValidationFailed

MAX_VISITS = 20_000

_LARGE_VALUE = 64 * 1024
_PATTERN_OPTIONS = jsonschema_rs.RegexOptions(size_limit=4 * 1024 * 1024)
_REFERENCES = ("/$ref", "/$dynamicRef", "/$schema")
_WANTS_UPLOAD = b'"format":"upload"'
_IS_NEVER_TOLD = b'"writeOnly":true'


class Validator:
    """A compiled schema; made by `compile_schema`. `errors` and `is_valid` take JSON values only."""

    __slots__ = ("_compiled", "_text", "is_valid", "takes_secrets", "takes_uploads")

    def __init__(self, compiled: jsonschema_rs.Validator, text: bytes) -> None:
        self._compiled = compiled
        self._text = text
        self.is_valid = compiled.is_valid
        self.takes_secrets = _IS_NEVER_TOLD in text
        self.takes_uploads = _WANTS_UPLOAD in text

    def errors(self, value: Any, prefix: str = "") -> list[Detail]:
        """All that is wrong with `value`, at most `MAX_DETAILS` findings; of a large value the first fault.

        Each is `{path, message, keyword}`, where `path` is `prefix` and the JSON Pointer of the place; that of a
        missing or unknown field names the field itself.
        """
        is_large = len(msgspec.json.encode(value)) > _LARGE_VALUE
        return details(self._first_error(value) if is_large else self._compiled.iter_errors(value), prefix)

    def check(self, value: Any, prefix: str = "") -> None:
        """Raise `ValidationFailed` with `errors` unless `value` fits; so it does where no JSON is met."""
        try:
            fits = self.is_valid(value)
        except ValueError:
            check(value)
            raise
        if not fits:
            raise refusal(self.errors(value, prefix))

    def upload_ids(self, value: Any) -> set[str]:
        """What stands in `value`, which fits, where the schema wants the id of an uploaded file."""
        asked: set[str] = set()

        def is_upload(id_: str) -> bool:
            asked.add(id_)
            return False  # so that no alternative is left untried

        for _ in self._telling_uploads(is_upload).iter_errors(value):
            pass
        return asked

    def check_uploads(self, value: Any, known: Container[str], prefix: str = "") -> None:
        """Raise `ValidationFailed` where `value`, which fits, names an upload that is not among the known."""
        wrong = details(self._telling_uploads(known.__contains__).iter_errors(value), prefix)
        if wrong:
            raise refusal(wrong)

    def _telling_uploads(self, is_upload: Callable[[str], bool]) -> jsonschema_rs.Validator:
        return _build(msgspec.json.decode(self._text), {"upload": is_upload})

    def _first_error(self, value: Any) -> list[jsonschema_rs.ValidationError]:
        try:
            self._compiled.validate(value)
        except jsonschema_rs.ValidationError as error:
            return [error]
        return []


def compile_schema(schema: dict[str, Any], prefix: str = "") -> Validator:
    """The validator of `schema`, kept for the next caller with an equal one.

    Raises `ValidationFailed` for a schema that is none; `prefix` is put before the paths into it.
    """
    if not isinstance(schema, dict):
        raise refusal([detail(prefix, "must be an object", "type")])
    try:
        return _compile(canonical(schema))
    except ValidationFailed as error:
        raise refusal([{**each, "path": prefix + each["path"]} for each in error.details]) from None


def check_schema(schema: dict[str, Any], prefix: str = "") -> None:
    """Raise `ValidationFailed` unless `schema` is one that `compile_schema` takes."""
    compile_schema(schema, prefix)


@lru_cache(maxsize=512)
def _compile(text: bytes) -> Validator:
    schema = msgspec.json.decode(text)
    _refuse_costly(schema)
    try:
        compiled = _build(schema)
    except jsonschema_rs.ValidationError as error:
        raise refusal(_schema_details(error, schema)) from None
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        raise refusal([detail("", f"is not a usable schema: {error}", "schema")]) from None
    return Validator(compiled, text)


def _build(schema: Any, formats: dict[str, Callable[[str], bool]] | None = None) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        schema,
        formats=formats,
        validate_formats=True,
        retriever=_retrieve_nothing,
        pattern_options=_PATTERN_OPTIONS,
    )


def _retrieve_nothing(uri: str) -> Any:
    raise LookupError(f"{uri} is outside the schema")


def _schema_details(error: jsonschema_rs.ValidationError, schema: Any) -> list[Detail]:
    if not isinstance(error.kind, Kind.Referencing):
        return details([error], "")
    reason = str(error.kind.error)
    places = [
        place.removeprefix("#")
        for place, target in _named_schemas(schema).items()
        if place.endswith(_REFERENCES) and isinstance(target, str) and target.removeprefix("#") in reason
    ]
    message = "must name a known draft or something inside this schema"
    return [detail(place, message, "$ref") for place in places or [""]]


def _refuse_costly(schema: Any) -> None:
    try:
        visits = _visits(schema, _named_schemas(schema), {}, frozenset())
    except RecursionError:
        visits = MAX_VISITS + 1
    if visits > MAX_VISITS:
        raise refusal([detail("", "refers to itself so often that a check would take too long", "$ref")])


def _named_schemas(schema: Any) -> dict[str, Any]:
    """What a `$ref` may name: the places it points at, and `$anchor` and `$id` wherever they stand."""
    named: dict[str, Any] = {}
    waiting: list[tuple[str, Any]] = [("#", schema)]
    while waiting:
        place, node = waiting.pop()
        named[place] = node
        if isinstance(node, dict):
            for key in ("$anchor", "$dynamicAnchor", "$id"):
                if isinstance(name := node.get(key), str):
                    named[name if key == "$id" else f"#{name}"] = node
            waiting.extend((place + pointer([key]), item) for key, item in node.items())
        elif isinstance(node, list):
            waiting.extend((f"{place}/{index}", item) for index, item in enumerate(node))
    return named


def _visits(node: Any, named: dict[str, Any], known: dict[str, int], opened: frozenset[str]) -> int:
    """How many subschemas one value may be held against, references followed and recursion counted once."""
    if isinstance(node, list):
        return sum(_visits(item, named, known, opened) for item in node)
    if not isinstance(node, dict):
        return 0
    total = 1 + sum(_visits(item, named, known, opened) for item in node.values())
    for key in ("$ref", "$dynamicRef"):
        target = node.get(key)
        if isinstance(target, str) and target in named and target not in opened:
            if target not in known:
                known[target] = _visits(named[target], named, known, opened | {target})
            total += known[target]
    return total


def let_in(fields: dict[str, Any], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Of an object's fields those that a schema names, where it is closed to others; else all."""
    if schema is None or schema.get("additionalProperties") is not False:
        return fields
    return {name: value for name, value in fields.items() if name in schema.get("properties", {})}
