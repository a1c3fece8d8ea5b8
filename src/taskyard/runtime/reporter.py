"""What running tasks say of themselves: collected from any thread, kept in batches, never in their way."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from taskyard.contracts.clock import Clock
from taskyard.contracts.records import Emitted, ProgressReport
from taskyard.contracts.store import Store
from taskyard.domain import sequence
from taskyard.domain.facts import Line
from taskyard.domain.text import printable
from taskyard.errors import Overloaded
from taskyard.runtime.insistence import Wait, insist

_FLUSH_EVERY = 0.05
_LINES_PER_ATTEMPT = 50_000
_TEXT_PER_ATTEMPT = 64 * 2**20
_LINE_LENGTH = 8_192
_CUT = f"the log is cut here: of an attempt {_LINES_PER_ATTEMPT:,} lines or {_TEXT_PER_ATTEMPT:,} characters are kept"
_LEVELS = {"debug": 0, "info": 1, "warning": 2, "error": 3}


@dataclass(slots=True)
class _Told:
    """What an attempt has said so far: lines and all else, the characters of its lines, and whether there are more."""

    steps: int = 0
    characters: int = 0
    is_cut: bool = False

    def step(self) -> int:
        """The number of what is said next."""
        self.steps += 1
        return self.steps - 1


class Reporter:
    """Numbers lines and progress within their attempt and hands them to the store.

    Lines below `level` are not kept. A task that floods its log is cut off at 50,000 lines or 64 Mi characters an
    attempt, and its last line says so.
    """

    def __init__(self, store: Store, clock: Clock, level: str, wait: Wait = asyncio.sleep) -> None:
        self._store = store
        self._clock = clock
        self._wait = wait
        self._least = _LEVELS[level]
        self._lock = threading.Lock()
        self._lines: list[Line] = []
        self._progress: dict[int, ProgressReport] = {}
        self._emitted: list[Emitted] = []
        self._told: defaultdict[tuple[int, int], _Told] = defaultdict(_Told)
        self._wanted = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._flushing = asyncio.Lock()

    def line(self, task_id: int, attempt: int, level: str, text: str) -> None:
        """Take a line. Control characters but colours are dropped, and very long lines cut."""
        level = level if level in _LEVELS else "info"
        if _LEVELS[level] < self._least:
            return
        with self._lock:
            told = self._told[task_id, attempt]
            if told.is_cut:
                return
            text = printable(text[:_LINE_LENGTH])
            told.characters += len(text)
            told.is_cut = told.steps >= _LINES_PER_ATTEMPT or told.characters > _TEXT_PER_ATTEMPT
            if told.is_cut:
                level, text = "warning", _CUT
            at = sequence.line(attempt, told.step())
            self._lines.append(Line(task_id, at, self._clock.now(), level, text))
        self._wake()

    def progress(self, task_id: int, attempt: int, current: float, total: float | None, action: str | None) -> None:
        """Take how far a task is; only the latest is kept."""
        with self._lock:
            at = sequence.line(attempt, self._told[task_id, attempt].step())
            self._progress[task_id] = ProgressReport(task_id, at, self._clock.now(), current, total, action)
        self._wake()

    async def emit(self, task_id: int, attempt: int, name: str, data: Any) -> None:
        """Take an event of the task's own. It is stored when this returns, or as soon as the store is there again."""
        with self._lock:
            at = sequence.line(attempt, self._told[task_id, attempt].step())
            self._emitted.append(Emitted(task_id, at, {"name": name, "data": data}))
        self._wake()
        with contextlib.suppress(Overloaded):
            await self.flush()

    @property
    def waiting(self) -> bool:
        """Whether anything has not been stored yet, or is on its way there."""
        return self._flushing.locked() or bool(self._lines or self._progress or self._emitted)

    def forget(self, task_id: int, attempt: int) -> None:
        """The attempt has ended."""
        self._told.pop((task_id, attempt), None)

    async def flush(self) -> None:
        """Store what was said until now. Raises Overloaded; then it is kept for the next time."""
        async with self._flushing:
            with self._lock:
                lines, self._lines = self._lines, []
                progress, self._progress = self._progress, {}
                emitted, self._emitted = self._emitted, []
            if not lines and not progress and not emitted:
                return
            try:
                await self._store.record(lines, list(progress.values()), emitted)
            except (Overloaded, asyncio.CancelledError):  # what came there all the same is kept only once
                with self._lock:
                    self._lines = lines + self._lines
                    self._progress = progress | self._progress
                    self._emitted = emitted + self._emitted
                raise

    async def run(self) -> None:
        """Flush now and then, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await asyncio.sleep(_FLUSH_EVERY)
            await insist(self.flush, "what tasks said waits for the store", self._wait)

    def _wake(self) -> None:
        if not self._wanted.is_set():
            self._loop.call_soon_threadsafe(self._wanted.set)
