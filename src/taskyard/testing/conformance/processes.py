"""Stores in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name
from typing import IO, NamedTuple

from taskyard.contracts.clock import Clock
from taskyard.contracts.store import Store

_MIGRATOR = str(Path(__file__).with_name("migrator.py"))
_PATIENCE = 60.0


class Address(NamedTuple):
    """A database, told so that another process can find it: the store as `module:Class`, and what it is made with."""

    store: str
    location: str

    def __call__(self, clock: Clock) -> Store:
        """A store on it, not yet open."""
        made: Store = resolve_name(self.store)(self.location, clock)
        return made


def migrate_at_once(database: Address, count: int) -> list[list[str]]:
    """What each of `count` processes says that it has migrated; they begin together.

    Raises ValueError with the traceback of one that fails, TimeoutExpired where one takes a minute; none outlives it.
    """
    with contextlib.ExitStack() as ending:
        waiting, go = (ending.enter_context(os.fdopen(end, mode)) for end, mode in zip(os.pipe(), "rw", strict=True))
        processes = [ending.enter_context(_ended(_begin(database, waiting))) for _ in range(count)]
        waiting.close()
        for process in processes:
            if process.stdout is not None:
                process.stdout.readline()  # it is ready
        go.close()
        told = [process.communicate(timeout=_PATIENCE) for process in processes]
    for process, (_, error) in zip(processes, told, strict=True):
        if process.returncode != 0:
            raise ValueError(f"a process that migrates has ended with {process.returncode}:\n{error}")
    return [json.loads(out) for out, _ in told]


def _begin(database: Address, stdin: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, _MIGRATOR, *database], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@contextlib.contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """The process, which does not outlive the block."""
    with process:
        try:
            yield process
        finally:
            process.kill()
