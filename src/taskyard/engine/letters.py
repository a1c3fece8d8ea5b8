"""Letters: events that are kept until something or somebody decides about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskyard.contracts.bus import Direction, Letter, LetterFilter, LetterStatus
from taskyard.domain.incoming import Incoming
from taskyard.domain.json import dumps
from taskyard.engine.engine import Engine
from taskyard.security.caller import Caller

_AT_ONCE = 200


async def keep_event(engine: Engine, event: Incoming, caller: Caller, status: LetterStatus, reason: str) -> None:
    """Keep an event from outside, to be taken later with the same rights."""
    body = {
        "key": event.key, "payload": event.payload, "id": event.id, "source": event.source,
        "description": event.description, "timestamp": event.timestamp, "metadata": event.metadata,
    }  # fmt: skip
    await keep_message(engine, event_name(event.source, event.id), event.key, dumps(body), {}, caller, status, reason)


async def keep_message(
    engine: Engine,
    name: str,
    key: str,
    body: bytes,
    facts: dict[str, Any],
    caller: Caller,
    status: LetterStatus,
    reason: str,
    tries: int = 0,
) -> None:
    """Keep a message as it came, under a name that is its own."""
    facts = {**facts, "caller": {"subject": caller.subject, "scopes": sorted(caller.scopes)}}
    at, id_ = await engine.store.now(), engine.store.new_ids(1)[0]
    letter = Letter(id_, Direction.IN, name, status, at, key, reason[:2000], tries, body, facts)
    await engine.store.keep_letters([letter])


def event_name(source: str, id_: str) -> str:
    """What a letter's event is called: its id, which is unique for its source only."""
    return f"{source} {id_}" if source else id_


def caller_of(letter: Letter) -> Caller:
    """With whose rights the event came."""
    known = letter.facts.get("caller", {})
    return Caller(str(known.get("subject", "")), frozenset(known.get("scopes", ())))


async def all_letters(engine: Engine, status: LetterStatus, direction: Direction) -> list[Letter]:
    """The letters with a status, oldest first; no more than may be taken in hand at once."""
    return await engine.store.letters(LetterFilter(frozenset({status}), direction), _AT_ONCE, None, oldest_first=True)


async def replay(engine: Engine, wanted: LetterFilter) -> list[int]:
    """Have dead letters tried again; which they are."""
    ids = await _dead(engine, wanted)
    return await engine.store.mark_letters(ids, LetterStatus.DEAD, LetterStatus.REPLAY)


async def discard_letters(engine: Engine, wanted: LetterFilter) -> list[int]:
    """Give dead letters up for good; which they were."""
    return await engine.store.drop_letters(await _dead(engine, wanted))


async def bury(engine: Engine, letters: Sequence[Letter], reason: str) -> None:
    """Let somebody decide about these."""
    dead = [one._replace(status=LetterStatus.DEAD, reason=reason[:2000], tries=one.tries + 1) for one in letters]
    await engine.store.keep_letters(dead)


async def _dead(engine: Engine, wanted: LetterFilter) -> list[int]:
    dead = wanted._replace(statuses=frozenset({LetterStatus.DEAD}))
    ids: list[int] = []
    while page := await engine.store.letters(dead, _AT_ONCE, ids[-1] if ids else None):
        ids += [letter.id for letter in page]
    return ids
