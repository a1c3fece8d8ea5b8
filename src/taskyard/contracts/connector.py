"""A connector: how events leave to a broker and come from it. One conformance suite, several implementations.

A connector knows nothing of tasks or stores. It hands over what it is given and says what became of each message; it
hands in what came, and lets go of it only when it is told to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol


class Away(Exception):
    """The broker cannot be reached, or cannot do its work now; its text says why."""


class Message(NamedTuple):
    """An event on its way out. Those with the same `key` have to arrive in their order; `id` is the event's."""

    key: str
    id: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Refusal(NamedTuple):
    """A message that was not taken, and why. `sick`: the other side failed, rather than the message."""

    reason: str
    sick: bool = False


class Received(NamedTuple):
    """A message that came. `id` is the broker's, the same however often it comes; those of one `lane` go in order.

    `topic`: what it came by, where that names its event, else empty. `receipt` is the connector's own.
    """

    id: str
    lane: str
    topic: str
    body: bytes
    headers: dict[str, str]
    receipt: Any


class Connector(Protocol):
    """The contract. `sends` and `receives`: which way it goes; the verbs of the other way are not called then.

    Every verb may be called before the broker can be reached, and again after it was away.
    """

    name: str
    sends: bool
    receives: bool

    async def publish(self, messages: Sequence[Message]) -> list[Refusal | None]:
        """Hand over messages of different keys; None for each that the broker acknowledged, else why not.

        Raises Away when it cannot be told which were: then all are handed over again.
        """

    async def receive(self) -> list[Received]:
        """What came, waited for a while; none where there was none. Raises Away.

        When it is canceled, what comes all the same is not kept from others.
        """

    async def extend(self, received: Sequence[Received]) -> None:
        """These are still being worked on: nobody else shall get them. Raises Away."""

    async def acknowledge(self, received: Sequence[Received]) -> None:
        """These are done. Raises Away: then they come again."""

    async def release(self, received: Sequence[Received]) -> None:
        """These were not begun, or did not end: they shall come again soon."""

    async def check(self) -> str:
        """Reach the broker and look at what is needed there; what was found, in one line. Raises Away."""

    async def close(self) -> None:
        """Let go of everything."""
