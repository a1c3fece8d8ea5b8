"""API tokens: random credentials, of which only a hash is kept."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import NamedTuple

from taskyard.security import encoding

API_TOKEN_PREFIX = "ty_"  # noqa: S105 - the visible part, so that scanners and people know what they found
_API_TOKEN = re.compile(rf"{API_TOKEN_PREFIX}[A-Za-z0-9_-]{{43}}", re.ASCII)


class ApiToken(NamedTuple):
    """A new API token: what its owner is shown once, and the hash that is kept."""

    shown: str
    hashed: str


def new_api_token() -> ApiToken:
    """Make an API token of 256 random bits."""
    shown = API_TOKEN_PREFIX + encoding.encode(secrets.token_bytes(32))
    return ApiToken(shown, hash_api_token(shown))


def is_api_token(text: str) -> bool:
    """Whether `text` has the shape of an API token; everything else is taken for a signed token."""
    return _API_TOKEN.fullmatch(text) is not None


def hash_api_token(shown: str) -> str:
    """Return the SHA-256 in hex by which a token is found; without a salt, because the token is random."""
    return hashlib.sha256(shown.encode("utf-8", "surrogatepass")).hexdigest()
