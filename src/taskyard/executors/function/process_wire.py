"""What a worker and its handlers' processes say to each other: pickled messages, each after its length."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from taskyard.contracts.records import Claimed
from taskyard.domain.outcome import Done, Failed, Released
from taskyard.executors.function.process_name import Name

CHUNK = 65_536
"""How many bytes either end reads at once."""

KILL_GRACE = 1.0
"""Seconds between the last request to end and the end by force."""

_LENGTH = struct.Struct("!Q")


Verb = Literal["run", "trigger", "trigger_service", "emit"]
"""What a handler can ask its context for."""


class Begin(NamedTuple):
    """Run this function; `arguments` are pickled, as they may need what comes with its module."""

    number: int
    name: Name
    claimed: Claimed
    arguments: bytes


class Stop(NamedTuple):
    """The run of this number should stop."""

    number: int
    reason: str


class Answered(NamedTuple):
    """What came of a call: a value, or the error that it raised."""

    number: int
    call: int
    value: Any
    error: Exception | None


class Said(NamedTuple):
    """The handler logged a line."""

    number: int
    level: str
    text: str


class Advanced(NamedTuple):
    """The handler said how far it is."""

    number: int
    current: float
    total: float | None
    action: str | None


class Called(NamedTuple):
    """The handler has called a verb of its context; after the `names` comes `data`, which is JSON."""

    number: int
    call: int
    verb: Verb
    names: tuple[str, ...]
    data: bytes


class Ended(NamedTuple):
    """The handler has let go."""

    number: int
    report: Done | Failed | Released


Order = Begin | Stop | Answered
"""What the parent says."""

News = Said | Advanced | Called | Ended
"""What the child says."""


def encode(message: Order | News) -> bytes:
    """One message as it goes over the wire."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


class Inbox:
    """Puts together messages from the pieces that arrive."""

    def __init__(self) -> None:
        self._pieces = bytearray()

    def feed(self, data: bytes) -> Iterator[Order | News]:
        """Take a piece; gives the messages that are complete with it."""
        self._pieces += data
        start, available = 0, len(self._pieces)
        while available - start >= _LENGTH.size:
            end = start + _LENGTH.size + _LENGTH.unpack_from(self._pieces, start)[0]
            if end > available:
                break
            with memoryview(self._pieces) as pieces:
                message: Order | News = pickle.loads(pieces[start + _LENGTH.size : end])  # noqa: S301 - our own process
            start = end
            yield message
        del self._pieces[:start]
