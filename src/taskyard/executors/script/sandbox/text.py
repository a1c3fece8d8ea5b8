"""What a program prints: lines for its log, and a bounded memory of its beginning and its end."""

from __future__ import annotations

from collections.abc import Callable

from taskyard.domain.text import CUT, printable

_LONGEST_LINE = 8_192
_MOST_LINES = 10_000
_TAIL = 4_096


class Printed:
    """One stream of text. Hands whole lines to `say`, the first ten thousand of them."""

    def __init__(self, say: Callable[[str], None], keep: int = 0) -> None:
        self._say = say
        self._keep = keep
        self._rest = b""
        self._lines = 0
        self.head = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what was printed."""
        if len(self.head) < self._keep:
            self.head += data[: self._keep - len(self.head)]
        if self._lines >= _MOST_LINES:
            return
        *lines, self._rest = (self._rest + data).split(b"\n", _MOST_LINES)
        for line in lines:
            self._line(line)
        if len(self._rest) > _LONGEST_LINE:
            self._line(self._rest)
            self._rest = CUT.encode()

    def close(self) -> None:
        """The last line may have no end."""
        if self._rest:
            self._line(self._rest)
            self._rest = b""

    def _line(self, line: bytes) -> None:
        self._lines += 1
        if self._lines <= _MOST_LINES:
            self._say(line[:_LONGEST_LINE].decode("utf-8", "replace"))


class Tail:
    """The last of what was said, over all streams."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._size = 0

    def add(self, line: str) -> None:
        """One more line."""
        line = line if len(line) <= _TAIL else CUT + line[1 - _TAIL :]
        self._lines.append(line)
        self._size += len(line) + 1
        while self._size > _TAIL and len(self._lines) > 1:
            self._size -= len(self._lines.pop(0)) + 1

    def __str__(self) -> str:
        return printable("\n".join(self._lines))
