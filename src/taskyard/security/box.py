"""The secret box: credentials as they are kept, encrypted and bound to the place they belong to."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from taskyard.errors import ConfigurationError

_FORM = b"\x01"
_NONCE_BYTES = 12


class SecretBox:
    """Seals bytes with AES-256-GCM (NIST SP 800-38D); `key` is 32 secret bytes made for this purpose alone.

    What was sealed for one `place`, such as `subscription/7/secrets`, opens at no other: a row that is copied
    over another one tells nothing.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, content: bytes, place: str) -> bytes:
        """The content, encrypted with a nonce of its own."""
        nonce = os.urandom(_NONCE_BYTES)
        return _FORM + nonce + self._cipher.encrypt(nonce, content, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """The content. Raises ConfigurationError for what was sealed with another key or for another place."""
        begins = len(_FORM) + _NONCE_BYTES
        nonce, rest = sealed[len(_FORM) : begins], sealed[begins:]
        try:
            return self._cipher.decrypt(nonce.ljust(_NONCE_BYTES), rest, place.encode())
        except InvalidTag:
            raise ConfigurationError(
                f"the secrets of {place} cannot be opened: they were sealed with another key; set TASKYARD_SECRET_KEY,"
                " or the secret.key of the data directory, to what it was, or give the secrets anew"
            ) from None
