"""How long attempts waited in their queue, and what they were given, told from the facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from taskyard.domain import sequence
from taskyard.domain.facts import EMPTY_EXTRA, FORMER_INPUT, AttemptFact, Body, Extra, Note
from taskyard.domain.ids import made_at
from taskyard.domain.lifecycle import EventType, Outcome
from taskyard.domain.task import detail_of


def queue_waits(body: Body, attempts: Sequence[AttemptFact], notes: Sequence[Note]) -> dict[int, int | None]:
    """By attempt: the milliseconds from when it was due to its start; None for one that did not wait there.

    An attempt is due when its task is, when the delay before its retry is over, or when it came back to its queue.
    """
    requeued = {note.sequence: note.at for note in notes if note.type is EventType.REQUEUED}
    known = {attempt.attempt: attempt for attempt in attempts}
    waits: dict[int, int | None] = {}
    for number, attempt in known.items():
        due_at = requeued.get(sequence.queued(number)) or _due_at(body, known.get(number - 1))
        started = attempt.started_at
        waits[number] = None if due_at is None or started is None else max(0, started - due_at) // 1000
    return waits


def former_inputs(attempts: Sequence[AttemptFact], notes: Sequence[Note]) -> dict[int, Any]:
    """By attempt: the input it was given, for those after which a requeue or a repair has changed it."""
    changes = [(sequence.attempt_of(n.sequence), n.body[FORMER_INPUT]) for n in notes if FORMER_INPUT in n.body]
    repaired = [(a.attempt, detail_of(a).former_input) for a in attempts if a.outcome is Outcome.REPAIRED]
    changes += [(number, former) for number, former in repaired if former is not None]
    changes.sort(key=lambda change: change[0])
    return {
        attempt.attempt: input_
        for attempt in attempts
        for before, input_ in reversed(changes)
        if attempt.attempt < before
    }


def _due_at(body: Body, before: AttemptFact | None) -> int | None:
    """When the attempt after this one was due; None where that one was handed over, for then none is queued."""
    if before is None:
        extra = msgspec.json.decode(body.extra, type=Extra) if body.extra else EMPTY_EXTRA
        return max(made_at(body.id), extra.available_at or 0)
    if before.outcome is Outcome.RETRY:
        return before.finished_at + int((detail_of(before).delay or 0) * 1_000_000)
    came_back = before.outcome in (Outcome.LOST, Outcome.RELEASED, Outcome.REPAIRED)
    return before.finished_at if came_back else None
