"""Texts with expressions in them: `/customers/{customer.id}`. Braces that are meant as such are doubled.

Expressions are JMESPath (`taskyard.domain.expression`), without braces of their own. What they find is put in as data:
it is not read again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from taskyard.domain.expression import check_expression, evaluate

_KEPT = 1024
_PART = re.compile(r"\{\{|\}\}|\{(?P<expression>[^{}]*)\}|[{}]")


class Template(NamedTuple):
    """A text in its parts: what stands there as it is, and (at odd places) expressions."""

    parts: tuple[str, ...]

    def text(self, document: Any, write: Callable[[str], str] = str) -> str:
        """The text for a document; `write` has what is found as text. Raises ValueError where nothing can be found."""
        return "".join(
            write(_as_text(evaluate(part, document), part)) if odd % 2 else part for odd, part in enumerate(self.parts)
        )

    def value(self, document: Any) -> Any:
        """The same, but where there is nothing else than one expression, what that finds, of any type."""
        if len(self.parts) == 3 and not self.parts[0] and not self.parts[2]:
            return evaluate(self.parts[1], document)
        return self.text(document)


@lru_cache(_KEPT)
def parse_template(text: str) -> Template:
    """The template in a text. Raises ValueError saying what is wrong with it."""
    parts, plain, at = [], "", 0
    for found in _PART.finditer(text):
        plain += text[at : found.start()]
        at = found.end()
        if found[0] in ("{{", "}}"):
            plain += found[0][0]
        elif found["expression"] is None:
            raise ValueError(f"a brace stands alone in {text!r}; write it twice where it is meant as such")
        else:
            check_expression(found["expression"])
            parts += [plain, found["expression"]]
            plain = ""
    return Template((*parts, plain + text[at:]))


def fill(shape: Any, document: Any) -> Any:
    """A JSON value with each of its texts, names excepted, taken as a template. Raises ValueError."""
    if isinstance(shape, str):
        return parse_template(shape).value(document) if "{" in shape or "}" in shape else shape
    if isinstance(shape, list):
        return [fill(item, document) for item in shape]
    if isinstance(shape, dict):
        return {name: fill(item, document) for name, item in shape.items()}
    return shape


def _as_text(value: Any, expression: str) -> str:
    if value is None:
        raise ValueError(f"the input has nothing under {expression!r}")
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
