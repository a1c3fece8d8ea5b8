"""Telling people: a message, and the channels that carry it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from taskyard.domain.people.assignment import Person
from taskyard.domain.people.notice import Words


class Message(NamedTuple):
    """What one person is told; `notices` as JSON. `id` is the same in each attempt, by which repetitions are known."""

    id: str
    to: Person
    kind: str
    words: Words
    link: str
    notices: list[dict[str, Any]]


class Carrier(Protocol):
    """One channel."""

    async def send(self, message: Message, address: str) -> None:
        """Hand the message over. Raises TaskyardError saying why it was not taken."""
