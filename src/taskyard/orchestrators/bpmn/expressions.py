"""Texts of a BPMN file that may be expressions, in JMESPath over the variables: `${order.total}` or `=order.total`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from taskyard.domain.expression import check_expression, evaluate

_WRAPPED = re.compile(r"\s*(?:[$#]\{(.*)\}|=(.*))\s*", re.DOTALL)


class Text(NamedTuple):
    """A text as it stands in the file: an expression where it is wrapped as one, else meant literally."""

    text: str

    @property
    def expression(self) -> str | None:
        """The expression in it; None for a literal."""
        found = _WRAPPED.fullmatch(self.text)
        return None if found is None else (found[1] or found[2] or "").strip()

    def value(self, variables: dict[str, Any]) -> Any:
        """What it stands for. Raises ValueError for an expression that cannot be told."""
        expression = self.expression
        return self.text if expression is None else evaluate(expression, variables)

    def faults(self) -> Iterator[str]:
        """What is wrong with it."""
        expression = self.expression
        if expression is not None:
            yield from faults(expression)
        elif "${" in self.text or "#{" in self.text:
            yield f"{self.text!r} must be one expression as a whole; join() puts texts together"


def condition(text: str) -> str:
    """The expression of a condition, which may be wrapped and need not be."""
    return Text(text).expression or text.strip()


def faults(expression: str) -> Iterator[str]:
    """What is wrong with an expression."""
    try:
        check_expression(expression)
    except ValueError as error:
        yield f"{expression!r} is no JMESPath expression (numbers are written as `100`, texts as 'red'): {error}"
