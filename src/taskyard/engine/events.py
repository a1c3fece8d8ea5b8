"""Events: the feed of all tasks, and the audit trail of one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from taskyard.contracts.records import FeedRow
from taskyard.domain import sequence
from taskyard.domain.definition import OWN_TASKS, Definition
from taskyard.domain.event import NOTED, Ground, TaskEvent, tell_event, trigger_names
from taskyard.domain.facts import AttemptFact, Body, Facts, Line, Note, Place, PlaceKind
from taskyard.domain.ids import made_at
from taskyard.domain.lifecycle import OUTCOME_MOVES, EventType, Outcome
from taskyard.domain.policy import Policy
from taskyard.engine.engine import Engine
from taskyard.engine.query import Known, join
from taskyard.errors import NotFound

_AT_ONCE = 1000


class Reference(NamedTuple):
    """An event before it is told: where it stands in the feed, and which fact it is."""

    pos: int
    at: int
    type: EventType
    task_id: int
    sequence: int


class FeedEvent(NamedTuple):
    """An event with its position in the feed and the trigger names that go with it."""

    pos: int
    event: TaskEvent
    triggers: list[str]


class FeedPage(NamedTuple):
    """Some events, and the position up to which there are no others."""

    events: list[FeedEvent]
    end: int


async def read_feed(engine: Engine, after: int, limit: int) -> list[FeedEvent]:
    """The events after a position of the feed, in order; events of tasks long gone are left out."""
    return (await read_page(engine, after, limit)).events


async def read_page(engine: Engine, after: int, limit: int) -> FeedPage:
    """The same for who reads all of it, and has to know how far that is."""
    return await _page(engine, await engine.store.feed(after, limit), after, limit)


async def read_told(engine: Engine, after: int, limit: int) -> FeedPage:
    """The same of the events only that people are told of."""
    return await _page(engine, await engine.store.told_feed(after, limit), after, limit)


async def _page(engine: Engine, rows: Sequence[FeedRow], after: int, limit: int) -> FeedPage:
    references = references_of(rows, after, limit)
    return FeedPage(await _tell(engine, references), references[-1].pos if references else after)


def references_of(rows: Sequence[FeedRow], after: int, limit: int) -> list[Reference]:
    """The events of these batches that stand after a position, so many at most, in order."""
    references: list[Reference] = []
    for row in rows:
        first = row.pos - len(row.task_ids) + 1
        start = max(0, after - first + 1)
        end = start + limit - len(references)
        pairs = zip(row.task_ids[start:end], row.sequences[start:end], strict=True)
        references += [
            Reference(first + k, row.at, row.type, task_id, number) for k, (task_id, number) in enumerate(pairs, start)
        ]
        if len(references) == limit:
            break
    return references


async def latest_position(engine: Engine) -> int:
    """The position in the feed of what happened last, and nothing after it."""
    while await engine.store.sequence(_AT_ONCE):
        pass
    return await engine.store.feed_end()


async def task_events(engine: Engine, task_id: int) -> list[TaskEvent]:
    """One task's story, oldest first. Raises NotFound."""
    story = await read_story(engine, task_id)
    return story.events


class ToldStory(NamedTuple):
    """A task with its events, and the lines it logged after the sequence asked for; all from one snapshot."""

    known: Known
    events: list[TaskEvent]
    lines: list[Line]


async def read_story(engine: Engine, task_id: int, after: int = 0, limit: int = 0) -> ToldStory:
    """A task's story with up to `limit` lines after a sequence. Raises NotFound."""
    story = await engine.store.story(task_id, after, limit)
    if story is None:
        raise NotFound(f"there is no task {task_id}")
    known = (await join(engine, [story.facts]))[0]
    place = story.facts.place
    running = [(task_id, place)] if place is not None and place.kind is PlaceKind.RUNNING else []
    grounds = _Grounds(
        [_Asked(known.facts.body, known.kind.definition, known.policy)], story.attempts, running, story.notes
    )
    references = sorted(_story(story.facts, story.attempts, story.notes), key=lambda r: r.sequence)
    events = [tell_event(r.type, r.sequence, r.at, grounds.of(r)) for r in references]
    return ToldStory(known, events, story.lines)


