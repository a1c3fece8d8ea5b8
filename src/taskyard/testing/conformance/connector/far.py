"""The far side: what an implementer gives the suite to see with its own eyes what arrives at the broker."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from taskyard.contracts.connector import Connector


class Arrived(NamedTuple):
    """A message as others find it at the broker."""

    body: bytes
    headers: dict[str, str]


class FarSide(Protocol):
    """A broker of the test's own, with empty topics or queues, that others than the connector use too.

    `ordered`: whether it keeps the order of messages with one key. `too_large`: a size in bytes that it refuses.
    """

    ordered: bool
    too_large: int

    def connect(self) -> Connector:
        """A connector that sends to one place of the broker and receives from another."""

    async def arrived(self, count: int) -> list[Arrived]:
        """What has arrived since the last time; waits until it is so many, or fails."""

    async def put(self, bodies: list[bytes], lane: str) -> None:
        """Put messages where the connector receives from, one after the other in one lane."""

    def away(self) -> AbstractAsyncContextManager[None]:
        """Nobody can reach the broker meanwhile; it may forget everything but its topics or queues."""
