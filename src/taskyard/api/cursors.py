"""Cursors: where the next page begins, signed so that a client can only bring back what it was given."""

from __future__ import annotations

import msgspec

from taskyard.domain.json import detail, refusal
from taskyard.security import encoding

_MAC_BYTES = 12

Position = int | str


class Cursors:
    """Makes and reads cursors; `key` is 32 secret bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, of: str, position: Position | None) -> str | None:
        """The cursor for a position in the list `of`; None where there is no next page."""
        if position is None:
            return None
        body = msgspec.json.encode(position)
        return encoding.encode(self._mac(of, body) + body)

    def read(self, of: str, cursor: str | None) -> Position | None:
        """The position in the list `of`. Raises ValidationFailed for a cursor that was not made for it."""
        if cursor is None:
            return None
        try:
            data = encoding.decode(cursor)
        except ValueError:
            data = b""
        given, body = data[:_MAC_BYTES], data[_MAC_BYTES:]
        if not encoding.same(given, self._mac(of, body)):
            raise refusal([detail("/cursor", "is not a cursor of this list; begin without one", "cursor")])
        return msgspec.json.decode(body, type=Position)

    def _mac(self, of: str, body: bytes) -> bytes:
        return encoding.mac(self._key, of.encode() + b"\0" + body, _MAC_BYTES)
