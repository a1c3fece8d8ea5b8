"""Passwords: only a slow hash of each is kept (Argon2id, RFC 9106, with the parameters that OWASP recommends)."""

from __future__ import annotations

import os
import unicodedata
from functools import cache
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

SHORTEST: Final = 12
LONGEST: Final = 1024
"""In characters."""

_PASSES, _LANES, _KIBIBYTES = 2, 1, 19 * 1024
_SALT, _HASH = 16, 32


def hash_password(password: str) -> str:
    """The hash to keep, with its salt and parameters (a PHC string). Takes some 50 ms of a processor, and 19 MiB."""
    kdf = Argon2id(salt=os.urandom(_SALT), length=_HASH, iterations=_PASSES, lanes=_LANES, memory_cost=_KIBIBYTES)
    return kdf.derive_phc_encoded(_bytes(password))


def matches(password: str, hashed: str | None) -> bool:
    """Whether it is the password with this hash. Takes as long where there is none."""
    try:
        Argon2id.verify_phc_encoded(_bytes(password), _nobodys() if hashed is None else hashed)
    except InvalidKey:
        return False
    return hashed is not None


@cache
def _nobodys() -> str:
    """The hash of a password that nobody knows."""
    return hash_password(os.urandom(_HASH).hex())


def _bytes(password: str) -> bytes:
    """The same for all ways to type the same characters (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
