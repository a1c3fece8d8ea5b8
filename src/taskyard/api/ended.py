"""Sessions that were logged out before their time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from taskyard.contracts.vault import Vault

_BELIEVED = 2.0
_MOST_REMEMBERED = 10_000


class EndedSessions:
    """Knows them on all servers together. That a session goes on is believed for two seconds, that it has ended for
    good. `now` gives unix seconds.
    """

    def __init__(self, vault: Vault, now: Callable[[], float]) -> None:
        self._vault = vault
        self._now = now
        self._until: dict[bytes, float] = {}

    async def end(self, cookie: str, subject: str, until: int) -> None:
        """End a session for good; `until` (microseconds, the store's) it would have gone on at most."""
        key = _key(cookie)
        self._until.pop(key, None)
        await self._vault.save_token(key, {"subject": subject, "ended": True}, until)

    async def has_ended(self, cookie: str) -> bool:
        """Whether it was logged out, here or at another server."""
        key, now = _key(cookie), self._now()
        if now < self._until.get(key, 0.0):
            return False
        if await self._vault.token(key) is not None:
            return True
        if len(self._until) >= _MOST_REMEMBERED:
            self._until.clear()
        self._until[key] = now + _BELIEVED
        return False


def _key(cookie: str) -> bytes:
    """A cookie has one spelling, so this tells it from all others, and no token of ours has the same."""
    return hashlib.sha256(b"session:" + cookie.encode()).digest()
