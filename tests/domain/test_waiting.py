"""How long attempts waited in their queue: from when each was due, whatever came before it."""

import msgspec
import pytest

from taskyard.domain import sequence
from taskyard.domain.facts import AttemptDetail, AttemptFact, Body, Extra, Note
from taskyard.domain.ids import IdMaker
from taskyard.domain.lifecycle import EventType, Outcome
from taskyard.domain.waiting import queue_waits

SECOND = 1_000_000
MADE = 1_893_456_000 * SECOND
(ID,) = IdMaker(1).take(1, MADE)


def body(extra: Extra | None = None) -> Body:
    encoded = None if extra is None else msgspec.json.encode(extra)
    return Body(ID, 1, 1, 2, None, None, None, None, None, None, b"{}", encoded)


def attempt(number: int, outcome: Outcome, start: float | None, end: float, delay: float | None = None) -> AttemptFact:
    """An attempt with its times in seconds after the task was made."""
    started = None if start is None else MADE + int(start * SECOND)
    detail = msgspec.json.encode(AttemptDetail(delay=delay))
    return AttemptFact(ID, number, outcome, "w", started, MADE + int(end * SECOND), 1, None, detail)


def test_the_first_waits_from_when_the_task_was_made() -> None:
    assert queue_waits(body(), [attempt(1, Outcome.COMPLETED, 1.5, 9)], []) == {1: 1500}


def test_a_delayed_task_waits_from_when_it_is_due() -> None:
    later = body(Extra(available_at=MADE + 60 * SECOND))
    assert queue_waits(later, [attempt(1, Outcome.COMPLETED, 61, 70)], []) == {1: 1000}
    assert queue_waits(later, [attempt(1, Outcome.COMPLETED, 5, 70)], []) == {1: 0}


@pytest.mark.parametrize(
    ("before", "delay", "waited"),
    [
        (Outcome.RETRY, 10.0, 2000), (Outcome.RETRY, None, 12_000), (Outcome.LOST, None, 12_000),
        (Outcome.RELEASED, None, 12_000), (Outcome.ASSIGNED, None, None), (Outcome.WAITING, None, None),
    ],
)  # fmt: skip
def test_what_came_before_says_when_the_next_was_due(before: Outcome, delay: float | None, waited: int | None) -> None:
    attempts = [attempt(1, before, 0, 3, delay), attempt(2, Outcome.COMPLETED, 15, 20)]
    assert queue_waits(body(), attempts, []) == {1: 0, 2: waited}


def test_a_requeued_task_waits_from_its_requeue() -> None:
    attempts = [attempt(1, Outcome.FAILED, 0, 3), attempt(2, Outcome.COMPLETED, 101, 105)]
    at = MADE + 100 * SECOND
    assert queue_waits(body(), attempts, [Note(ID, sequence.queued(2), at, EventType.REQUEUED, {})]) == {1: 0, 2: 1000}
    assert queue_waits(body(), attempts, [Note(ID, sequence.line(2, 0), at, EventType.EMITTED, {})])[2] is None


def test_what_never_started_has_not_waited() -> None:
    assert queue_waits(body(), [attempt(1, Outcome.CANCELED, None, 3)], []) == {1: None}