def _story(facts: Facts, attempts: Sequence[AttemptFact], notes: Sequence[Note]) -> Iterable[Reference]:
    """Which events a task's facts amount to; the same that its moves put into the feed."""
    body, place = facts.body, facts.place
    yield Reference(0, made_at(body.id), EventType.CREATED, body.id, sequence.queued(1))
    for fact in attempts:
        if fact.started_at is not None and fact.worker is not None:
            yield Reference(0, fact.started_at, EventType.STARTED, body.id, sequence.started(fact.attempt))
        for type_ in OUTCOME_MOVES[fact.outcome].events:
            number = (
                sequence.dead_lettered(fact.attempt)
                if type_ is EventType.DEADLETTERED
                else sequence.settled(fact.attempt)
            )
            yield Reference(0, fact.finished_at, type_, body.id, number)
    for note in notes:
        yield Reference(0, note.at, note.type, body.id, note.sequence)
    if place is not None and place.kind is PlaceKind.RUNNING:
        yield Reference(0, place.at, EventType.STARTED, body.id, sequence.started(place.attempt))


class _Asked(NamedTuple):
    """What was asked for with a task, of which version, and under which policy."""

    body: Body
    definition: Definition
    policy: Policy


class _Grounds:
    """What events are told from, looked up by task and attempt."""

    def __init__(
        self,
        asked: Sequence[_Asked],
        attempts: Sequence[AttemptFact],
        running: Sequence[tuple[int, Place]],
        notes: Sequence[Note],
    ) -> None:
        self.asked = {each.body.id: each for each in asked}
        self._attempts = {(a.task_id, a.attempt): a for a in attempts}
        for task_id, place in running:
            key = (task_id, place.attempt)
            self._attempts.setdefault(key, _unfinished(task_id, place))
        self._notes = {(n.task_id, n.sequence): n for n in notes}

    def of(self, reference: Reference) -> Ground:
        asked = self.asked[reference.task_id]
        attempt = sequence.attempt_of(reference.sequence)
        return Ground(
            asked.body,
            asked.definition,
            self._attempts.get((reference.task_id, attempt)),
            self._notes.get((reference.task_id, reference.sequence)),
            asked.policy.retry.max_retries,
        )

    def fell_back(self, reference: Reference) -> bool:
        found = self._attempts.get((reference.task_id, sequence.attempt_of(reference.sequence)))
        return found is not None and found.outcome is Outcome.FALLBACK


def _unfinished(task_id: int, place: Place) -> AttemptFact:
    return AttemptFact(task_id, place.attempt, Outcome.LOST, place.worker, place.at, 0, None, None, None)


async def _read_grounds(engine: Engine, references: Sequence[Reference]) -> _Grounds:
    """What these events are told from, and nothing else: most types need little of all that is known."""
    store = engine.store
    task_ids = sorted({r.task_id for r in references})
    noted = sorted({r.task_id for r in references if r.type in NOTED})
    started = sorted({r.task_id for r in references if r.type is EventType.STARTED})
    pairs = sorted(
        {(r.task_id, sequence.attempt_of(r.sequence)) for r in references if r.type is not EventType.CREATED}
    )
    bodies, notes, running = await asyncio.gather(
        store.bodies(task_ids), store.notes(noted) if noted else _none(), store.running(started) if started else _none()
    )
    attempts = await store.attempt_facts(pairs) if pairs else []  # after `running`: what has ended meanwhile is here
    kinds = await engine.catalog.versions({body.kind_id for body in bodies})
    policies = await engine.catalog.policies({body.policy_id for body in bodies})
    asked = [_Asked(body, kinds[body.kind_id].kind.definition, policies[body.policy_id]) for body in bodies]
    return _Grounds(asked, attempts, running, notes)


async def _none() -> list[Any]:
    return []


async def _tell(engine: Engine, references: Sequence[Reference]) -> list[FeedEvent]:
    if not references:
        return []
    grounds = await _read_grounds(engine, references)
    events = []
    for r in references:
        if r.task_id not in grounds.asked:
            continue
        ground = grounds.of(r)
        if ground.definition.key in OWN_TASKS:
            continue
        at = made_at(r.task_id) if r.type is EventType.CREATED else r.at
        event = tell_event(r.type, r.sequence, at, ground)
        names = trigger_names(event, ground.body, ground.definition.key, fallback=grounds.fell_back(r))
        events.append(FeedEvent(r.pos, event, names))
    return events
