"""What a store knows of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from taskyard.contracts.records import FeedRow, Filter, Page, Story
from taskyard.domain.facts import AttemptFact, Body, Facts, Line, Note, Place
from taskyard.domain.lifecycle import State


class Reading(Protocol):
    """What is known."""

    async def facts(self, task_ids: Sequence[int]) -> list[Facts]:
        """Everything about these tasks, in this order; unknown ones are left out."""

    async def bodies(self, task_ids: Sequence[int]) -> list[Body]:
        """What was asked for with these tasks, by id; unknown ones are left out."""

    async def story(self, task_id: int, after: int, limit: int) -> Story | None:
        """A task's story in one snapshot, with up to `limit` lines after a sequence; None when it is unknown."""

    async def find(self, wanted: Filter, limit: int, after: int | None) -> Page:
        """Ids that fit the filter, newest first, beginning after (below) the id `after`."""

    async def find_started(self, wanted: Filter, limit: int, after: int | None) -> Page:
        """The same in the order of starting, latest first; `after` is a position of an earlier page."""

    async def dead(self, limit: int, after: int | None, kind_ids: Sequence[int] | None) -> Page:
        """Ids in the dead letters, newest first."""

    async def attempts(self, task_id: int) -> list[AttemptFact]:
        """The ended attempts, oldest first."""

    async def attempt_facts(self, pairs: Sequence[tuple[int, int]]) -> list[AttemptFact]:
        """These (task, attempt) pairs, as far as they have ended."""

    async def running(self, task_ids: Sequence[int]) -> list[tuple[int, Place]]:
        """The present claims on these tasks."""

    async def reporting(self) -> list[tuple[int, int]]:
        """The tasks under lease that have said how far they are, by id, each with the sequence of what it said."""

    async def notes(self, task_ids: Sequence[int]) -> list[Note]:
        """The notes on these tasks, oldest first."""

    async def lines(self, task_id: int, after: int, limit: int) -> list[Line]:
        """The lines a task logged after a sequence, oldest first."""

    async def latest(self, task_ids: Sequence[int]) -> list[tuple[int, int]]:
        """(id, a number that grows whenever anything about the task changes), cheaply: for followers."""

    async def feed(self, after: int, limit: int) -> list[FeedRow]:
        """Batches of events after a position, in order."""

    async def feed_end(self) -> int:
        """The latest position of the feed."""

    async def run_times(self, since: int) -> list[tuple[int, int]]:
        """(kind id, milliseconds) of the completed attempts of tasks made since that moment, the latest 10,000."""

    async def counts(self, since: int) -> list[tuple[int, State, int]]:
        """(kind id, state, how many) over the tasks made since that moment."""
