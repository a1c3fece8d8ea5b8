"""Expressions over a JSON document, in JMESPath: `customer.id`, `items[0].sku`, `join('-', [region, shop])`.

They read and never change anything, call nothing but JMESPath's own functions, and always come to an end soon: what one
makes on its way is bounded, for each step may double it, and so are the steps, which are taken for each item.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from jmespath.visitor import TreeInterpreter

_KEPT = 1024
_MOST = 1_000_000
"""Values that an expression may make: items, fields, and each 64 characters of a text. Those it only finds are free."""
_MOST_STEPS = 2_000_000
"""Steps that an expression may take: its parts, each as often as it is asked, and what its functions look through.
They take a second or two.
"""
_DEEPEST = 64
_WIDE = frozenset((str, list, dict))


def check_expression(text: str) -> None:
    """Raises ValueError saying what is wrong with an expression."""
    try:
        unknown = set(_functions(_compiled(text).parsed)) - Functions.FUNCTION_TABLE.keys()
    except RecursionError as error:
        raise ValueError(_told(error)) from None
    if unknown:
        raise ValueError(f"Unknown function: {min(unknown)}()")


def evaluate(text: str, document: Any) -> Any:
    """What the expression finds in the document, None where it finds nothing.

    Raises ValueError where a function of it cannot take what it is given, or it makes too much of it.
    """
    expression = _compiled(text)
    try:
        return _Bounded().visit(expression.parsed, document)
    except (JMESPathError, ArithmeticError, RecursionError) as error:
        raise ValueError(_told(error)) from None


class _Bounded(TreeInterpreter):  # type: ignore[misc]  # jmespath has no types
    """JMESPath's own interpreter, which counts what is made and done. Raises ValueError when that is too much."""

    def __init__(self) -> None:
        super().__init__()
        self._left = _MOST
        self._steps = _MOST_STEPS

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self._steps -= 1
        if self._steps < 0:
            raise ValueError(f"it takes more than {_MOST_STEPS} steps over what it is given")
        return getattr(self, "visit_" + node["type"])(node, *args, **kwargs)

    def visit_multi_select_list(self, node: Any, value: Any) -> Any:
        return self._weighed(super().visit_multi_select_list(node, value))

    def visit_multi_select_dict(self, node: Any, value: Any) -> Any:
        return self._weighed(super().visit_multi_select_dict(node, value))

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        found = [self.visit(child, value) for child in node["children"]]
        self._steps -= sum(map(_width, found))
        return self._counted(self._functions.call_function(node["value"], found))

    def visit_flatten(self, node: Any, value: Any) -> Any:
        return self._counted(super().visit_flatten(node, value))

    def visit_projection(self, node: Any, value: Any) -> Any:
        return self._counted(super().visit_projection(node, value))

    def visit_value_projection(self, node: Any, value: Any) -> Any:
        return self._counted(super().visit_value_projection(node, value))

    def visit_filter_projection(self, node: Any, value: Any) -> Any:
        return self._counted(super().visit_filter_projection(node, value))

    def _counted(self, made: Any) -> Any:
        self._spend(_width(made))
        return made

    def _weighed(self, made: Any) -> Any:
        """Count it with all that is in it, which may be there many times."""
        level, depth = [] if made is None else [made], 0
        while level:
            self._spend(sum(map(_width, level)))
            depth += 1
            if depth > _DEEPEST:
                raise ValueError(f"it nests values deeper than {_DEEPEST}")
            level = [item for each in level for item in _items(each) if type(item) in _WIDE]
        return made

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise ValueError(f"it makes more than {_MOST} values of what it is given")


def _width(value: Any) -> int:
    kind = type(value)
    return (len(value) >> 6 if kind is str else len(value)) if kind in _WIDE else 0


def _items(value: Any) -> Iterable[Any]:
    kind = type(value)
    return () if kind is str else value.values() if kind is dict else value


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
