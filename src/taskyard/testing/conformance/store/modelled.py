"""What the model is made of: a task, a lease, a worker, and a story's path."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from taskyard.contracts.records import SlotKey
from taskyard.domain import sequence
from taskyard.domain.facts import PlaceKind
from taskyard.domain.lifecycle import MOVES, OUTCOME_MOVES, EventType, Outcome, State, check_move
from taskyard.domain.queue import LaneKey


@dataclass
class ModelTask:
    """One task: where it is, what it has used up, and all that it has told."""

    id: int
    lane: LaneKey
    key: SlotKey | None
    fairness_key: str
    state: State = State.PENDING
    place: PlaceKind | None = PlaceKind.READY
    at: int = 0
    attempt: int = 1
    failures: int = 0
    losses: int = 0
    changes: int = 0
    said: int = 0
    revision: int = 0
    order: int = 0
    ends: list[Outcome] = field(default_factory=list)
    events: list[tuple[EventType, int]] = field(default_factory=list)

    def move(self, name: str, *sequences: int) -> None:
        """Make the move of this name, which must be legal; `sequences` are its events'."""
        move = check_move(name, self.state) if MOVES[name].sources else MOVES[name]
        self.state = move.target
        self.events += zip(move.events, sequences, strict=True)

    def go(self, place: PlaceKind | None, at: int) -> None:
        """Be at this place."""
        self.place, self.at = place, at

    def end(self, outcome: Outcome) -> None:
        """End the attempt."""
        move = OUTCOME_MOVES[outcome]
        dead = sequence.dead_lettered(self.attempt)
        self.move(
            move.name, *(dead if e is EventType.DEADLETTERED else sequence.settled(self.attempt) for e in move.events)
        )
        self.ends.append(outcome)


@dataclass
class ModelLease:
    """What a worker believes to hold."""

    worker_id: int
    claim_id: int
    task_id: int
    attempt: int
    failures: int
    losses: int
    lane: LaneKey
    expires_at: int | None
    revoked: bool = False

    @property
    def pair(self) -> tuple[int, int]:
        """The task and the attempt."""
        return self.task_id, self.attempt


@dataclass
class ModelWorker:
    """A worker; `running` is what it last said that it runs."""

    id: int
    beat_at: int
    supervised: bool
    over_http: bool = False
    dead: bool = False
    running: Collection[int] | None = None


def check_story(events: Sequence[tuple[EventType, int]]) -> State:
    """Where these events of one task lead by the table of moves; fails where they are no legal path."""
    state: State | None = None
    rest = [type_ for type_, _ in events if type_ is not EventType.EMITTED]
    while rest:
        move = next(
            move
            for move in MOVES.values()
            if move.events
            and tuple(rest[: len(move.events)]) == move.events
            and (not move.sources if state is None else bool(_silently(state) & move.sources))
        )
        state, rest = move.target, rest[len(move.events) :]
    sequences = [s for _, s in events]
    if state is None or sequences != sorted(set(sequences)):
        raise AssertionError(f"the sequences do not grow: {events}")
    return state


def _silently(state: State) -> set[State]:
    """The states that may have been reached from this one without an event."""
    return {state, *(move.target for move in MOVES.values() if not move.events and state in move.sources)}
