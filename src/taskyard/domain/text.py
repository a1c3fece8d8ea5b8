"""Text that others wrote, made safe to show."""

from __future__ import annotations

import re

CUT = "…"
"""Stands where a text goes on whose beginning was cut off."""

# What is kept: SGR (colour) sequences. What goes: every other escape sequence (ECMA-48: CSI, OSC, DCS, …),
# C0 and C1 controls but tab and newline, the Unicode bidirectional controls, NUL and lone surrogates.
_COLOUR = r"\x1b\[[0-9;:]*m"
_DROPPED = re.compile(
    rf"({_COLOUR})"
    r"|\x1b\[[0-?]*[ -/]*[@-~]?"
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+|\x1b"
)


def printable(text: str) -> str:
    """`text` with colours as its only control sequences."""
    return _DROPPED.sub(lambda match: match.group(1) or "", text)
