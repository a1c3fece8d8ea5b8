"""The token that an HTTP worker holds for the attempt it leased, of no use to any other caller."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NoReturn

from taskyard.errors import StaleLease
from taskyard.security import encoding

_BODY = struct.Struct(">QQI")
_MAC_BYTES = 16
_TOKEN_CHARACTERS = (_BODY.size + _MAC_BYTES) * 4 // 3


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to execute one attempt: the store's claim, its task and the attempt's number."""

    claim_id: int
    task_id: int
    attempt: int


class LeaseSigner:
    """Signs leases to the caller who took them and reads them back; `key` is 32 secret bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, claim_id: int, task_id: int, attempt: int, owner: str) -> str:
        """Return the token, 48 URL-safe characters, that `owner` (the caller's subject) has to bring back."""
        body = _BODY.pack(claim_id, task_id, attempt)
        return encoding.encode(body + self._mac(body, owner))

    def read(self, token: str, owner: str) -> Lease:
        """Return the lease; raise StaleLease for a token that was not signed by us for `owner`."""
        if len(token) != _TOKEN_CHARACTERS:
            _refuse()
        try:
            data = encoding.decode(token)
        except ValueError:
            _refuse()
        body, given = data[: _BODY.size], data[_BODY.size :]
        if not encoding.same(given, self._mac(body, owner)):
            _refuse()
        return Lease(*_BODY.unpack(body))

    def _mac(self, body: bytes, owner: str) -> bytes:
        return encoding.mac(self._key, body + owner.encode(), _MAC_BYTES)


def _refuse() -> NoReturn:
    raise StaleLease("The lease token is not one of yours; dequeue the task again.") from None
