"""Expressions over a JSON document, in JMESPath: `customer.id`, `items[0].sku`, `join('-', [region, shop])`.

They read and never change anything, call nothing but JMESPath's own functions, and always come to an end.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jmespath  # type: ignore[import-untyped]
from jmespath.exceptions import JMESPathError  # type: ignore[import-untyped]
from jmespath.functions import Functions  # type: ignore[import-untyped]

_KEPT = 1024


def check_expression(text: str) -> None:
    """Raises ValueError saying what is wrong with an expression."""
    unknown = set(_functions(_compiled(text).parsed)) - Functions.FUNCTION_TABLE.keys()
    if unknown:
        raise ValueError(f"Unknown function: {min(unknown)}()")


def evaluate(text: str, document: Any) -> Any:
    """What the expression finds in the document, None where it finds nothing.

    Raises ValueError where a function of it cannot take what it is given.
    """
    expression = _compiled(text)
    try:
        return expression.search(document)
    except (JMESPathError, ArithmeticError, RecursionError) as error:
        raise ValueError(_told(error)) from None


@lru_cache(_KEPT)
def _compiled(text: str) -> Any:
    try:
        return jmespath.compile(text)
    except (JMESPathError, RecursionError) as error:
        raise ValueError(_told(error)) from None


def _functions(node: dict[str, Any]) -> Iterator[str]:
    """The functions that a parsed expression calls."""
    if node["type"] == "function_expression":
        yield node["value"]
    for child in node["children"]:
        if isinstance(child, dict):
            yield from _functions(child)


def _told(error: Exception) -> str:
    """The error's first line: those after it only draw the expression."""
    return str(error).partition("\n")[0].rstrip(":")
