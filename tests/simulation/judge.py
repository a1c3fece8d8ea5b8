"""What must have come of every task once all is quiet."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from taskyard.domain import sequence
from taskyard.domain.facts import AttemptDetail, AttemptFact, Note
from taskyard.domain.lifecycle import FINAL, MOVES, EventType, Outcome, State
from taskyard.domain.retry import NEVER_RETRIED
from taskyard.domain.task import state_of
from taskyard.engine.engine import Engine
from taskyard.engine.events import ToldStory, read_story

if TYPE_CHECKING:
    from tests.simulation.world import World

_FEED_AT_ONCE = 100_000
_DONE = (Outcome.COMPLETED, Outcome.FALLBACK)
_SILENT = [move for move in MOVES.values() if not move.events]
_DATABASE_FAULTS = {"pause", "turn_away", "lose", "refuse", "slow", "jump"}

Feed = defaultdict[int, list[tuple[EventType, int]]]


class Judge:
    """Compares what the store tells with what the ledger saw."""

    def __init__(self, world: World, engine: Engine) -> None:
        self._world = world
        self._ledger = world.ledger
        self._engine = engine

    async def judge(self) -> None:
        """Everything."""
        feed = await self._feed()
        ids = [row[0] for row in self._rows("SELECT id FROM task ORDER BY id")]
        for task_id in self._ledger.accepted:
            if task_id not in ids:
                self._accuse(task_id, "was promised and is gone")
        for task_id in ids:
            story = await read_story(self._engine, task_id)
            await self._judge_task(task_id, story, feed[task_id])
        self._judge_keys()
        self._judge_children()
        self._judge_followers(feed)
        for table in ("slot", "parked", "claim"):
            if left := self._rows(f"SELECT task_id FROM {table}"):
                self._ledger.accuse(f"all is quiet, and {table} still has {left}")

    async def _judge_task(self, task_id: int, story: ToldStory, feed: list[tuple[EventType, int]]) -> None:
        facts = story.known.facts
        attempts = await self._engine.store.attempts(task_id)
        notes = await self._engine.store.notes([task_id])
        state = state_of(facts.place, facts.last)
        self._judge_events(task_id, state, feed)
        told = [(event.type, event.sequence) for event in story.events if event.type is not None]
        if [number for _, number in told] != [number for _, number in feed]:
            self._accuse(task_id, f"its story {told} differs from the feed {feed}")
        if [fact.attempt for fact in attempts] != list(range(1, len(attempts) + 1)):
            self._accuse(task_id, f"its attempts are {[fact.attempt for fact in attempts]}")
        if sum(fact.outcome in _DONE for fact in attempts) > 1:
            self._accuse(task_id, "was completed twice")
        self._judge_budgets(task_id, story, attempts, notes)
        self._judge_times(task_id, story, attempts, notes)
        for fact in attempts:
            self._judge_attempt(fact, story.known.kind.definition.key)
        self._judge_promises(task_id, state, attempts)

    # ---- events
    async def _feed(self) -> Feed:
        feed: Feed = defaultdict(list)
        for row in await self._engine.store.feed(0, _FEED_AT_ONCE):
            for task_id, number in zip(row.task_ids, row.sequences, strict=True):
                feed[task_id].append((row.type, number))
        return feed

    def _judge_events(self, task_id: int, state: State, feed: list[tuple[EventType, int]]) -> None:
        """Each once, in order, along legal moves, to where the task is now."""
        numbers = [number for _, number in feed]
        if numbers != sorted(set(numbers)):
            self._accuse(task_id, f"its events are not in order: {feed}")
        states: set[State | None] = {None}
        for type_, _ in feed:
            if type_ is EventType.DEADLETTERED and states == {State.FAILED}:
                continue
            states = _silently(states)
            states = {
                move.target
                for move in MOVES.values()
                if type_ in move.events and (states & move.sources or (not move.sources and states == {None}))
            }
            if not states:
                self._accuse(task_id, f"its events are no legal life: {feed}")
                return
        if state not in _silently(states):
            self._accuse(task_id, f"is {state}, but its events end in {states}")

    def _judge_followers(self, feed: Feed) -> None:
        for task_id, heard in self._ledger.heard:
            numbers = [number for _, number in heard]
            if numbers != sorted(numbers):
                self._accuse(task_id, f"a follower heard {heard}")
            statuses = [number for kind, number in heard if kind == "status"]
            told = [n for type_, n in feed[task_id] if numbers and n <= numbers[-1] and type_ in _TOLD]
            if statuses != told:
                self._accuse(task_id, f"a follower heard {statuses} of {told}")

    # ---- budgets
    def _judge_budgets(self, task_id: int, story: ToldStory, attempts: list[AttemptFact], notes: list[Note]) -> None:
        """Failures and losses are charged as the policy says, and a requeue makes them fresh."""
        policy = story.known.policy
        fresh = {sequence.attempt_of(n.sequence) for n in notes if n.type is EventType.REQUEUED}
        failures = losses = 0
        for fact in attempts:
            if fact.attempt in fresh:
                failures = losses = 0
            error = _detail(fact).error
            if fact.outcome is Outcome.RETRY and error is not None:
                failures += 1
                if failures > policy.retry.max_retries:
                    self._accuse(task_id, f"attempt {fact.attempt} is tried again too often")
            if fact.outcome is Outcome.LOST:
                losses += 1
                self._judge_loss(fact, story.known.kind.definition.key)
                if losses >= policy.max_deliveries:
                    self._accuse(task_id, f"attempt {fact.attempt} is the {losses}th loss and no failure")
            if fact.outcome is Outcome.FAILED and error is not None:
                self._judge_failure(fact, error, failures, losses, story)
        place = story.known.facts.place
        if place is not None and place.kind.name != "DEAD" and (place.failures, place.losses) != (failures, losses):
            self._accuse(task_id, f"has used up {place.failures, place.losses}, not {failures, losses}")

    def _judge_failure(
        self, fact: AttemptFact, error: dict[str, Any], failures: int, losses: int, story: ToldStory
    ) -> None:
        policy = story.known.policy
        if error["code"] == "WORKER_LOST":
            self._judge_loss(fact, story.known.kind.definition.key)
            if losses + 1 != policy.max_deliveries:
                self._accuse(fact.task_id, f"failed after {losses + 1} losses")
        elif _may_retry(error) and failures != policy.retry.max_retries:
            self._accuse(fact.task_id, f"failed after {failures} retries of {policy.retry.max_retries}")

    def _judge_loss(self, fact: AttemptFact, key: str) -> None:
        """A loss is charged to what had begun (a thread may be about to) with a worker that died or fell silent."""
        process = self._ledger.workers.get(fact.worker or "")
        if process is None:
            return  # held over HTTP: its visibility ran out
        if process.supervised and not self._ledger.started(fact.task_id, fact.attempt) and key != "threaded":
            self._accuse(fact.task_id, f"attempt {fact.attempt} had not started when it was lost")
        calm = not _DATABASE_FAULTS & self._ledger.counts.keys()
        if calm and not process.dead and process.held_until < 0:
            self._accuse(fact.task_id, f"attempt {fact.attempt} was lost by {process}, which nothing had befallen")

    # ---- times
    def _judge_times(self, task_id: int, story: ToldStory, attempts: list[AttemptFact], notes: list[Note]) -> None:
        """Nothing starts before it is due, unless somebody hurried it."""
        hurried = task_id in self._ledger.hurried
        due = story.known.facts.body.extra and _available_at(story.known.facts.body.extra)
        for fact in attempts:
            if fact.started_at is not None and due and fact.started_at < due and not hurried:
                self._accuse(task_id, f"attempt {fact.attempt} started {due - fact.started_at} µs too early")
            if fact.started_at is not None and fact.finished_at < fact.started_at:
                self._accuse(task_id, f"attempt {fact.attempt} ended before it started")
            delay = _detail(fact).delay
            due = fact.finished_at + int(delay * 1e6) if fact.outcome is Outcome.RETRY and delay is not None else None

    # ---- what attempts came to
    def _judge_attempt(self, fact: AttemptFact, key: str) -> None:
        """A completion is the word of a body that ran to its end in that very attempt."""
        if fact.outcome is not Outcome.COMPLETED or key == "person" or fact.worker is None:
            return
        result = msgspec.json.decode(fact.result or b"null")
        values = [body.value for body in self._ledger.bodies.get((fact.task_id, fact.attempt), ())]
        if result not in values:
            self._accuse(fact.task_id, f"attempt {fact.attempt} completed with {result}, its bodies gave {values}")

    def _judge_promises(self, task_id: int, state: State, attempts: list[AttemptFact]) -> None:
        """What clients were told holds."""
        if state not in FINAL:
            self._accuse(task_id, f"is {state} long after everything was well again")
        for attempt in range(1, len(attempts) + 1):
            told = self._ledger.completed_by.get((task_id, attempt))
            fact = attempts[attempt - 1]
            if told is not None and (fact.outcome, msgspec.json.decode(fact.result or b"null")) != (
                Outcome.COMPLETED, told
            ):  # fmt: skip
                self._accuse(task_id, f"its holder was told that attempt {attempt} completed; it is {fact}")
        if task_id in self._ledger.canceled and state is not State.CANCELED:
            self._accuse(task_id, f"was canceled, and is {state}")
        if state is State.CANCELED and (ghosts := self._begun_after(task_id, len(attempts))):
            self._accuse(task_id, f"was canceled in attempt {len(attempts)}, yet {ghosts} began")
        told_final = self._ledger.told_final.get(task_id, set())
        if told_final & {State.COMPLETED, State.CANCELED} and state not in told_final:
            self._accuse(task_id, f"was told to be {told_final}, and is {state}")

    def _begun_after(self, task_id: int, attempt: int) -> list[Any]:
        return [pair for pair in self._ledger.bodies if pair[0] == task_id and pair[1] > attempt]

    # ---- one of a kind
    def _judge_keys(self) -> None:
        for key, ids in self._ledger.idempotent.items():
            if len(ids) > 1:
                self._ledger.accuse(f"the idempotency {key} stands for {sorted(ids)}")
        stored = self._rows("SELECT key, count(DISTINCT task_id) FROM uniq GROUP BY key HAVING count(*) > 1")
        if stored:
            self._ledger.accuse(f"keys stand twice: {stored}")

    def _judge_children(self) -> None:
        """A subtask is memoised under its parent: its equal is there once, failed and canceled ones aside."""
        rows = self._rows("SELECT parent_id, hash, id FROM task WHERE parent_id IS NOT NULL ORDER BY id")
        families: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
        for parent_id, hash_, id_ in rows:
            families[parent_id, hash_].append(id_)
        for (parent_id, _), ids in families.items():
            outcomes = Counter(row[0] for id_ in ids for row in self._rows(
                "SELECT outcome FROM attempt WHERE task_id = ? ORDER BY attempt DESC LIMIT 1", id_
            ))  # fmt: skip
            if outcomes[Outcome.COMPLETED] > 1 and not self._ledger.hurried & set(ids):
                self._accuse(parent_id, f"has equal children that completed: {ids}")

    def _rows(self, query: str, *parameters: Any) -> list[Any]:
        return self._world.shared.connection.execute(query, parameters).fetchall()

    def _accuse(self, task_id: int, what: str) -> None:
        self._ledger.accuse(f"task {task_id} {what}")


_TOLD = frozenset(
    {
        EventType.CREATED, EventType.STARTED, EventType.RETRY, EventType.COMPLETED, EventType.FAILED,
        EventType.CANCELED, EventType.ASSIGNED, EventType.WAITING, EventType.REQUEUED,
    }
)  # fmt: skip


def _silently(states: set[State | None]) -> set[State | None]:
    """These states, and where they may have come to without a word."""
    return states | {move.target for move in _SILENT if move.sources & states}


def _detail(fact: AttemptFact) -> AttemptDetail:
    return msgspec.json.decode(fact.detail, type=AttemptDetail) if fact.detail else AttemptDetail()


def _may_retry(error: dict[str, Any]) -> bool:
    return error.get("retryable") is not False and error["code"] not in {*NEVER_RETRIED, "REJECTED"}


def _available_at(extra: bytes) -> int | None:
    return msgspec.json.decode(extra).get("available_at")
