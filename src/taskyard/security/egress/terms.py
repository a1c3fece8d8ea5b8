"""The terms of a call that leaves: what it may take and carry, and what comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import httpx

Headers = Mapping[str, str] | list[tuple[str, str]]
Content = bytes | AsyncIterator[bytes] | None


class Limits(NamedTuple):
    """What one call may take: seconds to connect, between two pieces, and in all; bytes of the unpacked answer."""

    connect: float = 10.0
    read: float = 30.0
    total: float = 60.0
    max_bytes: int = 1 << 20


class Answer(NamedTuple):
    """An answer whose body is still to be read: iterate over `pieces`, which obey the limits."""

    response: httpx.Response
    pieces: AsyncIterator[bytes]
