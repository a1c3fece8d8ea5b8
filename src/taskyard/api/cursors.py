"""Cursors: where the next page begins, signed so that a client can only bring back what it was given."""

from __future__ import annotations

import msgspec

from taskyard.domain.json import detail, refusal
from taskyard.security import encoding

_MAC_BYTES = 12


class Cursors:
    """Makes and reads cursors; `key` is 32 secret bytes. Positions are ids, names or places of a feed."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, of: str, position: int | str | None) -> str | None:
        """The cursor for a position in the list `of`; None where there is no next page."""
        if position is None:
            return None
        body = msgspec.json.encode(position)
        return encoding.encode(self._mac(of, body) + body)

    def read_number(self, of: str, cursor: str | None) -> int | None:
        """The numeric position in the list `of`. Raises ValidationFailed for a cursor that was not made for it."""
        return None if cursor is None else msgspec.json.decode(self._open(of, cursor), type=int)

    def read_name(self, of: str, cursor: str | None) -> str | None:
        """The same for a position that is a name."""
        return None if cursor is None else msgspec.json.decode(self._open(of, cursor), type=str)

    def _open(self, of: str, cursor: str) -> bytes:
        try:
            data = encoding.decode(cursor)
        except ValueError:
            data = b""
        given, body = data[:_MAC_BYTES], data[_MAC_BYTES:]
        if not encoding.same(given, self._mac(of, body)):
            raise refusal([detail("/cursor", "is not a cursor of this list; begin without one", "cursor")])
        return body

    def _mac(self, of: str, body: bytes) -> bytes:
        return encoding.mac(self._key, of.encode() + b"\0" + body, _MAC_BYTES)
