"""Dead letters of events, those that came and those that were to go: look at them, replay them, give them up."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_page
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.contracts.bus import Direction, Letter, LetterFilter, LetterStatus
from taskyard.domain.ids import parse_id
from taskyard.domain.json import detail, loads, refusal
from taskyard.domain.task import Time, iso
from taskyard.engine.letters import discard_letters, replay
from taskyard.errors import TaskyardError

routes = Routes("Dead letters of events")

_DEAD = frozenset({LetterStatus.DEAD})
_LONGEST = 4096


class LetterQuery(schemas.PageQuery):
    """A page of one direction's dead letters, or of one routing key's or topic's."""

    direction: Literal["in", "out"] | None = None
    key: schemas.Name | None = None


class Which(schemas.Strict):
    """Dead letters by what they are."""

    direction: Literal["in", "out"] | None = None
    key: schemas.Name | None = None


class LetterSelection(schemas.Strict):
    """Which dead letters are meant: by their ids, or by a filter."""

    letter_ids: Annotated[list[schemas.TaskId], Meta(max_length=1000)] | None = None
    filter: Which | None = None


class LetterAnswer(schemas.Answer):
    """An event that was refused; `event` is its JSON, or the text of what is none."""

    letter_id: str
    direction: Literal["in", "out"]
    event_id: str
    key: str
    at: Time
    reason: str
    tries: int
    event: Any


class LetterPage(schemas.Answer):
    """Some dead letters, newest first."""

    items: list[LetterAnswer]
    next_cursor: str | None


class LetterIds(schemas.Answer):
    """The dead letters that it was done with."""

    letter_ids: list[str]


LETTER_QUERY = Shape[LetterQuery](LetterQuery)
LETTERS = Shape[LetterSelection](LetterSelection)


@routes.add("GET /api/v1/events/deadletters", query=LETTER_QUERY, answers={200: LetterPage})
async def list_event_letters(call: Call) -> Response:
    """Events that could not be taken, and those that the broker refused; newest first."""
    query, cursors = call.query(LETTER_QUERY), call.services.cursors
    after = cursors.read_number("event letters", query.cursor)
    found = await call.engine.store.letters(_wanted(query.direction, query.key), query.limit, after)
    more = len(found) == query.limit
    return answer_page(
        [_json(letter) for letter in found], cursors.make("event letters", found[-1].id if more else None)
    )


@routes.add("POST /api/v1/events/deadletters/replay", body=LETTERS, answers={200: LetterIds})
async def replay_event_letters(call: Call) -> Response:
    """Take or send them again soon, with the rights they came with; what fails again comes back here."""
    ids = await replay(call.engine, await _selected(call))
    call.audit("events replayed", count=len(ids))
    return answer({"letterIds": [str(id_) for id_ in ids]})


@routes.add("POST /api/v1/events/deadletters/discard", body=LETTERS, answers={200: LetterIds})
async def discard_event_letters(call: Call) -> Response:
    """Give them up for good."""
    ids = await discard_letters(call.engine, await _selected(call))
    call.audit("events discarded", ids=[str(id_) for id_ in ids])
    return answer({"letterIds": [str(id_) for id_ in ids]})


async def _selected(call: Call) -> LetterFilter:
    body = await call.body(LETTERS)
    if (body.letter_ids is None) == (body.filter is None):
        raise refusal([detail("/letterIds", "is needed, or filter; not both", "oneOf")])
    if body.filter is not None:
        return _wanted(body.filter.direction, body.filter.key)
    ids = tuple(number for text in body.letter_ids or () if (number := parse_id(text)) is not None)
    return LetterFilter(_DEAD, ids=ids)


def _wanted(direction: str | None, key: str | None) -> LetterFilter:
    return LetterFilter(_DEAD, None if direction is None else Direction(direction), key)


def _json(letter: Letter) -> dict[str, Any]:
    return {
        "letterId": str(letter.id), "direction": letter.direction, "eventId": letter.event_id, "key": letter.key,
        "at": iso(letter.at), "reason": letter.reason, "tries": letter.tries, "event": _event(letter.body),
    }  # fmt: skip


def _event(body: bytes) -> Any:
    try:
        return loads(body)
    except TaskyardError:
        return body[:_LONGEST].decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
