"""What was seen from outside: the trace of a run, what was promised to whom, and which handlers' bodies ran."""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from typing import Any

from tests.simulation.loop import Process, VirtualLoop, current

_KEPT = 300


class Body:
    """One run of a handler's body, begun in the loop's seconds. `value` is what it returned, if it has come so far."""

    def __init__(
        self, number: int, process: Process, task_id: int, attempt: int, key: str, began_at: float, losses: int
    ) -> None:
        self.number = number
        self.began_at = began_at
        self.process = process
        self.task_id = task_id
        self.attempt = attempt
        self.key = key
        self.losses = losses
        self.value: Any = None
        self.ended = False
        self.waits = False

    def __repr__(self) -> str:
        return f"{self.key} {self.task_id}/{self.attempt} in {self.process}"


class Ledger:
    """Shares nothing with the store. `wrong` is what was found wrong at the moment it happened."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._hash = hashlib.sha256()
        self._last: deque[str] = deque(maxlen=_KEPT)
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.accepted: dict[int, Any] = {}
        self.idempotent: defaultdict[str, set[int]] = defaultdict(set)
        self.completed_by: dict[tuple[int, int], Any] = {}
        self.canceled: set[int] = set()
        self.hurried: set[int] = set()
        self.told_final: defaultdict[int, set[str]] = defaultdict(set)
        self.heard: list[tuple[int, list[tuple[str, int]]]] = []
        self.bodies: defaultdict[tuple[int, int], list[Body]] = defaultdict(list)
        self.running: dict[int, Body] = {}
        self.workers: dict[str, Process] = {}

    # ---- the trace
    def note(self, who: Process | str, what: str) -> None:
        """One line of the trace."""
        line = f"{self._loop.now_us / 1e6:12.6f} {who}: {what}"
        self._hash.update(line.encode())
        self._last.append(line)

    def count(self, what: str) -> None:
        """A fault was made."""
        self.counts[what] += 1

    def accuse(self, what: str) -> None:
        """Something is wrong."""
        self.note("WRONG", what)
        self.wrong.append(what)

    @property
    def hash(self) -> str:
        """Of the whole trace."""
        return self._hash.hexdigest()

    @property
    def last(self) -> list[str]:
        """The last steps."""
        return list(self._last)

    # ---- bodies
    @contextlib.contextmanager
    def body(self, task_id: int, attempt: int, key: str, *, losses: int = 0) -> Iterator[Body]:
        """A handler's body runs. That of a process that was killed never ends."""
        self.counts["bodies"] += 1
        body = Body(self.counts["bodies"], current(), task_id, attempt, key, self._loop.time(), losses)
        self.note(body.process, f"begins {key} {task_id}/{attempt}")
        self.on_begin(body)
        self.bodies[task_id, attempt].append(body)
        self.running[body.number] = body
        try:
            yield body
        finally:
            body.ended = True
            self.running.pop(body.number, None)
            self.note(body.process, f"ends {key} {task_id}/{attempt}")

    def on_begin(self, body: Body) -> None:
        """Whoever wants to judge whether it may begin now."""

    def started(self, task_id: int, attempt: int) -> bool:
        """Whether a body of this attempt has begun."""
        return bool(self.bodies.get((task_id, attempt)))
