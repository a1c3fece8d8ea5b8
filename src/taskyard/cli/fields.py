"""From the command line to JSON, typed by a schema: `--keep 5 --dry-run` becomes `{"keep": 5, "dry_run": true}`."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from taskyard.domain.forms.fields import form_for
from taskyard.domain.json import loads
from taskyard.errors import ConfigurationError, TaskyardError, ValidationFailed

Object = dict[str, Any]

_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def read_input(text: str) -> Any:
    """The value that `--input` means: JSON, `@file`, or `-` for stdin.

    Raises Malformed, ValidationFailed, ConfigurationError.
    """
    if text == "-":
        return loads(sys.stdin.buffer.read())
    return loads(read_file(text[1:])) if text.startswith("@") else loads(text)


def read_file(name: str) -> bytes:
    """A file's content. Raises ConfigurationError saying what is in the way."""
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be read: {error.strerror}") from None


def fields_of(arguments: Sequence[str], schema: Object | None) -> Object:
    """The object that options such as `--name value`, `--name=value` and `--flag` make.

    An option that is repeated makes a list. A text that does not fit its type stays text, so that the schema
    says what is wrong with it. Raises ValidationFailed for an argument that belongs to no option.
    """
    form = _Form(schema)
    given: defaultdict[str, list[str | None]] = defaultdict(list)
    for option, text in _pairs(arguments):
        name, negated = form.name_of(option)
        given[name].append("false" if negated else text)
    return {name: form.value(name, texts) for name, texts in given.items()}


def assignments_of(texts: Sequence[str], schema: Object) -> Object:
    """The object that texts such as `priority=HIGH` make. Raises ValidationFailed."""
    for text in texts:
        if not text.partition("=")[1]:
            raise ValidationFailed(f"{text!r} is no option of a task; write name=value, such as priority=HIGH")
    return fields_of([f"--{text}" for text in texts], schema)


def upload_names(schema: Object | None) -> set[str]:
    """The fields that take an uploaded file, or a list of them."""
    return {name for name, field in _Form(schema).fields.items() if field["widget"] == "file"}


def _pairs(arguments: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Names with their texts; None where an option stands alone."""
    rest = list(arguments)
    while rest:
        option = rest.pop(0)
        name, equals, text = option.removeprefix("--").partition("=")
        if not option.startswith("--") or not name:
            raise ValidationFailed(f"{option!r} belongs to no option; give fields as --name value")
        if equals:
            yield name, text
        elif rest and not rest[0].startswith("--"):
            yield name, rest.pop(0)
        else:
            yield name, None


class _Form:
    """Reads texts as the fields of a form."""

    def __init__(self, schema: Object | None) -> None:
        described: list[Object] = form_for(schema)["fields"] if schema is not None else []
        self.fields = {field["key"]: field for field in described if field["key"]}
        self._names = {_folded(name): name for name in self.fields}

    def name_of(self, option: str) -> tuple[str, bool]:
        """The field an option means (`dry-run` is `dry_run` or `dryRun`), and whether its `no-` negates it."""
        name = option if option in self.fields else self._names.get(_folded(option))
        if name is not None:
            return name, False
        negated = self._names.get(_folded(option.removeprefix("no-"))) if option.startswith("no-") else None
        if negated is not None and self.fields[negated]["type"] == "boolean":
            return negated, True
        return option, False

    def value(self, name: str, texts: list[str | None]) -> Any:
        """The field's value."""
        field = self.fields.get(name, {})
        alone = texts[0] if len(texts) == 1 else None
        if len(texts) == 1 and not (field.get("multiple") and not (alone or "").startswith(("[", "@"))):
            return _value(field.get("type", "any"), field, alone)
        return [_value(_ITEM_TYPES.get(field.get("widget", ""), "any"), field, text) for text in texts]


_ITEM_TYPES = {
    "integer": "integer", "number": "number", "checkbox": "boolean", "text": "string", "textarea": "string",
    "password": "string", "date": "string", "datetime": "string", "file": "string",
}  # fmt: skip


def _folded(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower()


def _value(kind: str, field: Object, text: str | None) -> Any:
    """The value of that kind that a text means, or the text where it means none; None stands for a lone option."""
    if text is None:
        return True
    if text == "null" and field.get("nullable") and kind != "string":
        return None
    for option in field.get("options", ()):
        if text in (option["value"], option["label"]):
            return option["value"]
    try:
        return _READERS[kind](text)
    except (KeyError, ValueError, TaskyardError):
        return text


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _structure(text: str) -> Any:
    """An object or a list: JSON or `@file`."""
    return loads(read_file(text[1:])) if text.startswith("@") else loads(text)


_READERS: dict[str, Any] = {
    "string": str, "integer": int, "number": _number, "boolean": lambda text: _BOOLEANS[text.lower()],
    "array": _structure, "object": _structure, "any": loads,
}  # fmt: skip
