"""What a store keeps for events that come and go: how far they were told, what was refused, what waits."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from taskyard.contracts.records import Entry, Found, Unique
from taskyard.domain.mapping import Mapping


class Direction(StrEnum):
    """Whether an event came or goes."""

    IN = "in"
    OUT = "out"


class LetterStatus(StrEnum):
    """What becomes of an event that is kept.

    DEAD: somebody has to decide. REPLAY: it is to be tried again. HELD: it came during maintenance.
    EARLY: an answer for which no task waits yet.
    """

    DEAD = "dead"
    REPLAY = "replay"
    HELD = "held"
    EARLY = "early"


class Letter(NamedTuple):
    """An event that is kept, with the bytes it came or goes in; `at` in microseconds since the epoch.

    `facts`: what else is needed to take it or send it, as JSON. One is kept of each direction and event id.
    """

    id: int
    direction: Direction
    event_id: str
    status: LetterStatus
    at: int
    key: str
    reason: str
    tries: int
    body: bytes
    facts: dict[str, Any]


class LetterFilter(NamedTuple):
    """Which letters; None means any."""

    statuses: frozenset[LetterStatus]
    direction: Direction | None = None
    key: str | None = None
    ids: tuple[int, ...] | None = None


class Bus(Protocol):
    """Events that come and go."""

    async def reader_position(self, name: str) -> int | None:
        """How far in the feed a reader has come that reads it for others; None for one that never began."""

    async def move_reader(self, name: str, before: int | None, pos: int) -> bool:
        """Take a reader on to a position; False when it was not at `before`: somebody else reads for it."""

    async def keep_letters(self, letters: Sequence[Letter]) -> None:
        """Keep these, each in place of what was kept of the same direction and event id."""

    async def letters(
        self, wanted: LetterFilter, limit: int, after: int | None, *, oldest_first: bool = False
    ) -> list[Letter]:
        """Letters newest first, beginning after (below) an id; or oldest first, after (above) it."""

    async def mark_letters(self, ids: Sequence[int], before: LetterStatus, status: LetterStatus) -> list[int]:
        """Give a status to those that have the one before; which they are."""

    async def drop_letters(self, ids: Sequence[int]) -> list[int]:
        """Keep these no longer; which there were."""

    async def see(self, key: bytes) -> bool:
        """Note that an event was taken; False where that was known."""

    async def has_seen(self, key: bytes) -> bool:
        """Whether it was noted that the event was taken."""

    async def save_mapping(self, mapping: Mapping) -> None:
        """Keep a mapping, in place of what has its id."""

    async def mappings(self) -> list[Mapping]:
        """All mappings, by id."""

    async def remove_mapping(self, mapping_id: str) -> bool:
        """Forget a mapping; False where there is none."""

    async def enqueue_failed(self, entry: Entry, detail: bytes, uniques: Sequence[Unique]) -> Found | None:
        """As `enqueue_unique`, for a task that FAILED before it began; `detail` as that of its first attempt.

        The entry must be one that runs later.
        """

    async def waiting_for(self, correlation_id: str) -> list[int]:
        """The tasks that wait under a correlation id, of the wait itself or else of the task."""

    async def maintain(self, by: str | None) -> None:
        """Begin maintenance, in which nothing is dequeued, on behalf of somebody; None ends it."""

    async def maintenance(self) -> bool:
        """Whether there is maintenance."""
