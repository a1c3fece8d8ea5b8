"""Spans: attempts that have ended are reported to whoever traces. While nobody can be told they wait; tasks run on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

import structlog

from taskyard.domain import sequence
from taskyard.domain.facts import AttemptFact
from taskyard.domain.lifecycle import Outcome
from taskyard.engine.engine import Engine
from taskyard.engine.events import FeedEvent, read_page
from taskyard.engine.query import Known, know
from taskyard.errors import CallFailed, CircuitOpen, EgressRefused

_AT_ONCE = 200
_WELL = frozenset(
    {Outcome.COMPLETED, Outcome.FALLBACK, Outcome.RELEASED, Outcome.ASSIGNED, Outcome.WAITING, Outcome.REPAIRED}
)

log = structlog.get_logger("taskyard.spans")


class Ended(NamedTuple):
    """An attempt that has ended, and its task."""

    known: Known
    fact: AttemptFact

    @property
    def is_well(self) -> bool:
        """Whether it did what it should."""
        return self.fact.outcome in _WELL

    @property
    def span_id(self) -> bytes:
        """Its own, 8 bytes; the same whenever it is reported."""
        return sequence.span_id(self.fact.task_id, sequence.settled(self.fact.attempt))


REFUSED: Final = frozenset({400, 411, 413, 414, 415, 422, 431})
"""Statuses that are the spans' own fault; anything else passes, or is for the operator to mend."""

Report = Callable[[Sequence[Ended]], Awaitable[None]]
"""Reports these; what is refused for good is counted at the circuit, and lost.

Raises CallFailed, CircuitOpen or EgressRefused where that cannot be done now: they come again.
"""


class Spans:
    """Reads the feed where `reader` has come to, and reports what has ended since. One process at a time has turns."""

    def __init__(self, engine: Engine, reader: str, report: Report) -> None:
        self._engine = engine
        self.reader = reader
        self._report = report

    async def begin(self) -> None:
        """Whoever is new hears of what happens from now on."""
        store = self._engine.store
        if await store.reader_position(self.reader) is None:
            await store.move_reader(self.reader, None, await store.feed_end())

    async def turn(self) -> None:
        """Report all that can be reported now."""
        store = self._engine.store
        position = await store.reader_position(self.reader) or 0
        while (page := await read_page(self._engine, position, _AT_ONCE)).end != position:
            ended = await self._ended([one for one in page.events if sequence.is_settled(one.event.sequence)])
            try:
                if ended:
                    await self._report(ended)
            except (CallFailed, CircuitOpen, EgressRefused) as error:
                log.info("spans wait", reader=self.reader, reason=error.message)
                return
            if not await store.move_reader(self.reader, position, page.end):
                return
            position = page.end

    async def _ended(self, events: Sequence[FeedEvent]) -> list[Ended]:
        pairs = {(int(one.event.data["taskId"]), sequence.attempt_of(one.event.sequence)) for one in events}
        known = {each.facts.body.id: each for each in await know(self._engine, sorted({id_ for id_, _ in pairs}))}
        facts = await self._engine.store.attempt_facts(sorted(pairs)) if pairs else []
        return [Ended(known[fact.task_id], fact) for fact in facts if fact.task_id in known]
