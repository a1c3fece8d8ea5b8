"""A browser's session: a signed cookie, and the one-use link that a first start prints to log in with.

Times are unix seconds, spans are seconds.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import NamedTuple

import msgspec

from taskyard.errors import ConfigurationError, PayloadTooLarge
from taskyard.security import encoding
from taskyard.security.box import SecretBox
from taskyard.security.caller import SCOPES, Caller

LINK_LIFETIME = 600.0
MAX_COOKIE_CHARACTERS = 3800
"""Browsers drop a cookie whose name, value and attributes exceed 4096 bytes."""

_MAC_BYTES = 32
_PLACE = "session/token"


class Session(NamedTuple):
    """Whom a cookie stands for.

    `token_hash` is that of the API token it was made from and ends with, else empty. `token` is one that somebody else
    has to be asked about again and again, else empty; who it stands for now is theirs to say, and not the cookie's.
    `password` is the mark of the password that was given, else empty: what it allows now is the store's to say.
    """

    caller: Caller
    token_hash: str = ""
    token: str = ""
    password: str = ""


class _Cookie(msgspec.Struct, frozen=True, array_like=True):
    subject: str
    scopes: list[str]
    groups: list[str]
    expires: float
    token_hash: str = ""
    token: bytes = b""
    password: str = ""


class SessionSigner:
    """Makes and reads session cookies; `key` is 32 secret bytes.

    Nothing is stored of a session while it lasts: it ends by its time, together with all others by a new key, or where
    its reader finds that it was logged out, or that what it was made from is gone.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._box = SecretBox(encoding.mac(key, _PLACE.encode(), 32))

    def issue(self, session: Session, ttl: float, now: float) -> str:
        """Return a cookie value that stands for the session for `ttl` seconds.

        Raises PayloadTooLarge when the caller has more groups, or a longer token, than a cookie holds.
        """
        caller, token_hash, token, password = session
        sealed = self._box.seal(token.encode(), _PLACE) if token else b""
        scopes, groups = ([], []) if token else (sorted(caller.scopes), sorted(caller.groups))
        kept = _Cookie(caller.subject, scopes, groups, now + ttl, token_hash, sealed, password)
        body = msgspec.msgpack.encode(kept)
        cookie = encoding.encode(encoding.mac(self._key, body, _MAC_BYTES) + body)
        if len(cookie) > MAX_COOKIE_CHARACTERS:
            what = "token does" if token else "groups do"
            raise PayloadTooLarge(f"The caller's {what} not fit into a session cookie; use a bearer token.")
        return cookie

    def read(self, cookie: str, now: float) -> Session | None:
        """Return the session that the cookie stands for, or None when it is not ours or has run out."""
        body = self._open(cookie)
        if body is None:
            return None
        try:
            kept = msgspec.msgpack.decode(body, type=_Cookie)
            token = self._box.open(kept.token, _PLACE).decode() if kept.token else ""
        except (msgspec.MsgspecError, ConfigurationError):
            return None
        if now >= kept.expires:
            return None
        caller = Caller(kept.subject, SCOPES.intersection(kept.scopes), frozenset(kept.groups))
        return Session(caller, kept.token_hash, token, kept.password)

    def _open(self, cookie: str) -> bytes | None:
        try:
            data = encoding.decode(cookie)
        except ValueError:
            return None
        given, body = data[:_MAC_BYTES], data[_MAC_BYTES:]
        return body if encoding.same(given, encoding.mac(self._key, body, _MAC_BYTES)) else None


class LoginLinks:
    """One-use login tokens, kept in the memory of the process that prints them."""

    def __init__(self) -> None:
        self._open: dict[bytes, tuple[Caller, float]] = {}

    def create(self, caller: Caller, now: float) -> str:
        """Return a token that logs `caller` in once, within ten minutes."""
        self._open = {digest: link for digest, link in self._open.items() if now < link[1]}
        token = secrets.token_urlsafe(32)
        self._open[_digest(token)] = (caller, now + LINK_LIFETIME)
        return token

    def redeem(self, token: str, now: float) -> Caller | None:
        """Use the token up; None when it is unknown, used or too old."""
        caller, expires = self._open.pop(_digest(token), (None, 0.0))
        return caller if now < expires else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
