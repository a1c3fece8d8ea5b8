"""A followed log, whose connection may break and be made again without a line lost or heard twice."""

from __future__ import annotations

from taskyard.executors.script.hearing import Hearing

Moment = tuple[str, str]


class LogLines:
    """Cuts a log into lines, takes each line's moment off, and feeds what is new to the hearing.

    `count`: how many lines were new; `since`: the moment of the last, from which to ask again.
    """

    def __init__(self, hearing: Hearing) -> None:
        self._hearing = hearing
        self._rest = b""
        self._last: Moment = ("", "")
        self._at_last = 0
        self._skipping = 0
        self.since = ""
        self.count = 0

    @property
    def over(self) -> bool:
        """Whether more was said than may be."""
        return self._hearing.over

    def begin(self) -> None:
        """A connection begins, and with it what was said at the last moment and after it comes again."""
        self._rest = b""
        self._skipping = self._at_last

    def feed(self, data: bytes) -> None:
        """Hear a piece of the log."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line)

    def close(self) -> None:
        """The log has ended."""
        if self._rest:
            self._take(self._rest)
            self._rest = b""
        self._hearing.close()

    def _take(self, line: bytes) -> None:
        stamp, _, text = line.partition(b" ")
        moment = _moment(stamp)
        if moment is None:
            self.count += 1
            self._hearing.feed(line + b"\n")
            return
        if moment < self._last:
            return
        if moment == self._last and self._skipping:
            self._skipping -= 1
            return
        self._at_last = self._at_last + 1 if moment == self._last else 1
        self._skipping = 0 if moment != self._last else self._skipping
        self._last, self.since = moment, stamp.decode()
        self.count += 1
        self._hearing.feed(text + b"\n")


def _moment(stamp: bytes) -> Moment | None:
    """`2026-01-01T00:00:00.12Z` so that it can be compared; None for what is none."""
    text = stamp.decode("ascii", "replace")
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    if not text.endswith("Z") or len(seconds) != len("2026-01-01T00:00:00") or not (fraction or "0").isdecimal():
        return None
    return seconds, fraction.ljust(9, "0")
