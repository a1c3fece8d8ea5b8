"""The place of every fact in the story of one task.

A sequence number is `attempt << 20 | step`. Within an attempt: step 0 it was queued, 1 it was started,
2… the lines and progress its executor wrote (or, while it is a person's, each change made to it),
and the last two how it ended. So numbers grow with the story, are known without asking anybody,
and an event's UUID is its task and number written differently (RFC 9562, version 8).
"""

from __future__ import annotations

from uuid import UUID

from taskyard.domain.json import digest

_BITS = 20
_LAST = (1 << _BITS) - 1

STARTED_STEP = 1
FIRST_LINE_STEP = 2
LAST_LINE_STEP = _LAST - 2


def queued(attempt: int) -> int:
    """When the attempt was queued; for the first attempt, when the task was created."""
    return attempt << _BITS


def started(attempt: int) -> int:
    """When the attempt was dequeued."""
    return attempt << _BITS | STARTED_STEP


def line(attempt: int, number: int) -> int:
    """The `number`-th line (from 0) of an attempt; beyond a million lines they share the last number."""
    return attempt << _BITS | min(FIRST_LINE_STEP + number, LAST_LINE_STEP)


def settled(attempt: int) -> int:
    """How the attempt ended."""
    return attempt << _BITS | (_LAST - 1)


def dead_lettered(attempt: int) -> int:
    """After `settled`, where the task also went to the dead letters."""
    return attempt << _BITS | _LAST


def attempt_of(sequence: int) -> int:
    """The attempt a sequence number belongs to."""
    return sequence >> _BITS


def step_of(sequence: int) -> int:
    """The step within its attempt."""
    return sequence & _LAST


def is_settled(sequence: int) -> bool:
    """Whether this number stands for the end of an attempt."""
    return step_of(sequence) == _LAST - 1


def correlation_id(task_id: int) -> str:
    """The UUID that stands for a task whose request named no correlation id: that of no event, number 0."""
    return event_id(task_id, 0)


def event_id(task_id: int, sequence: int) -> str:
    """The UUID of the event with this number: 48 bits of sequence and 63 of task id around version and variant."""
    high = (sequence & ((1 << 48) - 1)) << 80 | 0x8 << 76 | (task_id >> 51) << 64
    low = 0b10 << 62 | (task_id & ((1 << 51) - 1)) << 11
    digits = f"{high | low:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def task_of(text: str) -> int | None:
    """The task whose correlation id this is, made by `correlation_id`; None for any other text."""
    try:
        bits = UUID(text).int
    except ValueError:
        return None
    task_id = (bits >> 64 & 0xFFF) << 51 | bits >> 11 & ((1 << 51) - 1)
    return task_id if UUID(correlation_id(task_id)).int == bits else None


def span_id(task_id: int, number: int) -> bytes:
    """8 bytes for what stands at this number of a task's story."""
    return digest(b"span", task_id.to_bytes(8, "big"), number.to_bytes(8, "big"))[:8]
