"""What a worker runs now, where its supervisor can still read it after a crash.

Memory mapped into both processes: the first cell holds the worker's id, each further one the task that a slot
runs (0: none). Writing a cell is one machine word, so it costs nothing, and what is there after a crash is exact.
"""

from __future__ import annotations

import mmap
import os

_SPARE = 64
_WIDTH = 8


class Cells:
    """The cells of one worker, backed by the memory behind `descriptor` (None: this process's own)."""

    def __init__(self, slots: int, descriptor: int | None = None) -> None:
        size = (1 + slots + _SPARE) * _WIDTH
        if descriptor is not None and os.fstat(descriptor).st_size < size:
            os.ftruncate(descriptor, size)
        self._map = mmap.mmap(-1 if descriptor is None else descriptor, size)
        self._cells = memoryview(self._map).cast("q")
        self._size = len(self._cells)

    @property
    def worker_id(self) -> int:
        """The worker's id; 0 before it has registered."""
        return self._cells[0]

    @worker_id.setter
    def worker_id(self, worker_id: int) -> None:
        self._cells[0] = worker_id

    def mark(self, slot: int, task_id: int) -> None:
        """The slot runs this task now (0: none)."""
        if slot + 1 < self._size:
            self._cells[slot + 1] = task_id

    def running(self) -> list[int]:
        """The tasks that run, or ran when the process ended."""
        return [task_id for task_id in self._cells[1:].tolist() if task_id]

    def clear(self) -> None:
        """Nothing runs, and nobody is registered."""
        self._map[:] = bytes(len(self._map))
