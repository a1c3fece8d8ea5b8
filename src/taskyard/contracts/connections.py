"""Connections in the store: external systems by name, and how the breaker of each stands on all machines together.

Times are microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from taskyard.domain.connection import Connection
from taskyard.domain.gate import CallGate, RateGate


class ConnectionRow(NamedTuple):
    """A connection as it is stored; `secrets` are sealed. `revision` is the moment of its last change, and grows."""

    connection: Connection
    secrets: bytes
    created_at: int
    revision: int

    @property
    def id(self) -> str:
        """The connection's id."""
        return self.connection.connection_id


class BreakerRow(NamedTuple):
    """A breaker's state as JSON; `version` grows by one with each change, 0 is that of one which is not stored yet."""

    version: int
    state: bytes


class KeptRow(NamedTuple):
    """What the links of a connection keep for each other, sealed; `version` as that of a breaker."""

    version: int
    content: bytes


class Begun(NamedTuple):
    """A call that is no task's: its id where it may be made, else None, the gate that is shut (None where too many
    others are at it) and when to ask again.
    """

    call_id: int | None
    shut: RateGate | CallGate | None = None
    opens_at: int = 0


class AtWork(NamedTuple):
    """What goes over a connection now: the first of the tasks, how many they are, and how many calls are no task's."""

    task_ids: list[int]
    tasks: int
    calls: int


class Mark(NamedTuple):
    """What tells whether a connection has changed, and how its breaker stands; None where it was never told of it."""

    id: str
    revision: int
    breaker: BreakerRow | None


class Connections(Protocol):
    """Connections and their breakers."""

    async def save_connection(self, row: ConnectionRow, before: int | None) -> bool:
        """Keep a connection, in place of its revision `before`, None for a new one; False where that is not what is
        there.
        """

    async def connections(self, limit: int, after: str) -> list[ConnectionRow]:
        """The connections whose ids come after (above) this one, by id."""

    async def connections_by_id(self, ids: Sequence[str]) -> list[ConnectionRow]:
        """These connections, in any order, unknown ones left out."""

    async def connection_marks(self) -> list[Mark]:
        """Of every connection, by id."""

    async def remove_connection(self, connection_id: str) -> bool:
        """Forget a connection with its breaker, what its links keep and its calls; False where there is none."""

    async def begin_call(self, gates: Sequence[RateGate | CallGate], lasts_us: int) -> Begun:
        """Begin a call that is no task's where each of these gates lets one more through; else nothing is taken.

        A call gate counts it until `end_call`, or until it has lasted so long.
        """

    async def end_call(self, call_id: int) -> None:
        """The call is over, or has been for long."""

    async def at_work(self, gate: CallGate, most: int) -> AtWork:
        """What a call gate counts now, with up to so many of the tasks."""

    async def kept(self, connection_id: str) -> KeptRow | None:
        """What its links keep for each other on all machines; None where that is nothing."""

    async def keep(self, connection_id: str, row: KeptRow) -> bool:
        """Keep that in place of the version that `row` names; False where that is not what is there, and where there is
        no such connection.
        """

    async def breaker(self, name: str) -> BreakerRow | None:
        """How a connection's breaker stands; None where it was never told anything."""

    async def save_breaker(self, name: str, row: BreakerRow) -> bool:
        """Keep a breaker's state in place of the version that `row` names; False where that is not what is there."""
