"""Camunda 7's words: how values and times travel in its REST API (`/engine-rest`)."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Any

import msgspec

from taskyard.domain.json import dumps, loads
from taskyard.domain.task import LATEST
from taskyard.errors import TaskyardError

MESSAGE_LENGTH = 666
"""How long an error's message may be there."""

_INT = 2**31
_NUMBERS = frozenset({"short", "integer", "long", "double"})


def typed(value: Any) -> dict[str, Any]:
    """A JSON value as a typed variable."""
    if value is None:
        return {"type": "Null", "value": None, "valueInfo": {}}
    if isinstance(value, bool):
        return {"type": "Boolean", "value": value, "valueInfo": {}}
    if isinstance(value, int):
        return {"type": "Integer" if -_INT <= value < _INT else "Long", "value": value, "valueInfo": {}}
    if isinstance(value, float):
        return {"type": "Double", "value": value, "valueInfo": {}}
    if isinstance(value, str):
        return {"type": "String", "value": value, "valueInfo": {}}
    return {"type": "Json", "value": dumps(value).decode(), "valueInfo": {}}


def plain(variable: Any) -> Any:
    """The JSON value of a typed variable. Raises ValueError for one that holds none.

    JSON and objects that were written as JSON are read; a file stays base64.
    """
    if not isinstance(variable, dict):
        raise ValueError("a variable must be an object with value and type")  # noqa: TRY004 - it is the value
    value, kind = variable.get("value"), str(variable.get("type") or "").lower()
    info = variable.get("valueInfo")
    format_ = str(info.get("serializationDataFormat", "")) if isinstance(info, dict) else ""
    if isinstance(value, str) and (kind == "json" or (kind == "object" and "json" in format_)):
        return loads(value)
    if isinstance(value, str) and kind in _NUMBERS:
        number = msgspec.json.decode(value) if value.strip() else None
        if not isinstance(number, int | float):
            raise ValueError(f"{value!r} is no number")
        return number
    if isinstance(value, str) and kind == "bytes":
        try:
            base64.b64decode(value, validate=True)
        except binascii.Error:
            raise ValueError("bytes must be base64") from None
    return value


def variables_of(value: Any, name: str) -> dict[str, Any]:
    """A value as variables: an object's fields, and anything else under `name`."""
    fields = value if isinstance(value, dict) else {} if value is None else {name: value}
    return {str(key): typed(each) for key, each in fields.items()}


def value_of(variables: dict[str, Any] | None) -> dict[str, Any]:
    """Variables as one object. Raises ValueError, naming the variable."""
    found = {}
    for name, variable in (variables or {}).items():
        try:
            found[name] = plain(variable)
        except (ValueError, msgspec.MsgspecError, TaskyardError) as error:
            raise ValueError(f"the variable {name!r} cannot be read: {error}") from None
    return found


def moment_of(text: str) -> int | None:
    """A time as Camunda writes it, in microseconds; None for what is none, or not from 1970 to `LATEST`."""
    try:
        at = round(datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp() * 1_000_000)
    except ValueError:
        return None
    return at if 0 <= at <= LATEST else None


def moment(at: int | None) -> str | None:
    """Microseconds since the epoch as Camunda writes times."""
    return (
        None if at is None else f"{datetime.fromtimestamp(at / 1e6, UTC):%Y-%m-%dT%H:%M:%S}.{at // 1000 % 1000:03}+0000"
    )
