"""Fingerprints: failures with one cause, though their messages differ in numbers, ids and quoted words."""

from __future__ import annotations

import hashlib
import re
from typing import Final

_LONGEST: Final = 2000
# Bounded, so that no message of many opening quotes takes long.
_QUOTED: Final = re.compile(r'"[^"]{0,200}"|(?<!\w)\'[^\']{0,200}\'|“[^”]{0,200}”|`[^`]{0,200}`')
_ID: Final = re.compile(r"\b[0-9a-f]{8,128}(?:-[0-9a-f]{4,128}){0,4}\b", re.IGNORECASE)
_NUMBER: Final = re.compile(r"\d+(?:[.,:]\d+)*")


def normalised(message: str) -> str:
    """What is the same in messages that differ in details only; of a long one the beginning counts."""
    text = _QUOTED.sub("…", message[:_LONGEST])
    return _NUMBER.sub("#", _ID.sub("#", text))


def fingerprint(definition: str, code: str, message: str) -> str:
    """What failures of one cause have in common, in 16 hexadecimal digits: the definition, the code and the message."""
    text = "\0".join((definition, code, normalised(message)))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
