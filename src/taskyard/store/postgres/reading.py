"""What is known about tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from taskyard.contracts.records import FeedRow, Filter, Page, Story
from taskyard.domain.facts import AttemptFact, Body, Facts, Line, Note, Place, PlaceKind, Progress
from taskyard.domain.ids import floor_id
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.store.postgres.base import Base
from taskyard.store.postgres.database import Pool
from taskyard.store.postgres.finding import by_creation, by_start
from taskyard.store.postgres.shapes import columns, decode
from taskyard.store.postgres.statements import statement

_FACTS = statement("facts")
_BODIES = statement("bodies")
_DEAD = statement("dead")
_ATTEMPTS = statement("attempts")
_ATTEMPT_FACTS = statement("attempt_facts")
_RUNNING = statement("running")
_REPORTING = statement("reporting")
_NOTES = statement("notes")
_LINES = statement("lines")
_LATEST = statement("latest")
_FEED = statement("feed")
_FEED_END = "SELECT pos FROM taskyard.sequencer"
_COUNTS = statement("counts")
_RUN_TIMES = statement("run_times")

_END_OF_IDS: Final = (1 << 63) - 1


class Reading(Base):
    """The facet of the same name."""

    async def facts(self, task_ids: Sequence[int]) -> list[Facts]:
        """See the contract."""
        return await facts_of(self.db.relaxed, task_ids)

    async def bodies(self, task_ids: Sequence[int]) -> list[Body]:
        """See the contract."""
        return [Body(*row) for row in await self.db.relaxed.fetch(_BODIES, list(task_ids))]

    async def story(self, task_id: int, after: int, limit: int) -> Story | None:
        """See the contract."""
        async with self.db.reading.snapshot() as connection:
            facts = await connection.fetch(_FACTS, [task_id])
            if not facts:
                return None
            attempts = await connection.fetch(_ATTEMPTS, task_id)
            notes = await connection.fetch(_NOTES, [task_id])
            lines = await connection.fetch(_LINES, task_id, after, limit) if limit else []
        return Story(
            _facts(tuple(facts[0])),
            [_attempt(a) for a in attempts],
            [_note(n) for n in notes],
            [Line(*r) for r in lines],
        )

    async def find(self, wanted: Filter, limit: int, after: int | None) -> Page:
        """See the contract."""
        return await by_creation(self.db.reading.fetch, wanted, limit, after)

    async def find_started(self, wanted: Filter, limit: int, after: int | None) -> Page:
        """See the contract."""
        return await by_start(self.db.reading.fetch, wanted, limit, after)

    async def dead(self, limit: int, after: int | None, kind_ids: Sequence[int] | None) -> Page:
        """See the contract."""
        kinds = None if kind_ids is None else list(kind_ids)
        rows = await self.db.reading.fetch(_DEAD, _END_OF_IDS if after is None else after, kinds, limit + 1)
        return _page([row["task_id"] for row in rows], limit)

    async def attempts(self, task_id: int) -> list[AttemptFact]:
        """See the contract."""
        return [_attempt(row) for row in await self.db.relaxed.fetch(_ATTEMPTS, task_id)]

    async def attempt_facts(self, pairs: Sequence[tuple[int, int]]) -> list[AttemptFact]:
        """See the contract."""
        return [_attempt(row) for row in await self.db.relaxed.fetch(_ATTEMPT_FACTS, *columns(pairs, 2))]

    async def running(self, task_ids: Sequence[int]) -> list[tuple[int, Place]]:
        """See the contract."""
        rows = await self.db.relaxed.fetch(_RUNNING, list(task_ids))
        return [(row[0], Place(PlaceKind(row[1]), *row[2:])) for row in rows]

    async def reporting(self) -> list[tuple[int, int]]:
        """See the contract."""
        return [(row[0], row[1]) for row in await self.db.relaxed.fetch(_REPORTING)]

    async def notes(self, task_ids: Sequence[int]) -> list[Note]:
        """See the contract."""
        return [_note(row) for row in await self.db.relaxed.fetch(_NOTES, list(task_ids))]

    async def lines(self, task_id: int, after: int, limit: int) -> list[Line]:
        """See the contract."""
        return [Line(*row) for row in await self.db.relaxed.fetch(_LINES, task_id, after, limit)]

    async def latest(self, task_ids: Sequence[int]) -> list[tuple[int, int]]:
        """See the contract."""
        return [(row["id"], row["latest"]) for row in await self.db.relaxed.fetch(_LATEST, list(task_ids))]

    async def feed(self, after: int, limit: int) -> list[FeedRow]:
        """See the contract."""
        rows: list[Any] = await self.db.relaxed.fetch(_FEED, after, limit)
        return [FeedRow(pos, at, EventType(type_), ids, sequences) for pos, at, type_, ids, sequences in rows]

    async def feed_end(self) -> int:
        """See the contract."""
        return int(await self.db.relaxed.value(_FEED_END))

    async def run_times(self, since: int) -> list[tuple[int, int]]:
        """See the contract."""
        return [tuple(row) for row in await self.db.reading.fetch(_RUN_TIMES, floor_id(since))]

    async def counts(self, since: int) -> list[tuple[int, State, int]]:
        """See the contract."""
        rows: list[Any] = await self.db.reading.fetch(_COUNTS, floor_id(since))
        return [(kind_id, State(state), count) for kind_id, state, count in rows]


async def facts_of(pool: Pool, task_ids: Sequence[int]) -> list[Facts]:
    """The facts of these tasks, in one snapshot and in this order; unknown ones are left out."""
    return [_facts(tuple(row)) for row in await pool.fetch(_FACTS, list(task_ids))]


_BODY_ENDS: Final = len(Body._fields)
_PLACE_ENDS: Final = _BODY_ENDS + len(Place._fields)
_ATTEMPT_ENDS: Final = _PLACE_ENDS + len(AttemptFact._fields)


def _facts(row: tuple[Any, ...]) -> Facts:
    place, last, progress = row[_BODY_ENDS:_PLACE_ENDS], row[_PLACE_ENDS:_ATTEMPT_ENDS], row[_ATTEMPT_ENDS:]
    return Facts(
        Body(*row[:_BODY_ENDS]),
        None if place[0] is None else Place(PlaceKind(place[0]), *place[1:]),
        None if last[0] is None else _attempt(last),
        None if progress[0] is None else Progress(*progress),
    )


def _attempt(row: Any) -> AttemptFact:
    return AttemptFact(row[0], row[1], Outcome(row[2]), *row[3:])


def _note(row: Any) -> Note:
    return Note(row[0], row[1], row[2], EventType(row[3]), decode(row[4]))


def _page(ids: list[int], limit: int) -> Page:
    """The first `limit` ids; one more was asked for, to see whether there is a next page."""
    return Page(ids[:limit], ids[limit - 1] if len(ids) > limit else None)
