"""The life of a task: its states, and the one table of legal moves.

Everything that changes a task is one of these moves. The table says from which states a move may start,
where it ends and which events it emits; nothing else in the code decides that.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple

from taskyard.errors import IllegalTransition


class State(StrEnum):
    """What a user sees as `status`."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    RETRYING = "RETRYING"
    ASSIGNED = "ASSIGNED"
    WAITING = "WAITING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"

    @classmethod
    def parse(cls, text: str) -> State:
        """The state named `text`; the spelling `CANCELLED` is accepted. Raises ValueError."""
        return cls.CANCELED if text == "CANCELLED" else cls(text)


FINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELED})


class Outcome(IntEnum):
    """How an attempt ended; stored with it. The numbers are part of the schema."""

    COMPLETED = 1
    FAILED = 2
    RETRY = 3
    CANCELED = 4
    LOST = 5
    FALLBACK = 6
    RELEASED = 7
    ASSIGNED = 8
    WAITING = 9
    REPAIRED = 10


class EventType(IntEnum):
    """The events a move emits; stored in the feed. The numbers are part of the schema."""

    CREATED = 1
    STARTED = 2
    COMPLETED = 3
    FAILED = 4
    RETRY = 5
    CANCELED = 6
    ASSIGNED = 7
    WAITING = 8
    DEADLETTERED = 9
    REQUEUED = 10
    CLAIMED = 11
    RELEASED = 12
    DELEGATED = 13
    COMMENTED = 14
    OVERDUE = 15
    REMINDER = 16
    ESCALATED = 17
    PROGRESS = 18
    EMITTED = 19
    RESOLVED = 40
    DRAFTED = 41
    FOLLOW_UP = 42
    RESCHEDULED = 43
    DECIDED = 44


class Move(NamedTuple):
    """One legal change: from any of `sources` to `target`, emitting `events` in this order."""

    name: str
    sources: frozenset[State]
    target: State
    events: tuple[EventType, ...]


def _move(name: str, sources: set[State], target: State, *events: EventType) -> Move:
    return Move(name, frozenset(sources), target, events)


_S, _E = State, EventType
_OPEN = {_S.ASSIGNED, _S.WAITING}

MOVES: dict[str, Move] = {
    move.name: move
    for move in (
        _move("create", set(), _S.PENDING, _E.CREATED),
        _move("start", {_S.PENDING}, _S.RUNNING, _E.STARTED),
        _move("complete", {_S.RUNNING, *_OPEN}, _S.COMPLETED, _E.COMPLETED),
        _move("fail", {_S.RUNNING, *_OPEN}, _S.FAILED, _E.FAILED, _E.DEADLETTERED),
        _move("retry", {_S.RUNNING, _S.WAITING}, _S.RETRYING, _E.RETRY),
        # Silent: the retry event has already told when it would be due.
        _move("promote", {_S.RETRYING}, _S.PENDING),
        _move("lose", {_S.RUNNING}, _S.PENDING, _E.REQUEUED),
        _move("release", {_S.RUNNING}, _S.PENDING, _E.REQUEUED),
        _move("assign", {_S.RUNNING, _S.WAITING}, _S.ASSIGNED, _E.ASSIGNED),
        _move("wait", {_S.RUNNING}, _S.WAITING, _E.WAITING),
        _move("claim", {_S.ASSIGNED}, _S.ASSIGNED, _E.CLAIMED),
        _move("unclaim", {_S.ASSIGNED}, _S.ASSIGNED, _E.RELEASED),
        _move("delegate", {_S.ASSIGNED}, _S.ASSIGNED, _E.DELEGATED),
        _move("resolve", {_S.ASSIGNED}, _S.ASSIGNED, _E.RESOLVED),
        _move("reassign", {_S.ASSIGNED}, _S.ASSIGNED, _E.ASSIGNED),
        _move("draft", {_S.ASSIGNED}, _S.ASSIGNED, _E.DRAFTED),
        _move("follow-up", {_S.ASSIGNED}, _S.ASSIGNED, _E.FOLLOW_UP),
        _move("reschedule", {_S.ASSIGNED}, _S.ASSIGNED, _E.RESCHEDULED),
        _move("comment", {_S.ASSIGNED}, _S.ASSIGNED, _E.COMMENTED),
        _move("decide", {_S.ASSIGNED}, _S.ASSIGNED, _E.DECIDED),
        _move("remind", {_S.ASSIGNED}, _S.ASSIGNED, _E.REMINDER),
        _move("overdue", {_S.ASSIGNED}, _S.ASSIGNED, _E.OVERDUE),
        _move("escalate", {_S.ASSIGNED}, _S.ASSIGNED, _E.ESCALATED),
        _move("cancel", {_S.PENDING, _S.RUNNING, _S.RETRYING, *_OPEN}, _S.CANCELED, _E.CANCELED),
        _move("requeue", {_S.FAILED}, _S.PENDING, _E.REQUEUED),
        # Out of the dead letters for good; its event is the one it came there by, and says so.
        _move("discard", {_S.FAILED}, _S.FAILED, _E.DEADLETTERED),
        _move("repair", {_S.FAILED}, _S.ASSIGNED, _E.ASSIGNED),
        # Mended by a person: the same task, with another input or the same, begins anew.
        _move("rerun", {_S.ASSIGNED}, _S.PENDING, _E.REQUEUED),
    )
}

OUTCOME_MOVES: dict[Outcome, Move] = {
    Outcome.COMPLETED: MOVES["complete"],
    Outcome.FALLBACK: MOVES["complete"],
    Outcome.FAILED: MOVES["fail"],
    Outcome.RETRY: MOVES["retry"],
    Outcome.CANCELED: MOVES["cancel"],
    Outcome.LOST: MOVES["lose"],
    Outcome.RELEASED: MOVES["release"],
    Outcome.ASSIGNED: MOVES["assign"],
    Outcome.WAITING: MOVES["wait"],
    Outcome.REPAIRED: MOVES["rerun"],
}

LEGAL: frozenset[tuple[State, State]] = frozenset(
    (source, move.target) for move in MOVES.values() for source in move.sources
)


def check_move(name: str, source: State) -> Move:
    """The move called `name`, if it may start in `source`. Raises IllegalTransition."""
    move = MOVES[name]
    if source not in move.sources:
        allowed = ", ".join(sorted(move.sources))
        raise IllegalTransition(
            f"cannot {name} a task that is {source}; it must be {allowed}",
            details={"from": source, "to": move.target},
        )
    return move
