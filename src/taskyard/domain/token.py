"""The token by which a place that runs a task knows it again: one for all its attempts, until it is begun anew."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from taskyard.domain.facts import AttemptFact, Note
from taskyard.domain.ids import parse_id
from taskyard.domain.lifecycle import EventType, Outcome

_TOKEN = re.compile(r"taskyard-(0|[1-9]\d*)(?:-([1-9]\d{0,8}))?", re.ASCII)


class Token(NamedTuple):
    """Whose token it is, and how often that task had been begun anew."""

    task_id: int
    begun_anew: int


def token_of(task_id: int, begun_anew: int = 0) -> str:
    """The token of a task that somebody has so often requeued or mended."""
    return f"taskyard-{task_id}-{begun_anew}" if begun_anew else f"taskyard-{task_id}"


def read_token(text: str) -> Token | None:
    """What `token_of` was told; None for any other text."""
    found = _TOKEN.fullmatch(text)
    task_id = None if found is None else parse_id(found[1])
    return None if found is None or task_id is None else Token(task_id, int(found[2] or 0))


def times_begun_anew(notes: Iterable[Note], attempts: Iterable[AttemptFact]) -> int:
    """How often: a requeue is noted, and a repair is an attempt's end."""
    requeued = sum(note.type is EventType.REQUEUED for note in notes)
    return requeued + sum(attempt.outcome is Outcome.REPAIRED for attempt in attempts)
