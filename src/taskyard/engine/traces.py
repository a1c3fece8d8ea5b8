"""Traces: all that a task has started, and what that has, is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from taskyard.domain import sequence
from taskyard.domain.facts import Body
from taskyard.engine.engine import Engine
from taskyard.engine.query import know

_DEEPEST: Final = 64


def trace_id(root: int) -> str:
    """The trace of the task that nobody's task started, in 32 hex digits (W3C Trace Context)."""
    return sequence.correlation_id(root).replace("-", "")


async def roots(engine: Engine, bodies: Sequence[Body]) -> dict[int, int]:
    """The task by whose trace each of these goes: the first of those that started one another."""
    parents = {body.id: body.parent_id for body in bodies}
    for _ in range(_DEEPEST):
        unknown = {parent for parent in parents.values() if parent is not None} - parents.keys()
        if not unknown:
            break
        found = {known.facts.body.id: known.facts.body.parent_id for known in await know(engine, [*unknown])}
        parents |= dict.fromkeys(unknown) | found
    return {body.id: _root(body.id, parents) for body in bodies}


def _root(task_id: int, parents: dict[int, int | None]) -> int:
    while (parent := parents.get(task_id)) is not None:
        task_id = parent
    return task_id
