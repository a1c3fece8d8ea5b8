"""Requeue, discard and hurry: what becomes of dead letters, and of those that wait for their retry."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from taskyard.domain.facts import PlaceKind
from taskyard.domain.json import dumps
from taskyard.domain.lifecycle import State, check_move
from taskyard.domain.task import Task, state_of
from taskyard.engine.engine import Engine
from taskyard.engine.query import get_task, know, know_one

_CHUNK = 200


async def retry(engine: Engine, task_id: int, by: str, reason: str = "retried by hand") -> Task:
    """A FAILED task is requeued; one that waits for its retry runs now. Raises NotFound, IllegalTransition."""
    known = await know_one(engine, task_id)
    place = known.facts.place
    if place is not None and place.kind is PlaceKind.RETRYING and await engine.store.hurry(task_id):
        return await get_task(engine, task_id)
    if not await requeue(engine, [task_id], by, reason):
        known = await know_one(engine, task_id)
        check_move("requeue", state_of(known.facts.place, known.facts.last))
        check_move("requeue", State.CANCELED)
    return await get_task(engine, task_id)


async def requeue(
    engine: Engine,
    task_ids: Sequence[int],
    by: str,
    reason: str,
    new_input: Any = None,
    rate_per_second: float | None = None,
) -> list[int]:
    """Dead letters back into their queues, with fresh budgets; the ids that were dead.

    `new_input` replaces the input of each and is validated first; `rate_per_second` spreads them out.
    Raises ValidationFailed, and then nothing is moved.
    """
    encoded = None
    if new_input is not None:
        await _check_inputs(engine, task_ids, new_input)
        encoded = dumps(new_input)
    chunk = _CHUNK if rate_per_second is None else max(1, min(_CHUNK, int(rate_per_second)))
    moved: list[int] = []
    for start in range(0, len(task_ids), chunk):
        if start and rate_per_second is not None:
            await asyncio.sleep(chunk / rate_per_second)
        moved += await engine.store.requeue(task_ids[start : start + chunk], by, reason, encoded)
    return moved


async def discard(engine: Engine, task_ids: Sequence[int], by: str, reason: str) -> list[int]:
    """Dead letters given up for good: they stay FAILED; the ids that were dead."""
    return await engine.store.discard(task_ids, by, reason)


async def _check_inputs(engine: Engine, task_ids: Sequence[int], value: Any) -> None:
    kind_ids = {known.kind.id for known in await know(engine, task_ids)}
    for known in (await engine.catalog.versions(kind_ids)).values():
        if known.input is not None:
            known.input.check(value, "/input")
