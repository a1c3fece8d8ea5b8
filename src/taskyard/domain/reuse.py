"""When two requests are the same: hashes and keys."""

from __future__ import annotations

from typing import Any

from taskyard.domain.json import canonical, digest


def request_hash(definition: str, input_: Any, subject: Any) -> bytes:
    """SHA-256 of (definition, canonical input, who asks): `subject` is the request's client or else its caller."""
    return digest(definition.encode(), canonical(input_), canonical(subject))


def reuse_key(cause_type: str | None, cause: str | None, hash_: bytes, finder: str = "") -> bytes:
    """Under this key one task may stand while it is young enough to be reused; by the `finder` alone, if named."""
    return digest(b"reuse", (cause_type or "").encode(), (cause or "").encode(), hash_, finder.encode())


def idempotency_key(caller: str, definition: str, key: str) -> bytes:
    """Under this key a caller's repeated request finds the first one's task."""
    return digest(b"idempotency", caller.encode(), definition.encode(), key.encode())
