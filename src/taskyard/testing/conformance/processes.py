"""Stores in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from pkgutil import resolve_name
from typing import NamedTuple

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

    Raises ValueError where one of them fails; its traceback is on stderr.
    """
    waiting, go = os.pipe()
    processes = [
        subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, _MIGRATOR, *database], stdin=waiting, stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    os.close(waiting)
    for process in processes:
        if process.stdout is not None:
            process.stdout.readline()  # it is ready
    os.close(go)
    return [json.loads(process.communicate(timeout=_PATIENCE)[0]) for process in processes]
