"""Secrets that the operator keeps: by name, in a setting or as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from taskyard.domain.implementation import SECRET_NAME
from taskyard.domain.mask import SHORTEST

_LONGEST = 65_536


class NoSecret(Exception):
    """There is no such secret, or it cannot be used; the message says what to do."""


class Secrets:
    """Secrets by name: those `given`, then those that are files in `folder` (as Docker and Kubernetes mount them)."""

    def __init__(self, given: Mapping[str, str], folder: Path | None) -> None:
        self._given = given
        self._folder = folder

    def value(self, name: str) -> str:
        """The secret's value. Raises NoSecret."""
        value = self._given.get(name)
        if value is None:
            value = self._read(name)
        if not SHORTEST <= len(value) <= _LONGEST or "\0" in value:
            what = f"the secret {name!r} has no length from {SHORTEST} to {_LONGEST}, or holds a NUL"
            raise NoSecret(f"{what}; shorter ones could not be kept out of logs")
        return value

    def _read(self, name: str) -> str:
        mend = "the operator gives it in TASKYARD_SECRETS, or as a file in TASKYARD_SECRETS_DIR"
        if self._folder is None or not SECRET_NAME.fullmatch(name):
            raise NoSecret(f"there is no secret {name!r}; {mend}")
        try:
            with (self._folder / name).open("rb") as stream:
                data = stream.read(_LONGEST * 4 + 1)
            return data.decode().removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            raise NoSecret(f"there is no secret {name!r} ({why}); {mend}") from None
