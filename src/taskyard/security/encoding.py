"""Unpadded URL-safe base64 with exactly one spelling per value, and MACs over what it carries."""

from __future__ import annotations

import base64
import hmac


def encode(data: bytes) -> str:
    """Spell `data` in unpadded URL-safe base64."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Read what `encode` wrote; any other spelling of the same bytes is a ValueError."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode(data) != text:
        raise ValueError("not the one spelling of unpadded URL-safe base64")
    return data


def mac(key: bytes, message: bytes, size: int) -> bytes:
    """HMAC-SHA256 of `message`, cut to `size` bytes (at most 32)."""
    return hmac.digest(key, message, "sha256")[:size]


def same(left: bytes, right: bytes) -> bool:
    """Compare two secrets of equal length in a time that does not depend on where they differ."""
    return hmac.compare_digest(left, right)
