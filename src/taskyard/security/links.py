"""Links in messages: each signs one person in, once, for a while, and leads to one task. Opening one does nothing."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import msgspec

from taskyard.security import encoding

_MAC_BYTES = 32


class Link(NamedTuple):
    """Whom a link signs in, and the task it leads to. `key` tells it apart from all others."""

    subject: str
    task_id: str | None
    key: bytes


class _Body(msgspec.Struct, frozen=True, array_like=True):
    subject: str
    task_id: str | None
    expires: float


class LinkSigner:
    """Makes and reads such links; `key` is 32 secret bytes. That one is used once is for the store to keep."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, subject: str, task_id: str | None, expires: float) -> str:
        """A token that holds until `expires` (unix seconds)."""
        body = msgspec.json.encode(_Body(subject, task_id, expires))
        return encoding.encode(encoding.mac(self._key, body, _MAC_BYTES) + body)

    def read(self, token: str, now: float) -> Link | None:
        """What the token stands for; None where it is not ours, or too old."""
        try:
            data = encoding.decode(token)
            given, body = data[:_MAC_BYTES], data[_MAC_BYTES:]
            if not encoding.same(given, encoding.mac(self._key, body, _MAC_BYTES)):
                return None
            read = msgspec.json.decode(body, type=_Body)
        except (ValueError, msgspec.MsgspecError):
            return None
        return Link(read.subject, read.task_id, hashlib.sha256(data).digest()) if now < read.expires else None
