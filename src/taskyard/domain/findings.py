"""What a schema's library finds wrong, in words for whoever wrote the value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeAlias

import jsonschema_rs
import msgspec
from jsonschema_rs import ValidationErrorKind as Kind

from taskyard.domain.json import MAX_DETAILS, Detail, detail, pointer

_SHOWN_LENGTH = 60
_SHOWN_OPTIONS = 12

_Finding: TypeAlias = tuple[list[str | int], str, str]

_TYPES = {
    "array": "a list", "boolean": "true or false", "integer": "an integer", "null": "null",
    "number": "a number", "object": "an object", "string": "a string",
}  # fmt: skip

_FORMATS = {
    "date": "a date such as 2026-01-31",
    "date-time": "a date and time with its offset, such as 2026-01-31T12:00:00Z",
    "duration": "a duration such as PT90S",
    "email": "an e-mail address",
    "regex": "a regular expression of moderate size without look-around or back-references",
    "time": "a time with its offset, such as 12:00:00Z",
    "upload": "the uploadId of a file that you have uploaded",
    "uri": "a full URI such as https://example.org/path",
    "uuid": "a UUID",
}

_COUNTS = {
    "minLength": ("at least", "character"), "maxLength": ("at most", "character"),
    "minItems": ("at least", "item"), "maxItems": ("at most", "item"),
    "minProperties": ("at least", "field"), "maxProperties": ("at most", "field"),
}  # fmt: skip

_MESSAGES = {
    "additionalItems": "holds more than {limit} items",
    "contains": "does not hold the items it has to",
    "contentEncoding": "is not encoded as {content_encoding}",
    "contentMediaType": "does not hold {content_media_type}",
    "exclusiveMaximum": "must be less than {limit}",
    "exclusiveMinimum": "must be greater than {limit}",
    "falseSchema": "is not allowed",
    "maximum": "must be {limit} or less",
    "minimum": "must be {limit} or more",
    "multipleOf": "must be a multiple of {multiple_of}",
    "not": "has a value that is ruled out",
    "pattern": "does not match the pattern {pattern}",
    "unevaluatedItems": "holds items that are not allowed",
    "uniqueItems": "holds the same item twice",
}


def details(errors: Iterable[jsonschema_rs.ValidationError], prefix: str) -> list[Detail]:
    """The findings, at most `MAX_DETAILS`, as `{path, message, keyword}`; `prefix` is put before the paths."""
    findings = (finding for error in errors for finding in _findings(error))
    return [detail(prefix + pointer(place), *words) for place, *words in islice(findings, MAX_DETAILS)]


def _findings(error: jsonschema_rs.ValidationError) -> Iterator[_Finding]:
    """One library error as places and words: a finding for each field it is about."""
    place, kind = error.instance_path, error.kind
    match kind:
        case Kind.Required(property=name):
            yield [*place, name], "is required", kind.name
        case Kind.AdditionalProperties(unexpected=names) | Kind.UnevaluatedProperties(unexpected=names):
            for name in names:
                yield [*place, name], "is not a known field", kind.name
        case Kind.PropertyNames(error=inner):
            yield [*place, str(inner.instance)], f"has a name that {_message(inner.kind)}", kind.name
        case Kind.OneOfMultipleValid():
            yield place, "fits more than one of the forms it may have", kind.name
        case Kind.AnyOf(context=branches) | Kind.OneOfNotValid(context=branches):
            yield from _unmatched(place, kind.name, branches)
        case _:
            yield place, _message(kind), kind.name


def _unmatched(
    place: list[str | int], keyword: str, branches: list[list[jsonschema_rs.ValidationError]]
) -> Iterator[_Finding]:
    """Explain by the one branch the author of the value meant, if that can be told, or by the types."""
    types = [_root_types(branch, place) for branch in branches]
    meant = [branch for branch, mismatch in zip(branches, types, strict=True) if not mismatch]
    if not meant:
        yield place, _type_message(name for mismatch in types for name in mismatch), keyword
        return
    if len(meant) > 1:
        meant = [branch for branch in meant if not _is_told_apart(branch, place)]
    if len(meant) == 1:
        for error in meant[0]:
            yield from _findings(error)
    else:
        yield place, "fits none of the forms it may have", keyword


def _root_types(branch: list[jsonschema_rs.ValidationError], place: list[str | int]) -> list[str]:
    return [
        name
        for error in branch
        if isinstance(error.kind, Kind.Type) and error.instance_path == place
        for name in error.kind.types
    ]


def _is_told_apart(branch: list[jsonschema_rs.ValidationError], place: list[str | int]) -> bool:
    """Whether a fixed value, here or in a field directly below, says that another branch was meant."""
    return any(
        isinstance(error.kind, Kind.Constant | Kind.Enum) and len(error.instance_path) <= len(place) + 1
        for error in branch
    )


def _message(kind: Kind) -> str:
    match kind:
        case Kind.Type(types=names):
            return _type_message(names)
        case Kind.Enum(options=options):
            return f"must be {_one_of(map(_shown, options))}"
        case Kind.Constant(expected_value=value):
            return f"must be {_shown(value)}"
        case Kind.Format(format=name):
            return f"must be {_FORMATS.get(name, f'a valid {name}')}"
        case Kind.Pattern(pattern="^https?://"):
            return "must begin with http:// or https://"
    if kind.name in _COUNTS:
        return _count_message(kind)
    facts = {key: _clipped(str(value)) for key, value in kind.as_dict().items()}
    return _MESSAGES.get(kind.name, "does not fit the schema").format(**facts)


def _type_message(names: Iterable[str]) -> str:
    null_last = sorted(dict.fromkeys(names), key="null".__eq__)
    return f"must be {_one_of(_TYPES[name] for name in null_last)}"


def _count_message(kind: Kind) -> str:
    bound, noun = _COUNTS[kind.name]
    if (limit := kind.value) == 1 and bound == "at least":
        return "must not be empty"
    return f"must have {bound} {limit} {noun}{'' if limit == 1 else 's'}"


def _one_of(options: Iterable[str]) -> str:
    """The options in a sentence; of very many only some."""
    *others, last = list(options) or ["nothing"]
    if len(others) >= _SHOWN_OPTIONS:
        return f"one of {len(others) + 1} values such as {', '.join(others[:3])}"
    return f"{', '.join(others)} or {last}" if others else last


def _shown(value: Any) -> str:
    return _clipped(msgspec.json.encode(value).decode())


def _clipped(text: str) -> str:
    return text if len(text) <= _SHOWN_LENGTH else f"{text[: _SHOWN_LENGTH - 1]}…"
