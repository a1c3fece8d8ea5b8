"""Answers: what an external system sends back to the task that waits for it, be it before the task waits."""

from __future__ import annotations

from typing import Any, NamedTuple

import structlog

from taskyard.contracts.bus import Direction, Letter, LetterFilter, LetterStatus
from taskyard.contracts.records import Settlement
from taskyard.domain.facts import PlaceKind
from taskyard.domain.ids import parse_id
from taskyard.domain.incoming import METHOD_EXECUTED, METHOD_FAILED, Incoming, read_incoming
from taskyard.domain.json import detail, dumps, loads, refusal
from taskyard.domain.lifecycle import FINAL, Outcome
from taskyard.domain.outcome import Completed, Failed, TaskError
from taskyard.domain.sequence import task_of
from taskyard.domain.task import state_of, version_of
from taskyard.domain.token import read_token, token_of
from taskyard.engine.connection_book import lane_of
from taskyard.engine.engine import Engine
from taskyard.engine.letters import bury, caller_of, keep_event
from taskyard.engine.query import Known, know, know_one, token_now
from taskyard.engine.settle import decide, fallback, fallback_value, settlement
from taskyard.errors import Conflict, IllegalTransition, NotFound, Overloaded, TaskyardError, ValidationFailed
from taskyard.security.caller import Caller

_EARLY_AT_ONCE = 200
_EARLY_FOR_US = 24 * 3600 * 1_000_000
_AGING, _RAREST = 20, 60_000_000
"""One that came early is looked at again after a twentieth of its age, at the latest after a minute."""

log = structlog.get_logger("taskyard.answers")


class Answer(NamedTuple):
    """Whose answer it is, and what it says: an output, or an error."""

    task_id: str | None
    correlation_id: str | None
    output: Any
    error: TaskError | None


class _Waiting(NamedTuple):
    """A waiting task as the settlement wants it."""

    task_id: int
    attempt: int
    lane_id: int
    failures: int
    losses: int


def read_answer(event: Incoming) -> Answer:
    """The answer in an event. Raises ValidationFailed."""
    payload = event.payload if isinstance(event.payload, dict) else {}
    task_id = payload.get("taskId") or event.metadata.get("taskId")
    correlation_id = payload.get("correlationId") or event.correlation_id
    if not isinstance(task_id, str | None) or not isinstance(correlation_id, str | None):
        raise refusal([detail("/payload/taskId", "and correlationId must be texts", "type")])
    if task_id is None and correlation_id is None:
        raise refusal([detail("/payload", "must name the task by taskId or correlationId", "required")])
    error = payload.get("error", payload if event.key == METHOD_FAILED else None)
    if error is not None:
        return Answer(task_id, correlation_id, None, _error(error))
    if "output" not in payload and event.key != METHOD_EXECUTED:
        raise refusal([detail("/payload", "must have an output or an error", "required")])
    return Answer(task_id, correlation_id, payload.get("output", payload.get("result", payload)), None)


def _error(given: Any) -> TaskError:
    if not isinstance(given, dict):
        return TaskError("INTEGRATION_ERROR", str(given))
    code, message = given.get("code") or given.get("errorCode"), given.get("message") or given.get("errorMessage")
    retryable = given.get("retryable")
    return TaskError(
        str(code or "INTEGRATION_ERROR"),
        str(message or "the external system answered with an error"),
        given.get("details"),
        retryable=retryable if isinstance(retryable, bool) else None,
    )


async def receive_response(engine: Engine, event: Incoming, caller: Caller) -> list[int]:
    """Give an answer to the task that waits for it; kept where none does yet. Which task got it.

    Raises ValidationFailed, NotFound, IllegalTransition, Conflict.
    """
    answer = read_answer(event)
    if await engine.store.has_seen(event.identity):
        return []
    given = await _give(engine, event, answer)
    if given is None:
        await keep_event(engine, event, caller, LetterStatus.EARLY, "no task waits for this answer yet")
        return []
    return [given]


async def answer_waiting(engine: Engine, task_id: int, output: Any, error: TaskError | None) -> bool:
    """End a task that waits, as its answer would; False when it waits no more. Raises NotFound."""
    settled = await _settle(engine, await know_one(engine, task_id), Answer(None, None, output, error))
    return await engine.store.settle_open(task_id, settled, None)


async def end_waiting(engine: Engine, known: Known, error: TaskError) -> bool:
    """End a task that was seen to wait as failed; False when it waits no more. Raises Conflict when it has changed."""
    settled = await _settle(engine, known, Answer(None, None, None, error))
    return await engine.store.settle_open(known.facts.body.id, settled, version_of(known.facts.place, known.facts.last))


