"""The secret box: credentials as they are kept, encrypted and bound to the place they belong to."""

from __future__ import annotations

import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from taskyard.errors import ConfigurationError

_FORM = b"\x02"
_NONCE, _TAG, _KEY, _NAME = 12, 16, 32, 8
_WRAPPED = _NONCE + _KEY + _TAG
_HEAD = len(_FORM) + _NAME + _WRAPPED


class SecretBox:
    """Seals bytes with AES-256-GCM (NIST SP 800-38D) under a key of their own, which is sealed with `key`, 32 secret
    bytes made for this purpose alone. What was sealed with one of the `former` keys opens too.

    What was sealed for one `place`, such as `subscription/7/secrets`, opens at no other: a row that is copied
    over another one tells nothing.
    """

    def __init__(self, key: bytes, *former: bytes) -> None:
        self._name = _name(key)
        self._keys = {_name(each): AESGCM(each) for each in (*former, key)}

    def seal(self, content: bytes, place: str) -> bytes:
        """The content, encrypted with a key and nonces of its own."""
        own = AESGCM.generate_key(_KEY * 8)
        return self._wrap(own, place) + _encrypt(AESGCM(own), content, place)

    def open(self, sealed: bytes, place: str) -> bytes:
        """The content. Raises ConfigurationError for what was sealed with another key or for another place."""
        return _decrypt(AESGCM(self._unwrap(sealed, place)), sealed[_HEAD:], place)

    def is_former(self, sealed: bytes) -> bool:
        """Whether one of the former keys opens it, and the present one does not."""
        name = sealed[len(_FORM) : len(_FORM) + _NAME]
        return name != self._name and name in self._keys

    def renew(self, sealed: bytes, place: str) -> bytes:
        """The same for the present key; the content is not decrypted. Raises as `open` does."""
        return self._wrap(self._unwrap(sealed, place), place) + sealed[_HEAD:]

    def _wrap(self, own: bytes, place: str) -> bytes:
        return _FORM + self._name + _encrypt(self._keys[self._name], own, place)

    def _unwrap(self, sealed: bytes, place: str) -> bytes:
        begins = len(_FORM) + _NAME
        key = self._keys.get(sealed[len(_FORM) : begins])
        if key is None or not sealed.startswith(_FORM):
            raise _shut(place)
        return _decrypt(key, sealed[begins:_HEAD], place)


def _name(key: bytes) -> bytes:
    """What tells which key it is, and nothing of the key."""
    return hashlib.sha256(b"taskyard/key-name" + key).digest()[:_NAME]


def _encrypt(cipher: AESGCM, content: bytes, place: str) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + cipher.encrypt(nonce, content, place.encode())


def _decrypt(cipher: AESGCM, sealed: bytes, place: str) -> bytes:
    try:
        return cipher.decrypt(sealed[:_NONCE].ljust(_NONCE), sealed[_NONCE:], place.encode())
    except InvalidTag:
        raise _shut(place) from None


def _shut(place: str) -> ConfigurationError:
    return ConfigurationError(
        f"the secrets of {place} cannot be opened: they were sealed with another key; set TASKYARD_SECRET_KEY,"
        " or the secret.key of the data directory, to what it was, or name that in TASKYARD_FORMER_SECRET_KEYS, or give"
        " the secrets anew"
    )
