"""Requeue, discard and hurry: what becomes of dead letters, and of those that wait for their retry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from taskyard.contracts.records import Filter, Page
from taskyard.domain.facts import PlaceKind
from taskyard.domain.forms.start import input_schema, start_form
from taskyard.domain.json import dumps, loads
from taskyard.domain.lifecycle import State, check_move
from taskyard.domain.queue import Queue
from taskyard.domain.task import Task, state_of, tell
from taskyard.engine.engine import Engine
from taskyard.engine.people.forms import check_start
from taskyard.engine.query import get_task, know, know_one
from taskyard.engine.upload import among, check_value, named_files
from taskyard.errors import Conflict, IllegalTransition
from taskyard.security.caller import SYSTEM, Caller

_CHUNK = 200
_MOST = 10_000

log = structlog.get_logger("taskyard.requeue")


async def retry(
    engine: Engine, task_id: int, by: str, reason: str = "retried by hand", version: int | None = None
) -> Task:
    """A FAILED task is requeued; one that waits for its retry runs now.

    Raises NotFound, IllegalTransition; Conflict when `version` is not the present one.
    """
    known = await know_one(engine, task_id)
    place, present = known.facts.place, tell(*known).version
    if version is not None and version != present:
        raise Conflict(f"the task has changed: it is at version {present}, not {version}; read it again")
    if place is not None and place.kind is PlaceKind.RETRYING and await engine.store.hurry(task_id):
        log.info("a retry was brought forward", task=task_id, by=by, reason=reason)
    elif not await requeue(engine, [task_id], by, reason):
        known = await know_one(engine, task_id)
        check_move("requeue", state_of(known.facts.place, known.facts.last))
        raise IllegalTransition(
            f"task {task_id} was discarded from the dead letters for good; ask for a new one",
            details={"from": State.FAILED, "to": State.PENDING},
        )
    return await get_task(engine, task_id)


async def dead_letters(engine: Engine, wanted: Filter, after: int | None) -> Page:
    """The newest dead letters below `after` that fit, at most 10,000: so many a verb takes in hand at once."""
    dead = frozenset({Queue.DEADLETTER})
    wanted = wanted._replace(queues=dead if wanted.queues is None else dead & wanted.queues)
    ids: list[int] = []
    while len(ids) < _MOST:
        page = await engine.store.find(wanted, min(_CHUNK, _MOST - len(ids)), after)
        ids, after = ids + page.ids, page.next
        if after is None:
            break
    return Page(ids, after)


async def requeue(
    engine: Engine,
    task_ids: Sequence[int],
    by: str,
    reason: str,
    new_input: Any = None,
    rate_per_second: float | None = None,
    delay: float = 0,
    *,
    caller: Caller = SYSTEM,
) -> list[int]:
    """Dead letters back into their queues, with fresh budgets; the ids that were dead.

    `new_input` replaces the input of each and is validated first: the files it names have to be the `caller`'s, or in
    the input that each had. The first is delayed by `delay` seconds, and at a `rate_per_second` the others by more.
    Raises ValidationFailed, and then nothing is moved.
    """
    encoded = None
    if new_input is not None:
        for start in range(0, len(task_ids), _CHUNK):
            await _check_inputs(engine, task_ids[start : start + _CHUNK], new_input, caller)
        encoded = dumps(new_input)
    gap = 0 if rate_per_second is None else 1_000_000 / rate_per_second
    moved: list[int] = []
    for start in range(0, len(task_ids), _CHUNK):
        chunk = task_ids[start : start + _CHUNK]
        delays = [int(delay * 1_000_000 + gap * (start + k)) for k in range(len(chunk))] if gap or delay else ()
        moved += await engine.store.requeue(chunk, by, reason, encoded, delays)
    return moved


async def discard(engine: Engine, task_ids: Sequence[int], by: str, reason: str) -> list[int]:
    """Dead letters given up for good: they stay FAILED; the ids that were dead."""
    gone: list[int] = []
    for start in range(0, len(task_ids), _CHUNK):
        some = await engine.store.discard(task_ids[start : start + _CHUNK], by, reason)
        if some:
            await engine.store.wake_instances(some)  # a process has waited for what would become of its step
        gone += some
    return gone


async def _check_inputs(engine: Engine, task_ids: Sequence[int], value: Any, caller: Caller) -> None:
    found = await know(engine, task_ids)
    for known in (await engine.catalog.versions({each.kind.id for each in found})).values():
        form, schema = start_form(known.kind.definition), input_schema(known.kind.definition)
        inputs = [loads(each.facts.body.input) for each in found if each.kind.id == known.kind.id]
        had = set.intersection(*(named_files(schema, each) for each in inputs))
        if form is not None:
            await check_start(engine, form, value, caller, "/input", had)
        elif known.input is not None:
            await check_value(engine, known.input, value, caller, "/input", among(had))