class EarlyAnswers:
    """Gives answers that came early to the tasks that wait by now, a few at a time: each in its turn, so that those for
    which nobody waits yet keep no other waiting.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._after: int | None = None
        self._looks: dict[int, int] = {}

    async def turn(self) -> int:
        """Look at the next few, oldest first, and then at the oldest again; how many were given."""
        now = await self._engine.store.now()
        if self._after is None:
            self._looks = {id_: at for id_, at in self._looks.items() if at > now}
        wanted = LetterFilter(frozenset({LetterStatus.EARLY}), Direction.IN)
        letters = await self._engine.store.letters(wanted, _EARLY_AT_ONCE, self._after, oldest_first=True)
        self._after = letters[-1].id if len(letters) == _EARLY_AT_ONCE else None
        due = [letter for letter in letters if self._looks.get(letter.id, now) <= now]
        self._looks.update((each.id, now + min((now - each.at) // _AGING, _RAREST)) for each in due)
        return sum([await _match(self._engine, letter, now) for letter in due])


async def _match(engine: Engine, letter: Letter, now: int) -> bool:
    """Whether it was given to a task."""
    try:
        event = read_incoming(loads(letter.body), message_id=letter.event_id)
        if await engine.store.has_seen(event.identity) or await _give(engine, event, read_answer(event)):
            await engine.store.drop_letters([letter.id])
            return True
        if letter.at < now - _EARLY_FOR_US:
            await bury(engine, [letter], "no task has waited for this answer")
    except (ValidationFailed, NotFound, Conflict, IllegalTransition) as error:
        log.warning("an answer cannot be given", id=letter.event_id, by=caller_of(letter).subject, reason=error.message)
        await bury(engine, [letter], error.message)
    except Overloaded:
        raise
    except Exception:  # one answer must not keep the others waiting
        log.exception("an answer could not be given; it is tried again", id=letter.event_id)
    return False


async def _give(engine: Engine, event: Incoming, answer: Answer) -> int | None:
    """Which task was given the answer; None where none waits yet."""
    task_id = await _find(engine, answer)
    if task_id is None:
        return None
    known = await know_one(engine, task_id)
    settled = await _settle(engine, known, answer)
    return task_id if await engine.store.settle_open(task_id, settled, None, event.identity) else None


async def _find(engine: Engine, answer: Answer) -> int | None:
    """The task that waits for it. Raises NotFound, IllegalTransition, Conflict."""
    correlation_id = answer.correlation_id or ""
    if answer.task_id is not None:
        task_id = parse_id(answer.task_id)
        await _refuse_former(engine, task_id, correlation_id)
        return await _waiting(engine, task_id, answer.task_id)
    found = await engine.store.waiting_for(correlation_id)
    if len(found) > 1:
        raise Conflict(f"{len(found)} tasks wait under the correlation id {correlation_id!r}; name one by taskId")
    if found:
        return found[0]
    token = read_token(correlation_id)
    named = task_of(correlation_id) if token is None else token.task_id  # the id that a task has which was given none
    if named is None or not await know(engine, [named]):
        return None
    await _refuse_former(engine, named, correlation_id)
    return await _waiting(engine, named, str(named))


async def _refuse_former(engine: Engine, task_id: int | None, correlation_id: str) -> None:
    """Raises Conflict where that is a token of the task from before it was begun anew."""
    token = read_token(correlation_id)
    if token is not None and token.task_id == task_id and token_of(*token) != await token_now(engine, task_id):
        raise Conflict("this answers what was asked before the task was requeued, and is not awaited any more")


async def _waiting(engine: Engine, task_id: int | None, name: str) -> int | None:
    if task_id is None:
        raise NotFound(f"there is no task {name!r}")
    known = await know_one(engine, task_id)
    state = state_of(known.facts.place, known.facts.last)
    if state in FINAL:
        raise IllegalTransition(f"task {task_id} is {state}; it waits for no answer any more")
    place = known.facts.place
    return task_id if place is not None and place.kind is PlaceKind.WAITING else None


async def _settle(engine: Engine, known: Known, answer: Answer) -> Settlement:
    place, body, definition = known.facts.place, known.facts.body, known.kind.definition
    if place is None:
        raise TaskyardError("a waiting task has a place")
    lane_id = await engine.catalog.lane_id(lane_of(definition, body.priority, known.policy.target))
    waiting = _Waiting(body.id, place.attempt + 1, lane_id, place.failures, place.losses)
    result = await _result(engine, known, answer)
    decision = decide(waiting, known.policy, result)
    value = fallback_value(known.kind) if decision.outcome is Outcome.FAILED else None
    if value is not None:
        return fallback(0, waiting, decision, value, 0)._replace(run_ms=None)
    return await settlement(engine, known.kind, 0, waiting, result, decision)


async def _result(engine: Engine, known: Known, answer: Answer) -> Completed | Failed:
    """The answer as a result; an output that does not fit its schema is a failure."""
    if answer.error is not None:
        return Failed(answer.error)
    validator = (await engine.catalog.versions([known.kind.id]))[known.kind.id].output
    try:
        if validator is not None:
            validator.check(answer.output, "/output")
        return Completed(dumps(answer.output))
    except ValidationFailed as error:
        unfit = TaskError("OUTPUT_VALIDATION_ERROR", f"the output does not fit: {error.message}", error.details)
        return Failed(unfit)
