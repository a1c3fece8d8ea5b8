"""How the texts of settings are read that are secret, or name what is. Each raises ValueError where that fails."""

from __future__ import annotations

import base64
import os


def webhook_secret(text: str) -> str:
    """A secret of Standard Webhooks: 24 to 64 bytes in base64 behind `whsec_`."""
    try:
        size = len(base64.b64decode(text.removeprefix("whsec_"), validate=True))
    except ValueError:
        size = 0
    if not text.startswith("whsec_") or not 24 <= size <= 64:
        raise ValueError("must be whsec_ and base64 of 24 to 64 bytes; make one with `openssl rand -base64 32`")
    return text


def jwt_secret(text: str) -> str:
    """A key of HS256."""
    if len(text.encode()) < 32:
        raise ValueError("must have at least 32 bytes; make one with `openssl rand -hex 32`")
    return text


def secret_key(text: str) -> bytes:
    """32 bytes, as 64 hex digits or base64."""
    try:
        key = bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ValueError("must be 64 hex digits or base64 of 32 bytes; make one with `openssl rand -hex 32`")
    return key


def secret_keys(text: str) -> tuple[bytes, ...]:
    """Several such keys, separated by commas."""
    return tuple(map(secret_key, _names(text)))


def variables(text: str) -> dict[str, str]:
    """The variables of these names, as far as they are set."""
    return {name: os.environ[name] for name in _names(text) if name in os.environ}


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
