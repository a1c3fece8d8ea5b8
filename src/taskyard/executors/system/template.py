"""Rendering templates, in a process of its own: a template may loop for ever."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from taskyard.domain import system
from taskyard.errors import ValidationFailed
from taskyard.executors.system.children import run_program
from taskyard.executors.system.failure import FunctionFailed

_CHILD = str(Path(__file__).with_name("template_child.py"))
_MOST_BYTES = 8 << 20


async def render(asked: system.Render) -> system.Rendered:
    """See the registry. Raises ValidationFailed for a template that is none, FunctionFailed for one that costs."""
    ended = await run_program([sys.executable, "-I", _CHILD], msgspec.json.encode(asked), _MOST_BYTES)
    if ended.exit_code != 0 or ended.cut:
        raise FunctionFailed(
            "the template took more than 5 s of CPU or 256 MiB of memory",
            code="RESOURCE_LIMIT",
            details={"limit": "cpu" if ended.exit_code < 0 else "memory"},
            retryable=False,
        )
    answer = msgspec.json.decode(ended.stdout, type=dict[str, str])
    match answer:
        case {"text": text}:
            return system.Rendered(text)
        case {"limit": limit}:
            raise FunctionFailed(
                f"the template used up its {limit}", code="RESOURCE_LIMIT", details={"limit": limit}, retryable=False
            )
    raise ValidationFailed(f"the template cannot be rendered: {answer['wrong']}")
