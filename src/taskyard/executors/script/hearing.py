"""Hearing what a call says somewhere else, frame by frame; whoever runs there is not trusted."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from taskyard.contracts.target import Observer
from taskyard.domain.frame import Advanced, Broke, Frame, FrameReader, Gave, Plain, Said
from taskyard.domain.outcome import Failed, Postponed, TaskError
from taskyard.errors import CircuitOpen

_TAIL_LINES = 20


class Hearing:
    """Tells the observer of lines and progress, and keeps the last result or error and the last lines.

    `most_bytes`: what may be said in all; `over` tells that it was more, and nothing further is heard then.
    """

    def __init__(self, observer: Observer, most_bytes: int) -> None:
        self._observer = observer
        self._left = most_bytes
        self._reader = FrameReader(most_bytes)
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self.last: Gave | Broke | None = None
        self.refused: Plain | None = None
        self.over = False

    @property
    def tail(self) -> str:
        """The last lines that were no frames."""
        return "\n".join(self._tail)

    def feed(self, data: bytes) -> None:
        """Hear a piece of what is said."""
        if self.over:
            return
        self._left -= len(data)
        if self._left < 0:
            self.over = True
            return
        self._hear(self._reader.feed(data))

    def close(self) -> None:
        """Nothing more will be said."""
        self._hear(self._reader.close())

    def _hear(self, frames: Iterator[Frame]) -> None:
        for frame in frames:
            match frame:
                case Said(level, text):
                    self._observer.log(level, text)
                case Advanced(current, total, action):
                    self._observer.progress(current, total, action)
                case Gave() | Broke():
                    self.last = frame
                case Plain(text):
                    if text.lstrip().startswith("{"):
                        self.refused = frame
                    self._tail.append(text)
                    self._observer.log("info", text)

    def details(self, **more: Any) -> dict[str, Any]:
        """What an error tells besides its message."""
        return {**more, **({"lastOutput": self.tail} if self.tail else {})}


def waits_for(circuit: CircuitOpen) -> Postponed:
    """The task comes back when the circuit may let it through."""
    return Postponed(circuit.retry_after, circuit.message, circuit.circuit)


def broke(error: Broke, hearing: Hearing, **more: Any) -> Failed:
    """The error that the program told of itself."""
    details = (
        hearing.details(**more) if error.details is None else {"details": error.details, **hearing.details(**more)}
    )
    return Failed(TaskError(error.code or "EXECUTION_ERROR", error.message, details or None, error.stack_trace))


def too_much(hearing: Hearing, most_bytes: int) -> Failed:
    """The error for a call that said more than it may."""
    message = f"it said more than {most_bytes} bytes; raise `resources.outputBytes` in its definition if it needs more"
    return Failed(TaskError("RESOURCE_LIMIT", message, hearing.details(limit="output")))
