"""Display templates: text with `{{ expressions }}`, in JMESPath. Nothing in them is code, and they always end.

What comes out is plain text: whoever shows it has to escape it as any other text.
"""

from __future__ import annotations

import re
from typing import Any

from taskyard.domain.expression import check_expression, evaluate
from taskyard.domain.json import dumps

MAX_TEXT = 100_000

_EXPRESSION = re.compile(r"\{\{((?:(?!\{\{).)*?)\}\}", re.DOTALL)  # never past another beginning, or it is quadratic
_STRAY = re.compile(r"\{\{|\}\}|\{%|%\}")


def check_template(text: str) -> None:
    """Raises ValueError saying what is wrong with a template."""
    stray = _STRAY.search(_EXPRESSION.sub("", text))
    if stray is not None:
        raise ValueError(f"has {stray[0]!r} that belongs to no expression; only {{{{ expressions }}}} are known")
    for expression in _EXPRESSION.findall(text):
        check_expression(expression.strip())


def fill(text: str, document: Any) -> str:
    """The text with what the expressions find in the document, at most `MAX_TEXT` characters of it.

    What is not there is nothing. Raises ValueError where an expression cannot be evaluated.
    """
    pieces, room = [], MAX_TEXT
    for index, part in enumerate(_EXPRESSION.split(text)):
        if room <= 0:
            break
        piece = _shown(evaluate(part.strip(), document)) if index % 2 else part
        pieces.append(piece[:room])
        room -= len(piece)
    return "".join(pieces)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else dumps(value).decode()
