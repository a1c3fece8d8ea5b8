"""Sealing history: the digest of one fact, and the chain in which each entry is sealed with the one before.

The chain is keyed (HMAC-SHA256): who can write to the database but does not have the key can break it, but not mend it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from taskyard.domain import sequence
from taskyard.domain.facts import FORMER_INPUT, AttemptFact, Body, Note
from taskyard.domain.json import MAX_DEPTH, canonical, digest
from taskyard.domain.lifecycle import EventType
from taskyard.domain.people.document import askers_of, read_extra

BEGINNING: Final = bytes(32)
"""What stands before the first entry."""

_DEPTH: Final = MAX_DEPTH + 8


class Known(NamedTuple):
    """What is known of one event: its task with the content hash of its definition, its attempt, its note, and in a
    list its first input, where that was replaced later (None: it was not).
    """

    body: Body
    kind: bytes
    attempt: AttemptFact | None
    note: Note | None
    first_input: list[Any] | None = None


def fact_digest(type_: EventType, number: int, known: Known) -> bytes | None:
    """The digest of the fact behind an event; None where that is not there."""
    content = _content(type_, number, known)
    return (
        None if content is None else digest(canonical([known.body.id, number, int(type_), content], max_depth=_DEPTH))
    )


def struck_out(number: int, known: Known) -> str | None:
    """Who replaced the task's input with the fact behind an event, if they are behind the task no more; else None."""
    told = _change(number, known)
    by = told.get("by")
    return by if FORMER_INPUT in told and by not in askers_of(read_extra(known.body.extra)) else None


def _change(number: int, known: Known) -> Mapping[str, Any]:
    """What is told of who has changed something with the fact behind an event."""
    if not _is_end(number):
        return {} if known.note is None else known.note.body
    detail = None if known.attempt is None else known.attempt.detail
    return msgspec.json.decode(detail) if detail else {}


def link(key: bytes, before: bytes, number: int, pos: int, entry: tuple[int, int, int, int], fact: bytes) -> bytes:
    """The seal of an entry (task, sequence, type, at) that stands for a fact, behind the seal before it."""
    head = b"".join(part.to_bytes(8, "big") for part in (number, pos, *entry))
    return hmac.digest(key, before + head + fact, "sha256")


def _content(type_: EventType, number: int, known: Known) -> Any:
    if type_ is EventType.CREATED:
        return _created(known)
    if type_ is EventType.STARTED:  # who and when is sealed with the attempt's end
        return []
    if _is_end(number):
        return None if known.attempt is None else _attempt(known.attempt)
    return None if known.note is None else [known.note.at, int(known.note.type), _plain(known.note.body)]


def _is_end(number: int) -> bool:
    """Whether an event with this number tells how an attempt has ended."""
    return number - sequence.queued(sequence.attempt_of(number)) >= sequence.step_of(sequence.settled(0))


def _created(known: Known) -> list[Any]:
    body = known.body
    given = msgspec.json.decode(body.input) if known.first_input is None else known.first_input[0]
    extra = {} if body.extra is None else msgspec.json.decode(body.extra)
    extra.pop("correctors", None)  # came later, with notes that are sealed themselves
    return [
        known.kind.hex(), body.priority, body.workflow_id, body.correlation_id, body.cause_type, body.cause,
        body.parent_id, extra or None, given,
    ]  # fmt: skip


def _attempt(fact: AttemptFact) -> list[Any]:
    return [
        int(fact.outcome), fact.worker, fact.started_at, fact.finished_at, fact.run_ms,
        digest(fact.result or b"").hex(), digest(fact.detail or b"").hex(),
    ]  # fmt: skip


def _plain(body: Mapping[str, Any]) -> Any:
    return msgspec.json.decode(msgspec.json.encode(body))
