"""Frames: what code that is not ours says while it runs, one JSON object a line. Read as hostile.

`{"type": "log", "level": "info", "text": "…"}`, `{"type": "progress", "current": 1, "total": 3, "action": "…"}`,
`{"type": "result", "output": …}`, `{"type": "error", "error": {"message": "…", "code": "…", "stackTrace": "…"}}`,
`{"type": "file", "name": "…", "data": "base64", "last": true}`.
"""

from __future__ import annotations

import math
from base64 import b64decode
from collections.abc import Iterator
from typing import Any, NamedTuple

from taskyard.domain.json import loads
from taskyard.domain.text import printable
from taskyard.errors import Malformed, TaskyardError

LEVELS = ("debug", "info", "warning", "error")
LONGEST_TEXT = 8_192
_LONGEST_STACK = 32_768
_LONGEST_CODE = 64


class Said(NamedTuple):
    """A line; `level` is debug, info, warning or error."""

    level: str
    text: str


class Advanced(NamedTuple):
    """How far it is; the numbers are finite."""

    current: float
    total: float | None
    action: str | None


class Gave(NamedTuple):
    """Its result, any JSON value that can be stored."""

    output: Any


class Broke(NamedTuple):
    """Its own error. `code` empty: it named none."""

    message: str
    code: str = ""
    stack_trace: str | None = None
    details: Any = None


class Wrote(NamedTuple):
    """A piece of a file, in order; `last` when the file is whole."""

    name: str
    data: bytes
    last: bool


class Plain(NamedTuple):
    """A line that is no frame, and why not; `text` is its beginning, safe to show."""

    text: str
    why: str


Frame = Said | Advanced | Gave | Broke | Wrote | Plain


class FrameReader:
    """Cuts bytes into frames. Holds `longest` bytes at most, and never raises whatever it is fed."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._rest = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes. A line that is too long comes as one `Plain`, cut."""
        for piece in _lines(data):
            yield from self._take(piece)

    def close(self) -> Iterator[Frame]:
        """What is left of a last line without an end."""
        if self._rest:
            line, self._rest = bytes(self._rest), bytearray()
            yield parse_frame(line)

    def _take(self, piece: bytes) -> Iterator[Frame]:
        ended = piece.endswith(b"\n")
        if self._skipping:
            self._skipping = not ended
            return
        self._rest += piece
        if len(self._rest) > self._longest:
            yield Plain(_shown(self._rest), f"is longer than {self._longest} bytes")
            self._rest.clear()
            self._skipping = not ended
        elif ended:
            line, self._rest = bytes(self._rest[:-1]), bytearray()
            if line.strip():
                yield parse_frame(line)


def parse_frame(line: bytes) -> Frame:
    """One line as a frame; `Plain` for whatever is none."""
    if not line.lstrip().startswith(b"{"):
        return Plain(_shown(line), "is not a JSON object")
    try:
        value = loads(line)
    except (Malformed, ValueError, RecursionError):
        return Plain(_shown(line), "is not JSON")
    except TaskyardError as error:
        return Plain(_shown(line), error.message)
    read = _READ.get(value["type"]) if isinstance(value, dict) and isinstance(value.get("type"), str) else None
    if read is None:
        return Plain(_shown(line), "has no known type")
    try:
        return read(value)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return Plain(_shown(line), f"is no {value['type']} frame: {error}")


def _lines(data: bytes) -> Iterator[bytes]:
    """The lines in `data`, each with its newline; the last may have none."""
    *whole, rest = data.split(b"\n")
    yield from (line + b"\n" for line in whole)
    if rest:
        yield rest


def _read_log(value: dict[str, Any]) -> Frame:
    level = value.get("level")
    return Said(level if level in LEVELS else "info", _text(value["text"], LONGEST_TEXT))


def _read_progress(value: dict[str, Any]) -> Frame:
    total, action = value.get("total"), value.get("action")
    return Advanced(
        _number(value["current"]),
        None if total is None else _number(total),
        None if action is None else _text(action, LONGEST_TEXT),
    )


def _read_result(value: dict[str, Any]) -> Frame:
    return Gave(value["output"])


def _read_error(value: dict[str, Any]) -> Frame:
    error = value["error"]
    stack, code = error.get("stackTrace"), error.get("code")
    return Broke(
        _text(error["message"], LONGEST_TEXT) or "failed without a message",
        _text(code, _LONGEST_CODE) if isinstance(code, str) else "",
        _text(stack, _LONGEST_STACK) if isinstance(stack, str) else None,
        error.get("details"),
    )


def _read_file(value: dict[str, Any]) -> Frame:
    return Wrote(str(value["name"]), b64decode(value["data"], validate=True), value.get("last") is True)


_READ = {
    "log": _read_log,
    "progress": _read_progress,
    "result": _read_result,
    "error": _read_error,
    "file": _read_file,
}


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return value


def _text(value: Any, longest: int) -> str:
    if not isinstance(value, str):
        raise TypeError("its text is no text")
    return printable(value[:longest])


def _shown(line: bytes | bytearray) -> str:
    return printable(bytes(line[:LONGEST_TEXT]).decode("utf-8", "replace"))
