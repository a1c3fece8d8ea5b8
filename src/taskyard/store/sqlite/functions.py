"""The functions that our connections bring for what SQLite cannot tell by itself."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal
from typing import Any

import msgspec

_EXACT = msgspec.json.Decoder(float_hook=Decimal)


def add_to(connection: sqlite3.Connection) -> None:
    """Let statements use them."""
    connection.create_function("folded", 1, folded, deterministic=True)
    connection.create_function("has_field", 3, has_field, deterministic=True)


def folded(text: bytes | str) -> str:
    """A text without regard to case."""
    return (text.decode() if isinstance(text, bytes) else text).lower()


def has_field(document: bytes | str, ways: str, wanted: str) -> bool:
    """Whether a JSON document has one of these scalars, a JSON array, at the end of one of these ways, JSON arrays of
    keys and places; as PostgreSQL's lax JSON paths find it: a key in any item of an array, a place also in what is
    none.
    """
    value, scalars = _EXACT.decode(document), json.loads(wanted, parse_float=Decimal)
    return any(_leads_to(way, value, scalars) for way in msgspec.json.decode(ways, type=list[list[str | int]]))


def _leads_to(way: list[str | int], value: Any, scalars: list[Any]) -> bool:
    found = [value]
    for step in way:
        found = [value for each in found for value in _at(each, step)]
    return any(_same(value, scalar) for each in found for value in _items(each) for scalar in scalars)


def _at(value: Any, step: str | int) -> list[Any]:
    items = _items(value)
    if isinstance(step, int):
        return items[step : step + 1]
    return [item[step] for item in items if isinstance(item, dict) and step in item]


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _same(value: Any, scalar: Any) -> bool:
    """Numbers by their value; true is not 1."""
    return isinstance(value, bool) is isinstance(scalar, bool) and bool(value == scalar)
